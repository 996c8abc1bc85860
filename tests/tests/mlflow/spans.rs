//! Spans as an application makes them, and as it reads them back.

use anyhow::{Result, bail};
use roost::contract::{
    AttributeValue, Condition, Error, Field, Predicate, Projection, SpanRef, StatusCode, TimeWindow,
};
use roost::provider::SpanQuery;
use roost_tests::{Mlflow, span_id, trace_id, unique};
use serde_json::json;

use crate::server::{experiment, send, span};
use crate::{Service, names};

/// Each in a request of its own, to an experiment that is made for its first span.
#[tokio::test]
async fn spans_land_in_the_experiment_of_their_tenant() -> Result<()> {
    let service = Service::shared().await?;
    let tenants = [unique("acme"), unique("globex"), unique("initech")];
    for tenant in tenants.iter().cycle().take(9) {
        let whose = tenant.clone();
        service
            .telemetry
            .span("greet", tenant)
            .in_scope(|span| span.set_attribute("whose", whose));
    }
    service.delivered().await?;
    for tenant in &tenants {
        let spans = service.spans(tenant).await?;
        assert_eq!(spans.len(), 3);
        let whose = AttributeValue::Text(tenant.clone());
        assert!(
            spans
                .iter()
                .all(|span| span.attribute("whose") == Some(&whose))
        );
    }
    Ok(())
}

