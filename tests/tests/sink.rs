//! Spans for a provider that takes them itself: what it is given, what becomes of what it does
//! not take, and that none is lost on the way.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use opentelemetry::trace::Status;
use opentelemetry::{Array, KeyValue, StringValue, Value};
use roost::contract::{Attribute, AttributeValue, Span, StatusCode, TimeWindow};
use roost::export::SpanStats;
use roost::provider::SpanQuery;
use roost::{Config, TelemetryManager};
use roost_tests::{PluginFolder, sink};

const LONG: Duration = Duration::from_secs(60);

/// A manager whose only provider is the sink. With one instance everything it keeps is in one
/// place, and a batch waits for a flush.
async fn manager(settings: &str) -> Result<(PluginFolder, TelemetryManager)> {
    let folder = PluginFolder::new()?;
    folder.install("sink", &sink()?)?;
    let config = format!(
        "plugins.folder = '{}'\n\
         limits.max_instances = 1\n\
         telemetry.service_name = \"search\"\n\
         telemetry.batch_config.schedule_delay_millis = 3_600_000\n\
         {settings}",
        folder.path().display()
    );
    let config = Config::from_toml(&config, folder.path().join("roost.toml"))?;
    Ok((folder, TelemetryManager::start(config).await?))
}

fn work(telemetry: &TelemetryManager, tenant: &str, name: &'static str) {
    telemetry.span(name, tenant).in_scope(|_| ());
}

/// What the sink keeps of a tenant.
async fn kept(telemetry: &TelemetryManager, tenant: &str) -> Result<Vec<Span>> {
    let project = telemetry.project_name(tenant, None)?;
    let provider = telemetry.get_provider(tenant, None)?;
    let query = SpanQuery::new(project, TimeWindow::all());
    Ok(provider.traces().get_spans(&query).await?)
}

fn stats(telemetry: &TelemetryManager) -> SpanStats {
    let stats = telemetry.get_stats().spans;
    let ends = stats.delivered + stats.queued + stats.spooled + stats.dropped.total();
    assert_eq!(stats.created, ends, "{stats:?}");
    stats
}

fn text<'a>(attributes: &'a [Attribute], key: &str) -> Option<&'a str> {
    attributes
        .iter()
        .find_map(|attribute| match &attribute.value {
            AttributeValue::Text(text) if attribute.key == key => Some(text.as_str()),
            _ => None,
        })
}

