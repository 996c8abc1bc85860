//! Answers that are kept: one backend request for equal questions, and never a stale answer
//! after a write through Roost. Times to live are an hour here, so that only writes drop an
//! answer.

use anyhow::{Result, ensure};
use roost::contract::{
    DatasetRef, Error, NewAnnotation, NewDataset, NewExperiment, NewRecord, Span, SpanRef,
    SpanSelection, Target, TimeWindow,
};
use roost::provider::SpanQuery;
use roost_tests::{Phoenix, eventually, unique};

use serde_json::json;

use crate::written::{span, write};
use crate::{SOON, Service, Settings, names};

const KEPT: &str = "[cache]\nttl_seconds = 3600";

async fn service(connection: &str) -> Result<Service> {
    let settings = Settings {
        connection,
        ..Settings::default()
    };
    Service::start(Phoenix::shared().await?, settings).await
}

impl Service {
    /// How many calls reached the provider.
    fn calls(&self) -> u64 {
        let providers = self.telemetry.host().unwrap().providers();
        providers[0].generation.as_ref().unwrap().calls
    }

    /// Read the tenant's spans until an answer is kept: a backend may hide a write for a
    /// moment, and nothing is kept meanwhile.
    async fn kept(&self, tenant: &str, count: usize) -> Result<Vec<Span>> {
        let spans = self.spans(tenant, count).await?;
        eventually("an answer is kept", SOON, async || {
            let before = self.calls();
            self.spans_now(tenant).await?;
            ensure!(self.calls() == before, "the backend was asked");
            Ok(())
        })
        .await?;
        Ok(spans)
    }
}

#[tokio::test]
async fn equal_questions_cost_the_backend_one_request() -> Result<()> {
    let service = service(KEPT).await?;
    let tenant = unique("acme");
    service.telemetry.span("first", &tenant).in_scope(|_| ());
    service.delivered().await?;
    let spans = service.kept(&tenant, 1).await?;
    let (project, provider) = (service.project(&tenant)?, service.provider(&tenant)?);
    let (before, hits) = (service.calls(), service.telemetry.get_stats().read_cache);

    // Fifty at once, of something that was not asked before.
    let query = SpanQuery::new(&project, TimeWindow::all()).limit(7);
    let traces = provider.traces();
    let many = (0..50).map(|_| traces.get_spans(&query));
    for answer in futures_util::future::join_all(many).await {
        assert_eq!(answer?, spans);
    }
    assert_eq!(service.calls(), before + 1);
    let stats = service.telemetry.get_stats().read_cache;
    assert_eq!(
        (stats.hits - hits.hits, stats.misses - hits.misses),
        (49, 1)
    );

    // Who wants to know for sure asks the backend.
    provider.uncached().traces().get_spans(&query).await?;
    assert_eq!(service.calls(), before + 2);
    Ok(())
}

#[tokio::test]
async fn a_write_through_roost_is_seen_at_once() -> Result<()> {
    let service = service(KEPT).await?;
    let tenant = unique("acme");
    let other = unique("other");
    for tenant in [&tenant, &other] {
        service.telemetry.span("first", tenant).in_scope(|_| ());
    }
    service.delivered().await?;
    service.kept(&other, 1).await?;
    let spans = service.kept(&tenant, 1).await?;

    // Spans that the manager sends are writes.
    service.telemetry.span("second", &tenant).in_scope(|_| ());
    service.delivered().await?;
    assert_eq!(names(&service.kept(&tenant, 2).await?), ["first", "second"]);

    let (project, provider) = (service.project(&tenant)?, service.provider(&tenant)?);
    let span = SpanRef::new(spans[0].trace_id.as_str(), spans[0].span_id.as_str());
    let targets = [Target::Span(span)];
    let annotations = provider.annotations();
    let read = || annotations.get_annotations(&project, &targets, None);
    assert!(read().await?.is_empty());
    // One that keeps no answers for itself drops those of the others.
    let approval = NewAnnotation::new(targets[0].clone(), "approval").score(1.0);
    let uncached = provider.uncached();
    uncached
        .annotations()
        .add_annotation(&project, approval)
        .await?;
    assert_eq!(read().await?.len(), 1);

    let trace = SpanSelection::Traces(vec![spans[0].trace_id.clone()]);
    provider.projects().delete_spans(&project, &trace).await?;
    assert_eq!(names(&service.spans_now(&tenant).await?), ["second"]);

    let before = service.calls();
    service.spans_now(&other).await?;
    assert_eq!(service.calls(), before, "the other tenant's answer is kept");
    Ok(())
}

#[tokio::test]
async fn a_connection_can_do_without_and_errors_are_asked_again() -> Result<()> {
    let tenant = unique("acme");
    let off = service("cache = false").await?;
    off.telemetry.span("first", &tenant).in_scope(|_| ());
    off.delivered().await?;
    off.spans(&tenant, 1).await?;
    let before = off.calls();
    for _ in 0..2 {
        off.spans_now(&tenant).await?;
    }
    assert_eq!(off.calls(), before + 2);

    // A project that is not there yet is asked for again.
    let on = service(KEPT).await?;
    let later = unique("later");
    assert!(on.spans_now(&later).await.is_err());
    off.telemetry.span("by another", &later).in_scope(|_| ());
    off.delivered().await?;
    on.spans(&later, 1).await?;
    Ok(())
}

/// Somebody else writes meanwhile, which the answers that are kept do not show.
#[tokio::test]
async fn what_something_is_made_of_is_asked_anew() -> Result<()> {
    let (service, other) = (service(KEPT).await?, Service::shared().await?);
    let phoenix = Phoenix::shared().await?;
    let tenant = unique("acme");
    let (provider, project) = (service.provider(&tenant)?, service.project(&tenant)?);
    let (early, late) = (span("op", 0, 1, json!({})), span("op", 1, 1, json!({})));
    write(phoenix, &project, &[early]).await?;
    let late_id = late["context"]["span_id"].as_str().unwrap_or_default();
    let refs = [SpanRef::by_id(late_id)];
    let made = async || {
        let new = NewDataset::new("made");
        let store = provider.datasets();
        store.create_from_spans(&project, new, &refs).await
    };
    let missing = made().await.unwrap_err();
    assert!(matches!(missing.kind(), Error::NotFound(_)), "{missing}");
    write(phoenix, &project, std::slice::from_ref(&late)).await?;
    let made = made().await?;
    assert_eq!(made.record_count, Some(1));

    let wanted = DatasetRef::id(&made.id);
    eventually("an answer is kept", SOON, async || {
        let before = service.calls();
        let store = provider.datasets();
        store.get_dataset(&project, &wanted, None).await?;
        ensure!(service.calls() == before, "the backend was asked");
        Ok(())
    })
    .await?;
    let more = [NewRecord::new(&json!({ "number": 1 }))];
    let theirs = other.provider(&tenant)?;
    let theirs = theirs.datasets();
    let newest = theirs.append_to_dataset(&project, &wanted, &more).await?;
    let begun = provider
        .experiments()
        .start_experiment(&project, &wanted, NewExperiment::new("e"))
        .await?;
    assert_ne!(newest.version, made.version);
    assert_eq!(begun.dataset_version, newest.version);
    Ok(())
}