#[tokio::test]
async fn what_was_set_is_read_back_and_no_number_is_rounded() -> Result<()> {
    let service = Service::shared().await?;
    let tenant = unique("acme");
    let telemetry = &service.telemetry;
    let outcome: Result<()> = telemetry
        .span("answer", &tenant)
        .kind("LLM")
        .try_instrument(|span| {
            let answer = service.telemetry.span("tokens", &tenant).kind("TOOL");
            answer.in_scope(|_| ());
            span.set_attribute("llm.token_count.prompt", 12);
            span.set_attribute("big", (1_i64 << 62) + 1);
            span.set_attribute("temperature", 0.5);
            span.set_attribute("whole", 2.0);
            span.set_attribute("cached", true);
            span.set_attribute("digits", "5");
            span.set_attribute("unicode", "größer 🦉 \"quoted\" \\");
            span.set_attribute("json", r#"{"b":1,"a":[1.5,null]}"#);
            span.add_event("retried", Vec::new());
            async { bail!("the index is gone") }
        })
        .await;
    assert!(outcome.is_err());
    service.delivered().await?;

    let spans = service.spans(&tenant).await?;
    assert_eq!(names(&spans), ["answer", "tokens"]);
    let [root, child] = spans.as_slice() else {
        panic!("{spans:?}")
    };
    assert_eq!((root.kind.as_str(), child.kind.as_str()), ("LLM", "TOOL"));
    assert_eq!(root.parent_id, None);
    assert_eq!(child.parent_id.as_ref(), Some(&root.span_id));
    assert_eq!((root.trace_id.len(), root.span_id.len()), (32, 16));
    assert_eq!(root.status, StatusCode::Error);
    assert_eq!(root.status_message, "the index is gone");
    assert!(root.start_time < child.start_time && child.end_time <= root.end_time);
    let text = |text: &str| AttributeValue::Text(text.to_owned());
    for (key, value) in [
        ("llm.token_count.prompt", AttributeValue::Integer(12)),
        ("big", AttributeValue::Integer((1 << 62) + 1)),
        ("temperature", AttributeValue::Number(0.5)),
        ("whole", AttributeValue::Number(2.0)),
        ("cached", AttributeValue::Boolean(true)),
        ("digits", text("5")),
        ("unicode", text("größer 🦉 \"quoted\" \\")),
        // MLflow reads it as JSON, and its spelling is gone.
        ("json", text(r#"{"a":[1.5,null],"b":1}"#)),
    ] {
        assert_eq!(root.attribute(key), Some(&value), "{key}");
    }
    // What MLflow adds to spans is not theirs.
    let added = |span: &roost::contract::Span| {
        span.attributes
            .iter()
            .any(|it| it.key.starts_with("mlflow."))
    };
    assert!(!added(root) && !added(child));
    let events: Vec<_> = root
        .events
        .iter()
        .map(|event| event.name.as_str())
        .collect();
    assert_eq!(events, ["retried", "exception"]);

    let (provider, project) = (service.provider(&tenant)?, service.project(&tenant)?);
    let mut trace = provider
        .traces()
        .get_trace(&project, &root.trace_id)
        .await?;
    trace.sort_by_key(|span| span.start_time);
    assert_eq!(trace, spans);
    let of_trace = SpanRef {
        trace_id: root.trace_id.clone(),
        span_id: child.span_id.clone(),
        near: None,
    };
    let alone = SpanRef {
        trace_id: String::new(),
        ..of_trace.clone()
    };
    for reference in [of_trace, alone] {
        let found = provider.traces().get_span(&project, &reference).await?;
        assert_eq!(&found, child);
    }
    let url = provider.trace_url(&project, &root.trace_id).await?.unwrap();
    assert!(url.contains(&root.trace_id), "{url}");

    let few = Projection {
        attributes: Some(vec!["digits".to_owned()]),
        events: false,
        links: false,
        resource: false,
    };
    let query = SpanQuery::new(project, TimeWindow::all()).project_to(few);
    let found = provider.traces().get_spans(&query).await?;
    for span in found {
        assert!(span.events.is_empty());
        assert!(span.attributes.iter().all(|it| it.key == "digits"));
    }
    Ok(())
}

/// Whatever MLflow is asked for, what comes out is what fits.
#[tokio::test]
async fn conditions_hold_exactly() -> Result<()> {
    let mlflow = Mlflow::shared().await?;
    let service = Service::shared().await?;
    let tenant = unique("acme");
    let (provider, project) = (service.provider(&tenant)?, service.project(&tenant)?);
    let id = experiment(mlflow, &project).await?;
    let trace = trace_id();
    let ids: Vec<String> = (0..3).map(|_| span_id()).collect();
    let names_of = ["root", "it's", "say \"it's\" \\"];
    let mut spans: Vec<_> = (0..3)
        .map(|place| {
            let parent = if place == 0 { "" } else { &ids[0] };
            let start = 1_795_168_122_000_000_000 + place as u64;
            span(
                (&trace, &ids[place], parent),
                names_of[place],
                start,
                start + 5,
            )
        })
        .collect();
    spans[1]["status"] = json!({ "code": 2, "message": "broken" });
    spans[2]["attributes"] = json!([
        { "key": "openinference.span.kind", "value": { "stringValue": "tool" } },
        { "key": "tier", "value": { "stringValue": "gold" } },
    ]);
    assert_eq!(send(mlflow, &id, &spans).await?, 200);

    let text = |text: &str| AttributeValue::Text(text.to_owned());
    let is = |field: Field, value: &str| Predicate {
        field,
        condition: Condition::Equal(text(value)),
    };
    let other = |field: Field, condition: Condition| Predicate { field, condition };
    for (predicates, expected) in [
        (vec![is(Field::Name, "it's")], vec![1]),
        (vec![is(Field::Name, names_of[2])], vec![2]),
        (vec![is(Field::Name, "nobody")], vec![]),
        (vec![is(Field::Status, "ERROR")], vec![1]),
        (vec![is(Field::StatusMessage, "broken")], vec![1]),
        (vec![is(Field::Kind, "TOOL")], vec![2]),
        (vec![is(Field::TraceId, &trace)], vec![0, 1, 2]),
        (vec![is(Field::TraceId, "nothing")], vec![]),
        (vec![is(Field::SpanId, &ids[2])], vec![2]),
        (vec![is(Field::ParentId, &ids[0])], vec![1, 2]),
        (vec![other(Field::ParentId, Condition::Absent)], vec![0]),
        (vec![is(Field::Attribute("tier".into()), "gold")], vec![2]),
        (
            vec![is(Field::Name, "root"), is(Field::Status, "ERROR")],
            vec![],
        ),
        (
            vec![other(
                Field::Name,
                Condition::OneOf(vec![text("root"), text("it's")]),
            )],
            vec![0, 1],
        ),
        (
            vec![other(
                Field::StartTime,
                Condition::Greater(AttributeValue::Integer(1_795_168_122_000_000_000)),
            )],
            vec![1, 2],
        ),
    ] {
        let shown = format!("{predicates:?}");
        let mut query = SpanQuery::new(project.clone(), TimeWindow::all());
        for predicate in predicates {
            query = query.filter(predicate);
        }
        let mut found = provider.traces().get_spans(&query).await?;
        found.sort_by_key(|span| span.start_time);
        let found: Vec<_> = found.iter().map(|span| span.span_id.as_str()).collect();
        let expected: Vec<_> = expected
            .iter()
            .map(|place: &usize| ids[*place].as_str())
            .collect();
        assert_eq!(found, expected, "{shown}");
    }
    let roots = SpanQuery::new(project.clone(), TimeWindow::all()).roots_only();
    assert_eq!(names(&provider.traces().get_spans(&roots).await?), ["root"]);

    let unknown = provider.traces().get_trace(&project, &trace_id()).await;
    assert!(matches!(unknown.unwrap_err().kind(), Error::NotFound(_)));
    Ok(())
}

/// MLflow adds spans to a trace that it has, whatever experiment the header names.
#[tokio::test]
async fn a_trace_is_read_in_the_project_it_is_in_and_no_other() -> Result<()> {
    let mlflow = Mlflow::shared().await?;
    let service = Service::shared().await?;
    let tenants = [unique("acme"), unique("globex")];
    let mut experiments = Vec::new();
    for tenant in &tenants {
        experiments.push(experiment(mlflow, &service.project(tenant)?).await?);
    }
    let trace = trace_id();
    let root = span_id();
    let now = 1_795_168_122_000_000_000;
    let first = span((&trace, &root, ""), "first", now, now + 9);
    let second = span((&trace, &span_id(), &root), "second", now + 1, now + 2);
    assert_eq!(send(mlflow, &experiments[0], &[first]).await?, 200);
    assert_eq!(send(mlflow, &experiments[1], &[second]).await?, 200);

    assert_eq!(
        names(&service.spans(&tenants[0]).await?),
        ["first", "second"]
    );
    assert!(service.spans(&tenants[1]).await?.is_empty());
    let (provider, project) = (
        service.provider(&tenants[1])?,
        service.project(&tenants[1])?,
    );
    let error = provider
        .traces()
        .get_trace(&project, &trace)
        .await
        .unwrap_err();
    assert!(matches!(error.kind(), Error::NotFound(_)), "{error}");
    let span = SpanRef {
        trace_id: trace,
        span_id: root,
        near: None,
    };
    let alone = SpanRef {
        trace_id: String::new(),
        ..span.clone()
    };
    for span in [alone, span] {
        let error = provider
            .traces()
            .get_span(&project, &span)
            .await
            .unwrap_err();
        assert!(matches!(error.kind(), Error::NotFound(_)), "{error}");
    }
    Ok(())
}