/// Everything the contract has a place for arrives, in the project of the tenant and in no other.
#[tokio::test]
async fn a_span_arrives_as_it_was_made() -> Result<()> {
    let (_folder, telemetry) = manager("").await?;
    telemetry
        .session_span("answer", "acme", "s-1")
        .kind("llm")
        .attribute("tokens", 42)
        .attribute("score", 0.5)
        .attribute("cached", true)
        .in_scope(|span| {
            let words = Array::String(vec![StringValue::from("a"), "\"b\"".into()]);
            span.set_attribute("words", Value::Array(words));
            span.set_attribute("tokens", 43);
            span.set_attribute("nothing", f64::NAN);
            span.add_event("half way", vec![KeyValue::new("percent", 50)]);
            span.set_status(Status::error("too late"));
            work(&telemetry, "acme", "inner");
        });
    work(&telemetry, "globex", "elsewhere");
    let report = telemetry.force_flush(LONG).await;
    assert_eq!((report.delivered, report.is_complete()), (3, true));

    let spans = kept(&telemetry, "acme").await?;
    let by_name: BTreeMap<_, _> = spans.iter().map(|s| (s.name.as_str(), s)).collect();
    assert_eq!(
        by_name.keys().copied().collect::<Vec<_>>(),
        ["answer", "inner"]
    );
    let (answer, inner) = (by_name["answer"], by_name["inner"]);
    assert_eq!(answer.trace_id.len(), 32);
    assert_eq!(inner.parent_id.as_deref(), Some(answer.span_id.as_str()));
    assert_eq!(
        (answer.parent_id.as_ref(), inner.kind.as_str()),
        (None, "UNKNOWN")
    );
    assert_eq!(answer.kind, "LLM");
    assert_eq!(
        (answer.status, answer.status_message.as_str()),
        (StatusCode::Error, "too late")
    );
    assert!(0 < answer.start_time && answer.start_time <= answer.end_time);
    let attributes: BTreeMap<_, _> = answer
        .attributes
        .iter()
        .map(|attribute| (attribute.key.as_str(), &attribute.value))
        .collect();
    assert_eq!(attributes.len(), answer.attributes.len(), "each key once");
    assert_eq!(attributes["tokens"], &AttributeValue::Integer(43));
    assert_eq!(attributes["score"], &AttributeValue::Number(0.5));
    assert_eq!(attributes["cached"], &AttributeValue::Boolean(true));
    assert_eq!(
        attributes["words"],
        &AttributeValue::Json(r#"["a","\"b\""]"#.into())
    );
    assert_eq!(
        attributes["session.id"],
        &AttributeValue::Text("s-1".into())
    );
    assert!(
        !attributes.contains_key("nothing") && !attributes.contains_key("openinference.span.kind")
    );
    assert_eq!(answer.events.len(), 1);
    assert_eq!(answer.events[0].name, "half way");
    assert_eq!(
        answer.events[0].attributes[0].value,
        AttributeValue::Integer(50)
    );
    assert_eq!(text(&answer.resource, "tenant.id"), Some("acme"));
    assert_eq!(text(&answer.resource, "service.name"), Some("search"));

    assert_eq!(kept(&telemetry, "globex").await?.len(), 1);
    telemetry.shutdown(LONG).await;
    Ok(())
}

/// No call is of more spans or bytes than the provider takes, nor of two projects.
#[tokio::test]
async fn calls_keep_the_limits_of_the_provider() -> Result<()> {
    let (_folder, telemetry) = manager("").await?;
    for _ in 0..25 {
        work(&telemetry, "acme", "work");
        work(&telemetry, "globex", "work");
    }
    let long = "x".repeat(1_500);
    for _ in 0..4 {
        telemetry
            .span("long", "acme")
            .attribute("text", long.clone())
            .in_scope(|_| ());
    }
    telemetry
        .span("too long", "acme")
        .attribute("text", long.repeat(3))
        .in_scope(|_| ());
    telemetry.force_flush(LONG).await;
    let stats = stats(&telemetry);
    assert_eq!((stats.delivered, stats.dropped.rejected), (54, 1));

    let mut calls = BTreeMap::<_, Vec<&Span>>::new();
    let tenants = [
        kept(&telemetry, "acme").await?,
        kept(&telemetry, "globex").await?,
    ];
    for (tenant, span) in tenants
        .iter()
        .enumerate()
        .flat_map(|(n, s)| s.iter().map(move |s| (n, s)))
    {
        let call = text(&span.attributes, "sink.call").unwrap();
        calls.entry(call).or_default().push(span);
        let of_one = calls[call].iter().all(|other| {
            tenants[tenant]
                .iter()
                .any(|own| own.span_id == other.span_id)
        });
        assert!(of_one, "two projects in call {call}");
    }
    assert_eq!(calls.values().map(Vec::len).sum::<usize>(), 54);
    assert!(calls.values().all(|spans| spans.len() <= 10));
    let longs = |spans: &Vec<&Span>| spans.iter().filter(|span| span.name == "long").count();
    assert!(calls.values().all(|spans| longs(spans) <= 2));
    telemetry.shutdown(LONG).await;
    Ok(())
}

/// Whichever way a provider fails over one span, the others of the batch are delivered.
#[tokio::test]
async fn a_bad_span_loses_itself_alone() -> Result<()> {
    for bad in ["refuse", "broken", "trap", "uncounted"] {
        let (_folder, telemetry) = manager("").await?;
        for n in 0..10 {
            work(&telemetry, "acme", if n == 6 { bad } else { "work" });
        }
        let report = telemetry.force_flush(LONG).await;
        assert_eq!((report.delivered, report.dropped), (9, 1), "{bad}");
        assert_eq!(stats(&telemetry).dropped.rejected, 1, "{bad}");
        telemetry.shutdown(LONG).await;
    }
    Ok(())
}

/// `unavailable` and `rate-limited` mean again, later, and nobody is counted twice.
#[tokio::test]
async fn what_is_not_taken_now_is_handed_over_again() -> Result<()> {
    for name in ["later", "slow"] {
        let (_folder, telemetry) = manager("").await?;
        for _ in 0..5 {
            work(&telemetry, "acme", name);
        }
        let report = telemetry.force_flush(LONG).await;
        assert_eq!((report.delivered, report.dropped), (5, 0), "{name}");
        assert_eq!(kept(&telemetry, "acme").await?.len(), 5, "{name}");
        assert_eq!(stats(&telemetry).delivered, 5);
        telemetry.shutdown(LONG).await;
    }
    Ok(())
}

/// While a provider takes its time the queue fills: what finds no room is counted, and whatever
/// else was made arrives, though nobody waits for the provider.
#[tokio::test]
async fn what_a_slow_provider_has_no_time_for_is_counted() -> Result<()> {
    const EACH: u64 = 200;
    let queue = "telemetry.batch_config.max_queue_size = 40\n\
                 telemetry.batch_config.max_export_batch_size = 20";
    let (_folder, telemetry) = manager(queue).await?;
    for _ in 0..EACH {
        work(&telemetry, "acme", "linger");
        work(&telemetry, "globex", "linger");
    }
    let report = telemetry.force_flush(LONG).await;
    assert_eq!((report.left, report.dropped), (0, 0));
    let all = stats(&telemetry);
    assert_eq!((all.created, all.queued), (2 * EACH, 0));
    assert!(all.delivered > 0 && all.dropped.queue_full > 0, "{all:?}");
    for tenant in ["acme", "globex"] {
        let project = telemetry.project_name(tenant, None)?;
        let stats = telemetry.get_stats().projects[&project];
        assert_eq!(stats.created, EACH);
        assert_eq!(stats.delivered + stats.dropped.queue_full, EACH);
        assert_eq!(
            kept(&telemetry, tenant).await?.len() as u64,
            stats.delivered
        );
    }
    telemetry.shutdown(LONG).await;
    Ok(())
}

/// While the provider takes nothing its spans go to disk, and the next process hands them over,
/// with the resource and the session they had.
#[tokio::test]
async fn spans_wait_on_disk_for_a_provider_that_is_away() -> Result<()> {
    let spool = tempfile::tempdir()?;
    let settings = |away: bool, spool: &Path| {
        format!(
            "telemetry.batch_config.on_queue_full = \"spool\"\n\
             telemetry.batch_config.export_timeout_millis = 300\n\
             telemetry.spool.folder = '{}'\n\
             connections.default.provider = \"sink\"\n\
             connections.default.provider_config.away = {away}\n",
            spool.display()
        )
    };
    let (_folder, telemetry) = manager(&settings(true, spool.path())).await?;
    for _ in 0..30 {
        telemetry
            .session_span("work", "acme", "s-1")
            .in_scope(|_| ());
    }
    let report = telemetry.force_flush(LONG).await;
    assert_eq!((report.spooled, report.dropped), (30, 0));
    assert_eq!(stats(&telemetry).spooled, 30);
    telemetry.shutdown(LONG).await;
    drop(telemetry);

    let (_folder, telemetry) = manager(&settings(false, spool.path())).await?;
    let all = roost_tests::eventually("the spans leave the disk", LONG, async || {
        let spans = kept(&telemetry, "acme").await?;
        anyhow::ensure!(
            stats(&telemetry).delivered == 30,
            "{} are there",
            spans.len()
        );
        Ok(spans)
    })
    .await?;
    let ids: BTreeSet<_> = all.iter().map(|span| &span.span_id).collect();
    assert_eq!((ids.len(), all.len()), (30, 30));
    assert!(all.iter().all(|span| {
        text(&span.attributes, "session.id") == Some("s-1")
            && text(&span.resource, "service.name") == Some("search")
    }));
    assert_eq!(stats(&telemetry).spooled, 0);
    telemetry.shutdown(LONG).await;
    Ok(())
}
