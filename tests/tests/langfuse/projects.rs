//! Projects are marks on spans.

use anyhow::Result;
use roost::contract::{DatasetRef, Error, NewAnnotation, NewDataset, SpanSelection, Target};
use roost_tests::{span_id, trace_id};

use crate::{BEGIN, SECOND, Service, names, span};

#[tokio::test]
async fn spans_are_deleted_by_age_and_by_trace() -> Result<()> {
    let service = Service::start().await?;
    let (provider, project) = (service.provider("acme")?, service.project("acme")?);
    let traces: Vec<String> = (0..4).map(|_| trace_id()).collect();
    for (place, trace) in (0..).zip(&traces) {
        let start = BEGIN + place * SECOND;
        let tenant = if place == 3 { "globex" } else { "acme" };
        let name = format!("t{place}");
        let spans = vec![span((trace, &span_id(), ""), &name, start, start + 5)];
        service.send(tenant, spans).await?;
    }
    let delete = async |selection: &SpanSelection| {
        provider.projects().delete_spans(&project, selection).await
    };
    let gone = NewAnnotation::new(Target::Trace(traces[0].clone()), "seen").score(1.0);
    provider
        .annotations()
        .add_annotation(&project, gone)
        .await?;
    delete(&SpanSelection::OlderThan(BEGIN + SECOND)).await?;
    assert_eq!(names(&service.spans("acme").await?), ["t1", "t2"]);
    assert_eq!(service.langfuse.scores(), 0);
    // The last is not this project's, and one is nobody's.
    let ids = vec![traces[2].clone(), traces[3].clone(), trace_id()];
    delete(&SpanSelection::Traces(ids)).await?;
    assert_eq!(names(&service.spans("acme").await?), ["t1"]);
    assert_eq!(names(&service.spans("globex").await?), ["t3"]);
    delete(&SpanSelection::OlderThan(0)).await?;
    assert_eq!(names(&service.spans("acme").await?), ["t1"]);
    Ok(())
}

/// Langfuse deletes whole traces.
#[tokio::test]
async fn a_trace_with_spans_of_others_is_kept_and_told() -> Result<()> {
    let service = Service::start().await?;
    let (provider, project) = (service.provider("acme")?, service.project("acme")?);
    let (shared, own) = (trace_id(), trace_id());
    let part = |trace: &str, name: &str| span((trace, &span_id(), ""), name, BEGIN, BEGIN);
    let spans = vec![part(&shared, "ours"), part(&own, "own")];
    service.send("acme", spans).await?;
    service
        .send("globex", vec![part(&shared, "theirs")])
        .await?;
    let error = provider
        .projects()
        .delete_spans(&project, &SpanSelection::OlderThan(BEGIN + SECOND))
        .await
        .unwrap_err();
    assert!(matches!(error.kind(), Error::Conflict(_)), "{error}");
    assert!(error.to_string().contains(&shared), "{error}");
    assert_eq!(names(&service.spans("acme").await?), ["ours"]);
    assert_eq!(names(&service.spans("globex").await?), ["theirs"]);
    Ok(())
}

#[tokio::test]
async fn a_project_is_there_always_and_goes_with_all_that_can() -> Result<()> {
    let service = Service::start().await?;
    let (provider, project) = (service.provider("acme")?, service.project("acme")?);
    let projects = provider.projects();
    let made = projects.ensure_project(&project, Some("what for")).await?;
    assert_eq!(made.name, project);
    let listed = projects.list_projects().await.unwrap_err();
    assert!(matches!(listed.kind(), Error::Unsupported(_)), "{listed}");

    for tenant in ["acme", "globex"] {
        let work = service.telemetry.session_span("work", tenant, "s");
        work.in_scope(|_| ());
        service.delivered().await?;
        let note = NewAnnotation::new(Target::Session("s".to_owned()), "ok").score(1.0);
        let (provider, project) = (service.provider(tenant)?, service.project(tenant)?);
        provider
            .annotations()
            .add_annotation(&project, note)
            .await?;
    }
    let datasets = provider.datasets();
    datasets
        .create_dataset(&project, NewDataset::new("golden"))
        .await?;
    let refused = projects.delete_project(&project).await.unwrap_err();
    assert!(matches!(refused.kind(), Error::Unsupported(_)), "{refused}");
    let refused = datasets
        .delete_dataset(&project, &DatasetRef::name("golden"))
        .await
        .unwrap_err();
    assert!(matches!(refused.kind(), Error::Unsupported(_)), "{refused}");

    let (other, whole) = (service.provider("globex")?, service.project("globex")?);
    other.projects().delete_project(&whole).await?;
    assert!(service.spans("globex").await?.is_empty());
    assert_eq!(service.spans("acme").await?.len(), 1);
    assert_eq!(service.langfuse.scores(), 1);
    Ok(())
}
