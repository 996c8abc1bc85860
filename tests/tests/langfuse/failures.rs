//! A Langfuse that refuses: wrong keys, too many requests, and what stands in front of it.

use anyhow::Result;
use roost::contract::{Error, NewAnnotation, NewDataset, NewRecord, Target, TimeWindow};
use roost::provider::SpanQuery;
use roost_tests::{Langfuse, span_id, trace_id};
use serde_json::json;

use crate::{BEGIN, SOON, Service, names, span};

#[tokio::test]
async fn wrong_keys_are_told_and_never_shown() -> Result<()> {
    let good = Service::start().await?;
    let health = good.provider("acme")?.check_health().await?;
    assert!(health.authenticated);
    assert_eq!(health.backend_version, "4.16.0");

    let service = Service::on(Langfuse::start().await?, "pk-lf-wrong:sk-lf-wrong").await?;
    service.telemetry.span("work", "acme").in_scope(|_| ());
    let report = service.telemetry.force_flush(SOON).await;
    assert_eq!((report.delivered, report.dropped, report.left), (0, 1, 0));
    let (provider, project) = (service.provider("acme")?, service.project("acme")?);
    assert!(!provider.check_health().await?.authenticated);
    let query = SpanQuery::new(project, TimeWindow::all());
    let error = provider.traces().get_spans(&query).await.unwrap_err();
    assert!(matches!(error.kind(), Error::Unauthenticated(_)), "{error}");
    assert!(!format!("{error} {error:?}").contains("sk-lf-wrong"));
    Ok(())
}

#[tokio::test]
async fn too_many_requests_are_repeated_when_it_is_soon_and_told_when_it_is_late() -> Result<()> {
    let service = Service::start().await?;
    let (provider, project) = (service.provider("acme")?, service.project("acme")?);
    let trace = trace_id();
    let part = span((&trace, &span_id(), ""), "work", BEGIN, BEGIN);
    service.send("acme", vec![part]).await?;
    service
        .langfuse
        .refuse("/v2/observations", 429, Some("0"), 2);
    assert_eq!(names(&service.spans("acme").await?), ["work"]);
    service.langfuse.refuse("/scores", 429, Some("0"), 2);
    let note = NewAnnotation::new(Target::Trace(trace.clone()), "ok").score(1.0);
    let store = provider.annotations();
    store.add_annotation(&project, note.clone()).await?;
    assert_eq!(service.langfuse.scores(), 1);

    service
        .langfuse
        .refuse("/v2/observations", 429, Some("3600"), 1);
    let query = SpanQuery::new(project.clone(), TimeWindow::all());
    let error = provider.traces().get_spans(&query).await.unwrap_err();
    let Error::RateLimited(limit) = error.kind() else {
        panic!("{error}")
    };
    assert_eq!(limit.retry_after_ms, Some(3_600_000));
    Ok(())
}

#[tokio::test]
async fn spans_wait_for_a_langfuse_that_is_busy() -> Result<()> {
    let service = Service::start().await?;
    service.langfuse.refuse("/otel/", 429, Some("0"), 1);
    service.langfuse.refuse("/otel/", 503, None, 1);
    service.telemetry.span("work", "acme").in_scope(|_| ());
    service.delivered().await?;
    assert_eq!(names(&service.spans("acme").await?), ["work"]);
    Ok(())
}

/// What is there when a call ends in the middle is there once when it is made again.
#[tokio::test]
async fn a_call_that_failed_in_the_middle_is_made_again_without_a_second_of_anything() -> Result<()>
{
    let service = Service::start().await?;
    let (provider, project) = (service.provider("acme")?, service.project("acme")?);
    let trace = trace_id();
    let part = span((&trace, &span_id(), ""), "work", BEGIN, BEGIN);
    service.send("acme", vec![part]).await?;
    let notes: Vec<_> = ["a", "b", "c"]
        .into_iter()
        .map(|name| NewAnnotation::new(Target::Trace(trace.clone()), name).score(1.0))
        .collect();
    let store = provider.annotations();
    // Some versions answer so what they did not take, and nobody asks again.
    service.langfuse.refuse("/scores", 207, None, 1);
    let error = store
        .add_annotations_batch(&project, &notes)
        .await
        .unwrap_err();
    let Error::Partial(partial) = error.kind() else {
        panic!("{error}")
    };
    assert_eq!((partial.accepted, partial.rejected.len()), (2, 1));
    assert_eq!(partial.rejected[0].index, 0);
    store.add_annotations_batch(&project, &notes).await?;
    assert_eq!(service.langfuse.scores(), 3);
    // Of a Langfuse that is away, nobody asks for each.
    service.langfuse.refuse("/scores", 500, None, 3);
    let before = service.langfuse.seen().len();
    let error = store
        .add_annotations_batch(&project, &notes)
        .await
        .unwrap_err();
    let Error::Backend(failure) = error.kind() else {
        panic!("{error}")
    };
    assert_eq!(failure.status, 500);
    let asked = service.langfuse.seen().len() - before;
    assert_eq!(asked, 2, "the trace, and one score");

    let service = Service::start().await?;
    let provider = service.provider("acme")?;
    let datasets = provider.datasets();
    let made = datasets
        .create_dataset(&project, NewDataset::new("golden"))
        .await?;
    let wanted = roost::contract::DatasetRef::id(&made.id);
    let records: Vec<_> = (0..5).map(|n| NewRecord::new(&json!({ "n": n }))).collect();
    service.langfuse.refuse("/dataset-items?", 500, None, 1);
    let error = datasets
        .append_to_dataset(&project, &wanted, &records)
        .await;
    assert!(matches!(error.unwrap_err().kind(), Error::Backend(_)));
    datasets
        .append_to_dataset(&project, &wanted, &records[..2])
        .await?;
    let grown = datasets
        .append_to_dataset(&project, &wanted, &records)
        .await?;
    assert_eq!(grown.record_count, Some(5));
    Ok(())
}

#[tokio::test]
async fn a_langfuse_that_is_away_is_unavailable() -> Result<()> {
    let service = Service::start().await?;
    let (provider, project) = (service.provider("acme")?, service.project("acme")?);
    service.langfuse.refuse("/api/", 503, None, 99);
    let query = SpanQuery::new(project, TimeWindow::all());
    let error = provider.traces().get_spans(&query).await.unwrap_err();
    assert!(matches!(error.kind(), Error::Unavailable(_)), "{error}");
    Ok(())
}
