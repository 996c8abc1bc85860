//! Spans as an application makes them, and as it reads them back.

use std::time::Duration;

use anyhow::{Result, bail};
use roost::contract::{
    AttributeValue, Condition, Error, Field, Order, OrderKey, Predicate, Projection, SpanRef,
    StatusCode, TimeWindow,
};
use roost::provider::SpanQuery;
use roost_tests::unique;

use crate::{Backend, Service, Settings, names, on_every_backend, text};

on_every_backend! {
    spans_nest_across_awaits_tasks_and_threads,
    errors_and_panics_are_recorded_and_passed_on,
    what_was_set_is_read_back,
    questions_are_answered_exactly,
    more_spans_than_a_page_are_all_read_once,
    an_attribute_of_two_megabytes_comes_back_whole,
    limits_of_none_and_of_a_billion_are_kept,
    in_synchronous_mode_a_span_is_sent_when_it_ends,
    statistics_have_the_keys_that_dashboards_know,
}

async fn spans_nest_across_awaits_tasks_and_threads(backend: Backend) -> Result<()> {
    let service = Service::on(backend).await?;
    let tenant = unique("acme");
    let telemetry = &service.telemetry;
    telemetry
        .span("request", &tenant)
        .instrument(async |request: roost::manager::Span| {
            tokio::time::sleep(Duration::from_millis(2)).await;
            telemetry
                .span("embed", &tenant)
                .instrument(|_| tokio::time::sleep(Duration::from_millis(2)))
                .await;
            let context = request.context().unwrap();
            let (telemetry, tenant) = (telemetry.clone(), tenant.clone());
            std::thread::spawn(move || {
                let _entered = context.attach();
                telemetry.span("rank", &tenant).in_scope(|_| ());
            })
            .join()
            .unwrap();
        })
        .await;
    service.delivered().await?;
    let spans = service.spans(&tenant, 3).await?;
    assert_eq!(names(&spans), ["request", "embed", "rank"]);
    let root = &spans[0];
    assert_eq!(root.parent_id, None);
    for child in &spans[1..] {
        assert_eq!(child.parent_id.as_ref(), Some(&root.span_id));
        assert_eq!(child.trace_id, root.trace_id);
    }
    let provider = service.provider(&tenant)?;
    let project = service.project(&tenant)?;
    let trace = provider
        .traces()
        .get_trace(&project, &root.trace_id)
        .await?;
    let mut trace = trace;
    trace.sort_by_key(|span| span.start_time);
    assert_eq!(trace, spans);
    // `local` has no pages of its own.
    let url = provider.trace_url(&project, &root.trace_id).await?;
    assert_eq!(
        url.is_some(),
        matches!(backend, Backend::Phoenix | Backend::Mlflow)
    );
    assert!(url.is_none_or(|url| url.contains(&root.trace_id)));
    Ok(())
}

async fn errors_and_panics_are_recorded_and_passed_on(backend: Backend) -> Result<()> {
    let service = Service::on(backend).await?;
    let tenant = unique("acme");
    let telemetry = service.telemetry.clone();

    let outcome: Result<()> = telemetry
        .span("fails", &tenant)
        .try_instrument(|_| async { bail!("the index is gone") })
        .await;
    assert_eq!(outcome.unwrap_err().to_string(), "the index is gone");

    let who = tenant.clone();
    let panicked = tokio::spawn(async move {
        let work = |_| async { panic!("out of luck") };
        telemetry.span("panics", &who).instrument(work).await
    });
    assert!(panicked.await.unwrap_err().is_panic());

    service.delivered().await?;
    let spans = service.spans(&tenant, 2).await?;
    assert_eq!(names(&spans), ["fails", "panics"]);
    for (span, message) in spans.iter().zip(["the index is gone", "out of luck"]) {
        assert_eq!(span.status, StatusCode::Error);
        assert_eq!(span.status_message, message);
        assert_eq!(span.events[0].name, "exception");
        let recorded = span.events[0].attributes.iter();
        let messages: Vec<_> = recorded.filter(|a| a.key == "exception.message").collect();
        assert_eq!(messages[0].value, AttributeValue::Text(message.to_owned()));
    }
    Ok(())
}

