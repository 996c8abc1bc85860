//! Annotations are assessments of MLflow, which knows no identifier and replaces nothing.

use anyhow::Result;
use roost::contract::{
    AnnotationKey, AnnotationSelection, AnnotatorKind, Error, NewAnnotation, SpanRef, Target,
};
use roost_tests::{Mlflow, span_id, trace_id, unique};
use serde_json::json;

use crate::Service;
use crate::server::{experiment, post, send, span};

const BEGIN: u64 = 1_795_168_000_000_000_000;

/// A trace of two spans and a session, in the tenant's project.
struct Traced {
    trace: String,
    root: String,
    child: String,
}

async fn traced(service: &Service, tenant: &str) -> Result<Traced> {
    let mlflow = Mlflow::shared().await?;
    let id = experiment(mlflow, &service.project(tenant)?).await?;
    let (trace, root, child) = (trace_id(), span_id(), span_id());
    let mut spans = [
        span((&trace, &root, ""), "root", BEGIN, BEGIN + 9),
        span((&trace, &child, &root), "child", BEGIN + 1, BEGIN + 2),
    ];
    spans[0]["attributes"] = json!([{ "key": "session.id", "value": { "stringValue": "s" } }]);
    assert_eq!(send(mlflow, &id, &spans).await?, 200);
    Ok(Traced { trace, root, child })
}

#[tokio::test]
async fn writing_again_replaces_and_makes_no_second_one() -> Result<()> {
    let service = Service::shared().await?;
    let tenant = unique("acme");
    let (provider, project) = (service.provider(&tenant)?, service.project(&tenant)?);
    let Traced { trace, root, child } = traced(&service, &tenant).await?;
    let store = provider.annotations();
    let targets = [
        Target::Span(SpanRef::new(trace.as_str(), root.as_str())),
        // Without its trace, it is looked for.
        Target::span(child.as_str()),
        Target::Trace(trace.clone()),
        Target::Session("s".to_owned()),
    ];
    let metadata = json!({ "reviewer": "alice", "round": 2 });
    for (place, target) in targets.iter().enumerate() {
        let full = NewAnnotation::new(target.clone(), "quality ü")
            .label("good")
            .score(0.75)
            .explanation("why not")
            .metadata(metadata.as_object().unwrap());
        let first = store.add_annotation(&project, full.clone()).await?;
        let other = full.clone().identifier("bob's");
        let ids = store
            .add_annotations_batch(&project, &[full, other])
            .await?;
        assert_eq!(ids[0], first);
        assert_ne!(ids[1], first);
        // By somebody else, and with less of everything.
        let bare = NewAnnotation::new(target.clone(), "quality ü")
            .by(AnnotatorKind::Code)
            .explanation("see above");
        assert_eq!(store.add_annotation(&project, bare).await?, first);
        let bare = NewAnnotation::new(target.clone(), "quality ü")
            .by(AnnotatorKind::Code)
            .label("bad");
        assert_eq!(store.add_annotation(&project, bare).await?, first);

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
        assert_eq!(
            (full.label.as_deref(), full.score),
            (Some("good"), Some(0.75))
        );
        assert_eq!(full.explanation.as_deref(), Some("why not"));
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
    let by_id = AnnotationSelection::Ids(vec![all[7].id.clone(), "no:such".to_owned()]);
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
    let service = Service::shared().await?;
    let (acme, globex) = (unique("acme"), unique("globex"));
    let Traced { trace, root, child } = traced(&service, &acme).await?;
    traced(&service, &globex).await?;
    let (owner, project) = (service.provider(&acme)?, service.project(&acme)?);
    let (intruder, other) = (service.provider(&globex)?, service.project(&globex)?);
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
    assert!(read.iter().all(|it| it.score == Some(1.0)));
    Ok(())
}

/// What people and judges say in MLflow itself.
#[tokio::test]
async fn assessments_of_others_are_read_and_deleted() -> Result<()> {
    let mlflow = Mlflow::shared().await?;
    let service = Service::shared().await?;
    let tenant = unique("acme");
    let (provider, project) = (service.provider(&tenant)?, service.project(&tenant)?);
    let Traced { trace, .. } = traced(&service, &tenant).await?;
    let path = format!("api/3.0/mlflow/traces/tr-{trace}/assessments");
    for (name, what) in [
        ("thumb", json!({ "feedback": { "value": true } })),
        ("list", json!({ "feedback": { "value": ["b", "a"] } })),
        ("expected", json!({ "expectation": { "value": "42" } })),
        (
            "failed",
            json!({ "feedback": { "error": { "error_code": "E", "error_message": "no judge" } } }),
        ),
    ] {
        let mut assessment = what;
        assessment["assessment_name"] = json!(name);
        assessment["source"] = json!({ "source_type": "LLM_JUDGE", "source_id": "judge" });
        let (status, _) = post(mlflow, &path, &json!({ "assessment": assessment })).await?;
        assert_eq!(status, 200, "{name}");
    }
    let store = provider.annotations();
    let target = [Target::Trace(trace)];
    let mut read = store.get_annotations(&project, &target, None).await?;
    read.sort_by(|left, right| left.name.cmp(&right.name));
    let told: Vec<_> = read
        .iter()
        .map(|it| {
            (
                it.name.as_str(),
                it.label.as_deref(),
                it.score,
                it.explanation.as_deref(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("expected", Some("42"), None, None),
            ("failed", None, None, Some("no judge")),
            ("list", Some("[\"b\",\"a\"]"), None, None),
            ("thumb", Some("true"), Some(1.0), None),
        ]
    );
    assert!(read.iter().all(|it| it.annotator == AnnotatorKind::Llm));
    let ids = read.into_iter().map(|it| it.id).collect();
    store
        .delete_annotation(&project, &AnnotationSelection::Ids(ids))
        .await?;
    assert!(
        store
            .get_annotations(&project, &target, None)
            .await?
            .is_empty()
    );
    Ok(())
}
