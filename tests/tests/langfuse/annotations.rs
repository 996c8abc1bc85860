//! Annotations are Langfuse's scores.

use anyhow::Result;
use roost::contract::{
    AnnotationKey, AnnotationSelection, AnnotatorKind, Error, NewAnnotation, SpanRef, Target,
};
use roost_tests::{span_id, trace_id};
use serde_json::json;

use crate::{BEGIN, MILLISECOND, Service, span, text_attribute};

/// A trace of two spans and a session, in the tenant's project.
struct Traced {
    trace: String,
    root: String,
    child: String,
}

async fn traced(service: &Service, tenant: &str) -> Result<Traced> {
    let (trace, root, child) = (trace_id(), span_id(), span_id());
    let provider = service.provider(tenant)?;
    let session = provider
        .session_attributes(&service.project(tenant)?, "s, 1")
        .await?;
    let mut spans = vec![
        span((&trace, &root, ""), "root", BEGIN, BEGIN + 9 * MILLISECOND),
        span((&trace, &child, &root), "child", BEGIN, BEGIN),
    ];
    for attribute in session {
        let roost::contract::AttributeValue::Text(id) = attribute.value else {
            panic!("{attribute:?}")
        };
        spans[0]["attributes"] = json!([text_attribute(&attribute.key, &id)]);
    }
    service.send(tenant, spans).await?;
    Ok(Traced { trace, root, child })
}

#[tokio::test]
async fn writing_again_replaces_and_makes_no_second_one() -> Result<()> {
    let service = Service::start().await?;
    let (provider, project) = (service.provider("acme")?, service.project("acme")?);
    let Traced { trace, root, child } = traced(&service, "acme").await?;
    let store = provider.annotations();
    let targets = [
        Target::Span(SpanRef::new(trace.as_str(), root.as_str())),
        // Without its trace, it is looked for.
        Target::span(child.as_str()),
        Target::Trace(trace.clone()),
        Target::Session("s, 1".to_owned()),
    ];
    let metadata = json!({ "reviewer": "alice", "round": 2 });
    for (place, target) in targets.iter().enumerate() {
        let full = NewAnnotation::new(target.clone(), "quality ü")
            .label("good")
            .score(0.75)
            .explanation("why not 🦉")
            .metadata(metadata.as_object().unwrap());
        let first = store.add_annotation(&project, full.clone()).await?;
        let other = full.clone().identifier("bob's");
        let ids = store
            .add_annotations_batch(&project, &[full, other])
            .await?;
        assert_eq!(ids[0], first);
        assert_ne!(ids[1], first);
        // By somebody else, and with less of everything.
        for bare in [
            NewAnnotation::new(target.clone(), "quality ü").explanation("see above"),
            NewAnnotation::new(target.clone(), "quality ü").label("bad"),
        ] {
            let bare = bare.by(AnnotatorKind::Code);
            assert_eq!(store.add_annotation(&project, bare).await?, first);
        }
        let asked = std::slice::from_ref(target);
        let mut read = store.get_annotations(&project, asked, None).await?;
        read.sort_by(|left, right| left.identifier.cmp(&right.identifier));
        let [bare, full] = read.as_slice() else {
            panic!("{place}: {read:?}")
        };
        assert_eq!((&bare.id, bare.identifier.as_str()), (&first, ""));
        assert_eq!(bare.annotator, AnnotatorKind::Code);
        assert_eq!((bare.label.as_deref(), bare.score), (Some("bad"), None));
        assert_eq!((&bare.explanation, &bare.metadata), (&None, &None));
        assert_eq!(full.identifier, "bob's");
        assert_eq!(full.annotator, AnnotatorKind::Human);
        assert_eq!(
            (full.label.as_deref(), full.score),
            (Some("good"), Some(0.75))
        );
        assert_eq!(full.explanation.as_deref(), Some("why not 🦉"));
        let read: serde_json::Value = serde_json::from_str(full.metadata.as_deref().unwrap())?;
        assert_eq!(read, metadata);
        assert!(full.created_at.is_some());
    }
    let all = store.get_annotations(&project, &targets, None).await?;
    assert_eq!(all.len(), 8);
    let none = store
        .get_annotations(&project, &targets, Some(&["other".to_owned()]))
        .await?;
    assert!(none.is_empty());

    let key = |identifier: Option<&str>| {
        AnnotationSelection::Key(AnnotationKey {
            target: targets[0].clone(),
            name: "quality ü".to_owned(),
            identifier: identifier.map(str::to_owned),
        })
    };
    let of_session = all
        .iter()
        .find(|it| matches!(it.target, Target::Session(_)));
    let ids = vec![of_session.unwrap().id.clone(), "no,such".to_owned()];
    let by_id = AnnotationSelection::Ids(ids);
    for (selection, left) in [(key(Some("bob's")), 7), (key(None), 6), (by_id, 5)] {
        for _ in 0..2 {
            store.delete_annotation(&project, &selection).await?;
            let found = store.get_annotations(&project, &targets, None).await?;
            assert_eq!(found.len(), left);
        }
    }
    Ok(())
}