async fn what_was_set_is_read_back(backend: Backend) -> Result<()> {
    let service = Service::on(backend).await?;
    let tenant = unique("acme");
    service
        .telemetry
        .span("answer", &tenant)
        .kind("LLM")
        .attribute("llm.model_name", "gpt-4")
        .in_scope(|span| {
            span.set_attribute("llm.token_count.prompt", 12);
            span.set_attribute("temperature", 0.5);
            span.set_attribute("cached", true);
            span.set_attribute("unicode", "größer 🦉 \"quoted\"");
            span.add_event("retried", Vec::new());
        });
    service.delivered().await?;
    let span = &service.spans(&tenant, 1).await?[0];
    assert_eq!(span.kind, "LLM");
    assert_eq!(text(span, "llm.model_name"), "gpt-4");
    assert_eq!(text(span, "unicode"), "größer 🦉 \"quoted\"");
    for (key, value) in [
        ("llm.token_count.prompt", AttributeValue::Integer(12)),
        ("temperature", AttributeValue::Number(0.5)),
        ("cached", AttributeValue::Boolean(true)),
    ] {
        assert_eq!(span.attribute(key), Some(&value), "{key}");
    }
    assert_eq!(span.events[0].name, "retried");
    assert!(span.start_time <= span.end_time);

    let provider = service.provider(&tenant)?;
    let project = service.project(&tenant)?;
    let by_id = SpanRef::by_id(span.span_id.as_str());
    assert_eq!(&provider.traces().get_span(&project, &by_id).await?, span);
    let unknown = SpanRef::by_id("00000000000000ff");
    let missing = provider.traces().get_span(&project, &unknown).await;
    assert!(matches!(missing.unwrap_err().kind(), Error::NotFound(_)));
    Ok(())
}

async fn questions_are_answered_exactly(backend: Backend) -> Result<()> {
    let service = Service::on(backend).await?;
    let tenant = unique("acme");
    let telemetry = &service.telemetry;
    for place in 0..12_i64 {
        telemetry
            .span(if place % 2 == 0 { "even" } else { "odd" }, &tenant)
            .kind(if place < 6 { "LLM" } else { "TOOL" })
            .attribute("place", place)
            .in_scope(|_| {
                if place == 0 {
                    telemetry.span("child", &tenant).in_scope(|_| ());
                }
            });
    }
    service.delivered().await?;
    let all = service.spans(&tenant, 13).await?;
    let provider = service.provider(&tenant)?;
    let project = service.project(&tenant)?;
    let ask = |query: SpanQuery| {
        let provider = provider.clone();
        async move { provider.traces().get_spans(&query).await }
    };
    let query = || SpanQuery::new(project.as_str(), TimeWindow::all());
    let text = |text: &str| AttributeValue::Text(text.to_owned());
    let place = Field::Attribute("place".to_owned());

    assert_eq!(ask(query().roots_only()).await?.len(), 12);
    assert_eq!(ask(query().limit(5)).await?.len(), 5);
    let number = |number| AttributeValue::Integer(number);
    let cases = [
        (Field::Name, Condition::Equal(text("even")), 6),
        (
            Field::Name,
            Condition::OneOf(vec![text("even"), text("x")]),
            6,
        ),
        (Field::Kind, Condition::Equal(text("LLM")), 6),
        (Field::Kind, Condition::NotEqual(text("LLM")), 7),
        (Field::Name, Condition::Contains("d".to_owned()), 7),
        (Field::ParentId, Condition::Present, 1),
        (place.clone(), Condition::GreaterOrEqual(number(9)), 3),
        (place.clone(), Condition::Equal(number(9)), 1),
        (place.clone(), Condition::Equal(text("9")), 0),
        (place.clone(), Condition::Absent, 1),
        (Field::Status, Condition::Equal(text("ERROR")), 0),
        (Field::TraceId, Condition::Equal(text(&all[0].trace_id)), 2),
    ];
    for (field, condition, count) in cases {
        let predicate = Predicate::new(field, condition);
        let found = ask(query().filter(predicate.clone())).await?;
        assert_eq!(found.len(), count, "{predicate:?}");
        assert!(found.iter().all(|span| predicate.matches(span)));
    }
    // A filter and a limit: the limit counts what fits.
    let odd = Predicate::new(Field::Name, Condition::Contains("odd".to_owned()));
    assert_eq!(names(&ask(query().filter(odd).limit(2)).await?), ["odd"; 2]);

    for (key, descending) in [
        (OrderKey::StartTime, false),
        (OrderKey::StartTime, true),
        (OrderKey::EndTime, false),
        (OrderKey::Latency, true),
    ] {
        let order = Order { key, descending };
        let spans = ask(query().order_by(order).limit(4)).await?;
        let by = |span: &roost::contract::Span| match key {
            OrderKey::StartTime => span.start_time,
            OrderKey::EndTime => span.end_time,
            OrderKey::Latency => span.end_time - span.start_time,
        };
        let mut expected: Vec<_> = all.iter().map(by).collect();
        expected.sort_unstable();
        if descending {
            expected.reverse();
        }
        let found: Vec<_> = spans.iter().map(by).collect();
        assert_eq!(found, expected[..4], "{order:?}");
    }

    let sixth = TimeWindow::new(all[6].start_time, all[9].start_time);
    let window = ask(SpanQuery::new(project.as_str(), sixth)).await?;
    assert_eq!(window.len(), 3);
    let only_place = Projection {
        attributes: Some(vec!["place".to_owned()]),
        events: false,
        links: false,
        resource: false,
    };
    let narrow = ask(query().project_to(only_place).limit(1).roots_only()).await?;
    assert!(narrow[0].attribute("place").is_some());

    let nowhere = ask(SpanQuery::new(
        service.telemetry.project_name(&tenant, Some("nowhere"))?,
        TimeWindow::all(),
    ))
    .await;
    assert!(matches!(nowhere.unwrap_err().kind(), Error::NotFound(_)));
    Ok(())
}

