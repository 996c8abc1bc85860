//! Annotations, written, replaced, read and deleted.

use anyhow::Result;
use roost::contract::{
    AnnotationKey, AnnotationSelection, AnnotatorKind, Error, NewAnnotation, SpanRef, Target,
};
use roost_tests::unique;
use serde_json::json;

use crate::{Backend, Service, on_every_backend};

on_every_backend! {
    annotations_are_written_replaced_read_and_deleted,
    traces_and_sessions_are_annotated_as_well,
    what_cannot_be_annotated_is_refused_with_the_reason,
    a_long_batch_is_cut_and_its_losses_are_named,
}

async fn annotations_are_written_replaced_read_and_deleted(backend: Backend) -> Result<()> {
    let service = Service::on(backend).await?;
    let tenant = unique("acme");
    for name in ["first", "second"] {
        service.telemetry.span(name, &tenant).in_scope(|_| ());
    }
    service.delivered().await?;
    let spans = service.spans(&tenant, 2).await?;
    let provider = service.provider(&tenant)?;
    let project = service.project(&tenant)?;
    let store = provider.annotations();
    let targets: Vec<_> = spans
        .iter()
        .map(|span| Target::Span(SpanRef::new(span.trace_id.as_str(), span.span_id.as_str())))
        .collect();
    let metadata = json!({ "reviewer": "alice", "round": 2 });

    let approval = NewAnnotation::new(targets[0].clone(), "human_approval")
        .label("approved")
        .score(1.0)
        .explanation("looks good")
        .metadata(metadata.as_object().unwrap());
    let first = store.add_annotation(&project, approval.clone()).await?;
    // The same again is an update, never a duplicate.
    let again = store
        .add_annotation(&project, approval.clone().label("rejected").score(0.0))
        .await?;
    assert_eq!(first, again);
    let second_opinion = approval.clone().identifier("bob").label("approved");
    let relevance = NewAnnotation::new(targets[1].clone(), "relevance")
        .by(AnnotatorKind::Llm)
        .score(0.25);
    let ids = store
        .add_annotations_batch(&project, &[second_opinion, relevance])
        .await?;
    assert_eq!(ids.len(), 2);

    let mut all = store.get_annotations(&project, &targets, None).await?;
    all.sort_by(|a, b| (&a.name, &a.identifier).cmp(&(&b.name, &b.identifier)));
    assert_eq!(all.len(), 3);
    assert_eq!(all[0].label.as_deref(), Some("rejected"));
    assert_eq!(all[0].score, Some(0.0));
    assert_eq!(all[0].explanation.as_deref(), Some("looks good"));
    let read: serde_json::Value = serde_json::from_str(all[0].metadata.as_deref().unwrap())?;
    assert_eq!(read, metadata);
    assert_eq!(all[1].identifier, "bob");
    assert_eq!(
        (all[2].name.as_str(), all[2].annotator),
        ("relevance", AnnotatorKind::Llm)
    );
    assert_eq!(all[2].label, None);

    let names = ["relevance".to_owned()];
    let named = store
        .get_annotations(&project, &targets, Some(&names))
        .await?;
    assert_eq!(named.len(), 1);

    let by_id = AnnotationSelection::Ids(vec![ids[0].clone()]);
    store.delete_annotation(&project, &by_id).await?;
    let by_key = AnnotationSelection::Key(AnnotationKey {
        target: targets[0].clone(),
        name: "human_approval".to_owned(),
        identifier: None,
    });
    for _ in 0..2 {
        // Deleting what is gone is no error.
        store.delete_annotation(&project, &by_key).await?;
    }
    let left = store.get_annotations(&project, &targets, None).await?;
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].name, "relevance");
    Ok(())
}

async fn traces_and_sessions_are_annotated_as_well(backend: Backend) -> Result<()> {
    let service = Service::on(backend).await?;
    let (tenant, session) = (unique("acme"), unique("session"));
    let trace = service
        .telemetry
        .session_span("turn", &tenant, session.as_str())
        .in_scope(|span| span.trace_id().unwrap());
    service.delivered().await?;
    service.spans(&tenant, 1).await?;
    let provider = service.provider(&tenant)?;
    let project = service.project(&tenant)?;
    for target in [Target::Trace(trace), Target::Session(session)] {
        let note = NewAnnotation::new(target.clone(), "resolved").label("yes");
        provider
            .annotations()
            .add_annotation(&project, note)
            .await?;
        let targets = [target.clone()];
        let read = provider
            .annotations()
            .get_annotations(&project, &targets, None)
            .await?;
        assert_eq!(read.len(), 1);
        assert_eq!(read[0].target, target);
        assert_eq!(read[0].label.as_deref(), Some("yes"));
    }
    Ok(())
}

async fn what_cannot_be_annotated_is_refused_with_the_reason(backend: Backend) -> Result<()> {
    let service = Service::on(backend).await?;
    let tenant = unique("acme");
    service.telemetry.span("work", &tenant).in_scope(|_| ());
    service.delivered().await?;
    service.spans(&tenant, 1).await?;
    let provider = service.provider(&tenant)?;
    let project = service.project(&tenant)?;
    let store = provider.annotations();

    let unknown = NewAnnotation::new(Target::span("00000000000000aa"), "quality").score(1.0);
    let error = store.add_annotation(&project, unknown).await.unwrap_err();
    assert!(matches!(error.kind(), Error::NotFound(_)), "{error}");

    let target = Target::span("00000000000000aa");
    for (bad, reason) in [
        (
            NewAnnotation::new(target.clone(), " ").score(1.0),
            "no name",
        ),
        (
            NewAnnotation::new(target.clone(), "quality"),
            "neither label",
        ),
        (
            NewAnnotation::new(target.clone(), "quality").score(f64::NAN),
            "not finite",
        ),
        (
            NewAnnotation::new(Target::span("xyz"), "quality").score(1.0),
            "no span id",
        ),
    ] {
        let error = store.add_annotation(&project, bad).await.unwrap_err();
        assert!(matches!(error.kind(), Error::InvalidArgument(_)), "{error}");
        assert!(error.to_string().contains(reason), "{error}");
    }
    Ok(())
}

/// More than one call takes: what was written and what was not is told by place.
async fn a_long_batch_is_cut_and_its_losses_are_named(backend: Backend) -> Result<()> {
    let service = Service::on(backend).await?;
    let tenant = unique("acme");
    service.telemetry.span("work", &tenant).in_scope(|_| ());
    service.delivered().await?;
    let span = service.spans(&tenant, 1).await?.remove(0);
    let provider = service.provider(&tenant)?;
    let project = service.project(&tenant)?;
    let note = |span_id: &str, place: usize| {
        NewAnnotation::new(Target::span(span_id), "quality")
            .score(1.0)
            .identifier(place.to_string())
    };
    let mut batch: Vec<_> = (0..1000).map(|place| note(&span.span_id, place)).collect();
    batch.push(note("00000000000000bb", 1000));
    let store = provider.annotations();
    let error = store
        .add_annotations_batch(&project, &batch)
        .await
        .unwrap_err();
    let Error::Partial(partial) = error.kind() else {
        panic!("{error}");
    };
    assert_eq!(partial.accepted, 1000);
    assert_eq!(partial.rejected.len(), 1);
    assert_eq!(partial.rejected[0].index, 1000);
    let targets = [Target::span(span.span_id.as_str())];
    let written = store.get_annotations(&project, &targets, None).await?;
    assert_eq!(written.len(), 1000);
    Ok(())
}
