//! Spans as an application makes them, and as it reads them back.

use anyhow::{Result, bail};
use roost::contract::{
    AttributeValue, Condition, Error, Field, Predicate, Projection, SpanRef, StatusCode, TimeWindow,
};
use roost::provider::SpanQuery;
use roost_tests::{span_id, trace_id};
use serde_json::json;

use crate::{BEGIN, MILLISECOND, Service, names, span, text_attribute};

/// All keys lead to one project of Langfuse.
#[tokio::test]
async fn spans_are_read_in_the_project_of_their_tenant_only() -> Result<()> {
    let service = Service::start().await?;
    let tenants = ["acme", "globex", "initech"];
    for tenant in tenants.iter().cycle().take(9) {
        service
            .telemetry
            .span("greet", tenant)
            .in_scope(|span| span.set_attribute("whose", *tenant));
    }
    service.delivered().await?;
    for tenant in tenants {
        let spans = service.spans(tenant).await?;
        assert_eq!(spans.len(), 3);
        let whose = AttributeValue::Text(tenant.to_owned());
        assert!(spans.iter().all(|it| it.attribute("whose") == Some(&whose)));
    }
    assert!(service.spans("nobody").await?.is_empty());
    Ok(())
}

#[tokio::test]
async fn what_was_set_is_read_back() -> Result<()> {
    let service = Service::start().await?;
    let telemetry = &service.telemetry;
    let long = "größer 🦉 ".repeat(100);
    let outcome: Result<()> = telemetry
        .session_span("answer", "acme", "chat, 7 🦉")
        .kind("LLM")
        .try_instrument(|span| {
            let tokens = telemetry.span("tokens", "acme").kind("RERANKER");
            tokens.in_scope(|_| ());
            span.set_attribute("llm.token_count.prompt", 12);
            span.set_attribute("temperature", 0.5);
            span.set_attribute("cached", true);
            span.set_attribute("unicode", "größer 🦉 \"quoted\" \\");
            span.set_attribute("json", r#"{"b":1,"a":[1.5,null]}"#);
            span.set_attribute("long", long.clone());
            span.set_attribute("input.value", long.clone());
            span.set_attribute("output.value", "42");
            async { bail!("the index is gone") }
        })
        .await;
    assert!(outcome.is_err());
    service.delivered().await?;

    let spans = service.spans("acme").await?;
    let root = spans.iter().find(|it| it.name == "answer").unwrap();
    let child = spans.iter().find(|it| it.name == "tokens").unwrap();
    assert_eq!(spans.len(), 2);
    assert_eq!(
        (root.kind.as_str(), child.kind.as_str()),
        ("LLM", "RERANKER")
    );
    assert_eq!(root.parent_id, None);
    assert_eq!(child.parent_id.as_ref(), Some(&root.span_id));
    assert_eq!(root.status, StatusCode::Error);
    assert_eq!(root.status_message, "the index is gone");
    assert!(root.start_time > 0 && child.end_time <= root.end_time);
    let text = |text: &str| AttributeValue::Text(text.to_owned());
    for (key, value) in [
        ("llm.token_count.prompt", AttributeValue::Integer(12)),
        ("temperature", AttributeValue::Number(0.5)),
        ("cached", AttributeValue::Boolean(true)),
        ("unicode", text("größer 🦉 \"quoted\" \\")),
        ("json", text(r#"{"b":1,"a":[1.5,null]}"#)),
        // Langfuse cuts it at 200 characters unless it is asked for by its key.
        ("long", text(&long)),
        ("input.value", text(&long)),
        ("output.value", text("42")),
        ("session.id", text("chat, 7 🦉")),
    ] {
        assert_eq!(root.attribute(key), Some(&value), "{key}");
    }
    let is_mark = |key: &str| key.contains("roost_project");
    assert!(!root.attributes.iter().any(|it| is_mark(&it.key)));
    assert!(root.resource.iter().any(|it| it.key == "service.name"));

    let (provider, project) = (service.provider("acme")?, service.project("acme")?);
    let traces = provider.traces();
    let mut trace = traces.get_trace(&project, &root.trace_id).await?;
    trace.sort_by_key(|span| span.name.clone());
    assert_eq!(trace, [root.clone(), child.clone()]);
    let whole = SpanRef::new(root.trace_id.as_str(), child.span_id.as_str());
    for reference in [whole, SpanRef::by_id(child.span_id.as_str())] {
        assert_eq!(&traces.get_span(&project, &reference).await?, child);
    }
    let url = provider.trace_url(&project, &root.trace_id).await?.unwrap();
    assert!(
        url.ends_with(&format!("/traces/{}", root.trace_id)),
        "{url}"
    );

    let few = Projection {
        attributes: Some(vec!["cached".to_owned()]),
        events: false,
        links: false,
        resource: false,
    };
    let query = SpanQuery::new(project.as_str(), TimeWindow::all()).project_to(few);
    for span in traces.get_spans(&query).await? {
        assert!(span.attributes.iter().all(|it| it.key == "cached"));
        assert!(span.resource.is_empty());
    }
    // The host computes them, of what comes back.
    let statistics = provider
        .analytics()
        .get_trace_statistics(&project, TimeWindow::all())
        .await?;
    assert_eq!((statistics.count, statistics.error_rate), (2, Some(0.5)));
    Ok(())
}

/// Whatever Langfuse is asked for, what comes out is what fits.
#[tokio::test]
async fn conditions_hold_exactly() -> Result<()> {
    let service = Service::start().await?;
    let (provider, project) = (service.provider("acme")?, service.project("acme")?);
    let trace = trace_id();
    let ids: Vec<String> = (0..3).map(|_| span_id()).collect();
    let names_of = ["root", "it's", "say \"it's\" \\ 🦉"];
    let mut spans: Vec<_> = (0..3)
        .map(|place| {
            let parent = if place == 0 { "" } else { &ids[0] };
            let start = BEGIN + place as u64 * MILLISECOND;
            let of = (trace.as_str(), ids[place].as_str(), parent);
            span(of, names_of[place], start, start + 5 * MILLISECOND)
        })
        .collect();
    spans[1]["status"] = json!({ "code": 2, "message": "broken" });
    spans[2]["attributes"] = json!([
        text_attribute("openinference.span.kind", "tool"),
        text_attribute("tier", "gold"),
    ]);
    service.send("acme", spans).await?;

    let text = |text: &str| AttributeValue::Text(text.to_owned());
    let is = |field: Field, value: &str| Predicate {
        field,
        condition: Condition::Equal(text(value)),
    };
    let other = |field: Field, condition: Condition| Predicate { field, condition };
    let at = |place: u64| AttributeValue::Integer((BEGIN + place * MILLISECOND).cast_signed());
    for (predicates, expected) in [
        (vec![is(Field::Name, "it's")], vec![1]),
        (vec![is(Field::Name, names_of[2])], vec![2]),
        (vec![is(Field::Name, "nobody")], vec![]),
        (vec![is(Field::Name, "")], vec![]),
        (vec![is(Field::Status, "ERROR")], vec![1]),
        (vec![is(Field::Status, "UNSET")], vec![0, 2]),
        (vec![is(Field::Status, "OK")], vec![]),
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
            vec![other(Field::StartTime, Condition::Greater(at(0)))],
            vec![1, 2],
        ),
        (
            vec![other(Field::StartTime, Condition::LessOrEqual(at(1)))],
            vec![0, 1],
        ),
        (
            vec![other(Field::StartTime, Condition::Equal(at(2)))],
            vec![2],
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
    // The end is not in the window.
    let window = TimeWindow {
        start: BEGIN,
        end: BEGIN + 2 * MILLISECOND,
    };
    let query = SpanQuery::new(project, window);
    assert_eq!(provider.traces().get_spans(&query).await?.len(), 2);
    Ok(())
}

#[tokio::test]
async fn of_a_trace_with_spans_of_two_projects_each_reads_its_own() -> Result<()> {
    let service = Service::start().await?;
    let (trace, root) = (trace_id(), span_id());
    let first = span((&trace, &root, ""), "first", BEGIN, BEGIN + 9 * MILLISECOND);
    let child = span_id();
    let second = span((&trace, &child, &root), "second", BEGIN, BEGIN);
    service.send("acme", vec![first]).await?;
    service.send("globex", vec![second]).await?;

    for (tenant, own, other) in [("acme", "first", &child), ("globex", "second", &root)] {
        let (provider, project) = (service.provider(tenant)?, service.project(tenant)?);
        let traces = provider.traces();
        assert_eq!(names(&service.spans(tenant).await?), [own]);
        assert_eq!(names(&traces.get_trace(&project, &trace).await?), [own]);
        for reference in [
            SpanRef::new(trace.as_str(), other.as_str()),
            SpanRef::by_id(other.as_str()),
        ] {
            let error = traces.get_span(&project, &reference).await.unwrap_err();
            assert!(matches!(error.kind(), Error::NotFound(_)), "{error}");
        }
    }
    let (provider, project) = (service.provider("initech")?, service.project("initech")?);
    for trace in [trace, trace_id()] {
        let error = provider.traces().get_trace(&project, &trace).await;
        let error = error.unwrap_err();
        assert!(matches!(error.kind(), Error::NotFound(_)), "{error}");
    }
    Ok(())
}

/// Roost's mark is the last attribute of a span, and the last one counts.
#[tokio::test]
async fn a_span_that_is_marked_as_anothers_stays_in_its_project() -> Result<()> {
    let service = Service::start().await?;
    let other = service.project("globex")?;
    service.telemetry.span("work", "acme").in_scope(|span| {
        span.set_attribute("langfuse.observation.metadata.roost_project", other);
    });
    service.delivered().await?;
    assert_eq!(names(&service.spans("acme").await?), ["work"]);
    assert!(service.spans("globex").await?.is_empty());
    Ok(())
}