#[tokio::test]
async fn what_is_not_in_the_project_is_neither_annotated_nor_read_nor_deleted() -> Result<()> {
    let service = Service::start().await?;
    let Traced { trace, root, child } = traced(&service, "acme").await?;
    traced(&service, "globex").await?;
    let (owner, project) = (service.provider("acme")?, service.project("acme")?);
    let (intruder, other) = (service.provider("globex")?, service.project("globex")?);
    let ours = Target::Span(SpanRef::new(trace.as_str(), root.as_str()));
    let note = NewAnnotation::new(ours.clone(), "ok").score(1.0);
    let id = owner.annotations().add_annotation(&project, note).await?;

    let store = intruder.annotations();
    let targets = [
        ours.clone(),
        Target::span(child),
        Target::Trace(trace.clone()),
        Target::Span(SpanRef::new(trace.as_str(), span_id())),
        Target::Session("nobody's".to_owned()),
        Target::Session("s".repeat(500)),
    ];
    for target in &targets {
        let note = NewAnnotation::new(target.clone(), "ok").score(0.0);
        let error = store.add_annotation(&other, note).await.unwrap_err();
        assert!(
            matches!(error.kind(), Error::NotFound(_)),
            "{target:?}: {error}"
        );
    }
    let read = store.get_annotations(&other, &targets, None).await?;
    assert!(read.is_empty(), "{read:?}");
    let selection = AnnotationSelection::Ids(vec![id]);
    store.delete_annotation(&other, &selection).await?;
    assert_eq!(service.langfuse.scores(), 1);

    // Of a list, those that can be are written.
    let good = NewAnnotation::new(ours.clone(), "good").score(1.0);
    let bad = NewAnnotation::new(Target::Trace(trace_id()), "bad").score(1.0);
    let error = owner
        .annotations()
        .add_annotations_batch(&project, &[bad, good])
        .await
        .unwrap_err();
    let Error::Partial(partial) = error.kind() else {
        panic!("{error}")
    };
    assert_eq!((partial.accepted, partial.rejected[0].index), (1, 0));
    let read = owner
        .annotations()
        .get_annotations(&project, &[ours], None)
        .await?;
    assert_eq!(read.len(), 2);
    Ok(())
}

/// Two projects with spans in one trace, which Langfuse has one list of scores for.
#[tokio::test]
async fn on_a_shared_trace_each_project_has_its_own_and_both_have_those_of_others() -> Result<()> {
    let service = Service::start().await?;
    let trace = trace_id();
    for tenant in ["acme", "globex"] {
        let part = span((&trace, &span_id(), ""), tenant, BEGIN, BEGIN);
        service.send(tenant, vec![part]).await?;
        let note = NewAnnotation::new(Target::Trace(trace.clone()), "note").label(tenant);
        let (provider, project) = (service.provider(tenant)?, service.project(tenant)?);
        provider
            .annotations()
            .add_annotation(&project, note)
            .await?;
    }
    // As people write it in Langfuse's pages.
    let thumb = json!({
        "traceId": trace, "name": "thumb", "dataType": "BOOLEAN", "value": 1, "comment": "nice",
        "metadata": { "by": "eva" },
    });
    let (status, _) = service
        .langfuse
        .ask("POST", "/api/public/scores", Some(&thumb))
        .await?;
    assert_eq!(status, 200);
    for tenant in ["acme", "globex"] {
        let (provider, project) = (service.provider(tenant)?, service.project(tenant)?);
        let asked = [Target::Trace(trace.clone())];
        let mut read = provider
            .annotations()
            .get_annotations(&project, &asked, None)
            .await?;
        read.sort_by(|left, right| left.name.cmp(&right.name));
        let [note, thumb] = read.as_slice() else {
            panic!("{read:?}")
        };
        assert_eq!(note.label.as_deref(), Some(tenant));
        assert_eq!(
            (thumb.score, thumb.label.as_deref()),
            (Some(1.0), Some("true"))
        );
        assert_eq!(thumb.explanation.as_deref(), Some("nice"));
        assert_eq!(thumb.metadata.as_deref(), Some(r#"{"by":"eva"}"#));
        assert_eq!(thumb.annotator, AnnotatorKind::Code);
    }
    let (provider, project) = (service.provider("initech")?, service.project("initech")?);
    let asked = [Target::Trace(trace)];
    let read = provider
        .annotations()
        .get_annotations(&project, &asked, None)
        .await?;
    assert!(read.is_empty(), "{read:?}");
    Ok(())
}

/// Langfuse gives a hundred at a time.
#[tokio::test]
async fn more_annotations_than_a_page_holds_are_all_read() -> Result<()> {
    let service = Service::start().await?;
    let (provider, project) = (service.provider("acme")?, service.project("acme")?);
    let Traced { trace, root, .. } = traced(&service, "acme").await?;
    let targets = [
        Target::Span(SpanRef::new(trace.as_str(), root.as_str())),
        Target::Trace(trace),
    ];
    let notes: Vec<_> = (0..240)
        .map(|place| {
            let target = targets[place % 2].clone();
            NewAnnotation::new(target, format!("n{place}")).score(place as f64)
        })
        .collect();
    let store = provider.annotations();
    let ids = store.add_annotations_batch(&project, &notes).await?;
    assert_eq!(ids.len(), 240);
    let read = store.get_annotations(&project, &targets, None).await?;
    assert_eq!(read.len(), 240);
    store
        .delete_annotation(&project, &AnnotationSelection::Ids(ids))
        .await?;
    assert_eq!(service.langfuse.scores(), 0);
    Ok(())
}