async fn more_spans_than_a_page_are_all_read_once(backend: Backend) -> Result<()> {
    let service = Service::start(
        backend,
        Settings {
            batch: "max_queue_size = 4096",
            ..Settings::default()
        },
    )
    .await?;
    let tenant = unique("acme");
    for place in 0..1100 {
        let span = service.telemetry.span("many", &tenant);
        span.attribute("place", place).in_scope(|_| ());
    }
    service.delivered().await?;
    let provider = service.provider(&tenant)?;
    let query = SpanQuery::new(service.project(&tenant)?, TimeWindow::all()).limit(5000);
    let spans = roost_tests::eventually("1100 spans", Duration::from_secs(180), async || {
        let spans = provider.traces().get_spans(&query).await?;
        anyhow::ensure!(spans.len() == 1100, "{} spans", spans.len());
        Ok(spans)
    })
    .await?;
    let mut ids: Vec<_> = spans.iter().map(|span| &span.span_id).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 1100);
    Ok(())
}

/// From any thread, also that of a runtime that has no other.
async fn in_synchronous_mode_a_span_is_sent_when_it_ends(backend: Backend) -> Result<()> {
    let service = Service::start(
        backend,
        Settings {
            batch: "use_sync_export = true",
            ..Settings::default()
        },
    )
    .await?;
    let tenant = unique("acme");
    service.telemetry.span("now", &tenant).in_scope(|_| ());
    let stats = service.telemetry.get_stats().spans;
    assert_eq!((stats.created, stats.delivered), (1, 1));
    assert_eq!(names(&service.spans(&tenant, 1).await?), ["now"]);
    Ok(())
}

async fn statistics_have_the_keys_that_dashboards_know(backend: Backend) -> Result<()> {
    let service = Service::start(
        backend,
        Settings {
            telemetry: "max_cached_tenants = 2\nlevel = \"verbose\"\nenvironment = \"test\"",
            ..Settings::default()
        },
    )
    .await?;
    let tenants = [unique("one"), unique("two"), unique("three")];
    for tenant in tenants.iter().chain(&tenants[2..]) {
        service.telemetry.span("work", tenant).in_scope(|_| ());
    }
    service.delivered().await?;
    let stats = serde_json::to_value(service.telemetry.get_stats())?;
    assert_eq!(stats["cache_hits"], 1);
    assert_eq!(stats["cache_misses"], 3);
    assert_eq!(stats["failed_initializations"], 0);
    assert_eq!(stats["cached_tenants"], 2);
    assert_eq!(stats["cached_tracers"], 2);
    assert_eq!(stats["config"]["enabled"], true);
    assert_eq!(stats["config"]["level"], "verbose");
    assert_eq!(stats["config"]["environment"], "test");
    assert_eq!(stats["spans"]["created"], 4);
    assert_eq!(stats["spans"]["delivered"], 4);
    Ok(())
}

async fn an_attribute_of_two_megabytes_comes_back_whole(backend: Backend) -> Result<()> {
    let service = Service::on(backend).await?;
    let tenant = unique("acme");
    let large = "größer ".repeat(250_000);
    let span = service.telemetry.span("large", &tenant);
    span.attribute("document.content", large.clone())
        .in_scope(|_| ());
    service.delivered().await?;
    let spans = service.spans(&tenant, 1).await?;
    // Not `assert_eq`: a failure would print them.
    assert!(text(&spans[0], "document.content") == large);
    Ok(())
}

async fn limits_of_none_and_of_a_billion_are_kept(backend: Backend) -> Result<()> {
    let service = Service::on(backend).await?;
    let tenant = unique("acme");
    for name in ["first", "second"] {
        service.telemetry.span(name, &tenant).in_scope(|_| ());
    }
    service.delivered().await?;
    let spans = service.spans(&tenant, 2).await?;

    let (provider, project) = (service.provider(&tenant)?, service.project(&tenant)?);
    let query = SpanQuery::new(&project, TimeWindow::all());
    let (none, billion) = (query.clone().limit(0), query.limit(1_000_000_000));
    let traces = provider.traces();
    assert_eq!(traces.get_spans(&none).await?, []);
    assert_eq!(traces.get_spans(&billion).await?.len(), 2);
    let mut pages = traces.pages(&billion)?;
    let mut streamed = pages.next().await?.unwrap();
    streamed.sort_by_key(|span| span.start_time);
    assert_eq!(streamed, spans);
    assert_eq!(pages.next().await?, None);
    Ok(())
}
