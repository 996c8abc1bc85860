//! What is said of spans, traces and sessions.

use std::collections::BTreeSet;

use serde_json::json;

use super::corpus::SHARED_SESSION;
use super::expect::{ensure, expect_missing, expect_no_project, same, same_json, skip, wrong};
use super::rule::Outcome;
use super::traces::reference;
use super::trial::Trial;
use crate::contract::{
    Annotation, AnnotationKey, AnnotationSelection, AnnotatorKind, Error, NewAnnotation, Span,
    SpanRef, Target,
};
use crate::plugin::error_name;

/// The span that is annotated.
fn some_span<'a>(trial: &'a Trial<'_>) -> Outcome<&'a Span> {
    let span = trial.corpus().first.get(1);
    span.ok_or_else(|| skip("there are no spans"))
}

fn on(span: &Span) -> Target {
    Target::Span(reference(span))
}

/// What is said under a name that nobody else uses.
async fn said(trial: &Trial<'_>, target: &Target, name: &str) -> Outcome<Vec<Annotation>> {
    let (targets, names) = ([target.clone()], [name.to_owned()]);
    let project = trial.project();
    trial
        .annotations(&project, &targets, Some(&names), trial.whole_page())
        .await
}

async fn add(trial: &Trial<'_>, annotations: &[NewAnnotation]) -> Outcome<Vec<String>> {
    let ids = trial.add_annotations(&trial.project(), annotations).await?;
    same("the number of ids", ids.len(), annotations.len())?;
    Ok(ids)
}

pub(super) async fn written(trial: &Trial<'_>) -> Outcome {
    let target = on(some_span(trial)?);
    let name = trial.unique("check größe");
    let metadata = json!({ "reviewer": "älice 🦉", "round": 2, "nested": { "list": [1, null] } });
    for (place, annotator) in [
        AnnotatorKind::Human,
        AnnotatorKind::Llm,
        AnnotatorKind::Code,
    ]
    .into_iter()
    .enumerate()
    {
        let identifier = format!("by {place}");
        let mut new = NewAnnotation::new(target.clone(), name.as_str()).by(annotator);
        new = new
            .label("gut \"so\"")
            .score(0.25)
            .explanation("line one\nline two ü");
        new = new.identifier(identifier.as_str());
        new.metadata = Some(metadata.to_string());
        let ids = add(trial, &[new]).await?;
        let found = said(trial, &target, &name).await?;
        let own = found.iter().find(|it| it.identifier == identifier);
        let own = own.ok_or_else(|| {
            wrong(format!(
                "annotation `{name}`, `{identifier}` is not there after it was written"
            ))
        })?;
        same("the id", Some(&own.id), ids.first())?;
        same("the target's span", span_of(&own.target), span_of(&target))?;
        same("who judged", own.annotator, annotator)?;
        same("the label", own.label.as_deref(), Some("gut \"so\""))?;
        same("the score", own.score, Some(0.25))?;
        same(
            "the explanation",
            own.explanation.as_deref(),
            Some("line one\nline two ü"),
        )?;
        same_json("the metadata", own.metadata.as_deref(), &metadata)?;
    }
    Ok(())
}

fn span_of(target: &Target) -> Option<&str> {
    match target {
        Target::Span(SpanRef { span_id, .. }) => Some(span_id),
        _ => None,
    }
}

pub(super) async fn replaced(trial: &Trial<'_>) -> Outcome {
    let target = on(some_span(trial)?);
    let name = trial.unique("check replaced");
    let new = |label: &str| NewAnnotation::new(target.clone(), name.as_str()).label(label);
    let first = add(trial, &[new("first").score(1.0)]).await?;
    for label in ["second", "second", "third"] {
        let again = add(trial, &[new(label)]).await?;
        same("the id after it was written again", &again, &first)?;
    }
    let found = said(trial, &target, &name).await?;
    same(
        "how many there are after four writes of one",
        found.len(),
        1,
    )?;
    let only = found.first().ok_or_else(|| wrong("it is gone"))?;
    same("the label", only.label.as_deref(), Some("third"))?;
    same(
        "the score, which the last write did not have",
        only.score,
        None,
    )
}

pub(super) async fn identifiers(trial: &Trial<'_>) -> Outcome {
    let target = on(some_span(trial)?);
    let name = trial.unique("check identifiers");
    let new = |identifier: &str| {
        let new = NewAnnotation::new(target.clone(), name.as_str()).label(identifier);
        new.identifier(identifier)
    };
    let ids = add(trial, &[new("a"), new("b"), new("ü:/%")]).await?;
    let distinct: BTreeSet<&String> = ids.iter().collect();
    same("how many different ids", distinct.len(), 3)?;
    let found = said(trial, &target, &name).await?;
    same("how many annotations of three identifiers", found.len(), 3)?;
    for (id, identifier) in ids.iter().zip(["a", "b", "ü:/%"]) {
        let own = found.iter().find(|it| it.id == *id);
        let own = own.map(|it| (it.identifier.as_str(), it.label.as_deref()));
        same(
            &format!("what id {id} is of"),
            own,
            Some((identifier, Some(identifier))),
        )?;
    }
    Ok(())
}

pub(super) async fn names(trial: &Trial<'_>) -> Outcome {
    let target = on(some_span(trial)?);
    let (one, two) = (trial.unique("check one"), trial.unique("check two"));
    let new = |name: &str| NewAnnotation::new(target.clone(), name).label("x");
    add(trial, &[new(&one), new(&two)]).await?;
    let found = said(trial, &target, &two).await?;
    let names: Vec<&str> = found.iter().map(|it| it.name.as_str()).collect();
    same("what is there of one name", names, vec![two.as_str()])?;
    let all = trial
        .annotations(&trial.project(), &[target], None, trial.whole_page())
        .await?;
    let has = |name: &str| all.iter().any(|it| it.name == name);
    ensure!(
        has(&one) && has(&two),
        "without names, not every annotation of the target came"
    );
    Ok(())
}

pub(super) async fn pages(trial: &Trial<'_>) -> Outcome {
    let target = on(some_span(trial)?);
    let name = trial.unique("check pages");
    let new = |place: u32| {
        let new = NewAnnotation::new(target.clone(), name.as_str()).score(f64::from(place));
        new.identifier(place.to_string())
    };
    let new: Vec<NewAnnotation> = (0..5).map(new).collect();
    add(trial, &new).await?;
    let names = [name];
    for limit in [1, 2] {
        let limit = limit.min(trial.whole_page());
        let targets = [target.clone()];
        let found = trial
            .annotations(&trial.project(), &targets, Some(&names), limit)
            .await?;
        let mut places: Vec<&str> = found.iter().map(|it| it.identifier.as_str()).collect();
        places.sort_unstable();
        same(
            &format!("by pages of {limit}"),
            places,
            vec!["0", "1", "2", "3", "4"],
        )?;
    }
    Ok(())
}

pub(super) async fn unknown_target(trial: &Trial<'_>) -> Outcome {
    let nobody = Target::Span(SpanRef::new(
        "00000000000000000000000000c0ffee",
        "0000000000c0ffee",
    ));
    let project = trial.project();
    let new = NewAnnotation::new(nobody.clone(), "check").label("x");
    let added = trial.add_annotations(&project, &[new]).await;
    expect_missing("add-annotations to a span that is not there", added)?;
    let found = trial
        .annotations(
            &project,
            std::slice::from_ref(&nobody),
            None,
            trial.whole_page(),
        )
        .await?;
    same("annotations of a span that is not there", found.len(), 0)?;
    let unknown = trial.unknown_project();
    let page = crate::contract::PageRequest {
        limit: trial.whole_page(),
        cursor: None,
    };
    let read = trial
        .get_annotations(&unknown, &[nobody], None, &page)
        .await;
    expect_no_project(
        trial,
        "get-annotations of an unknown project",
        read.map(|it| it.annotations.len()),
    )
    .await
}

pub(super) async fn partial(trial: &Trial<'_>) -> Outcome {
    let target = on(some_span(trial)?);
    let nobody = Target::Span(SpanRef::new(
        "00000000000000000000000000c0ffee",
        "0000000000c0ffee",
    ));
    let name = trial.unique("check partial");
    let new = |target: &Target| NewAnnotation::new(target.clone(), name.as_str()).label("x");
    let batch = [new(&nobody), new(&target)];
    let answer = trial.add_annotations(&trial.project(), &batch).await;
    match answer {
        Err(Error::Partial(partial)) => {
            same("how many were accepted", partial.accepted, 1)?;
            let places: Vec<u32> = partial.rejected.iter().map(|it| it.index).collect();
            same("the places of what was rejected", places, vec![0])?;
        }
        Err(Error::Unsupported(what)) => return Err(skip(format!("unsupported: {what}"))),
        Err(Error::NotFound(_)) => {
            let found = said(trial, &target, &name).await?;
            return same("after not-found, how many were written", found.len(), 0);
        }
        Err(error) => {
            return Err(wrong(format!(
                "a batch of which one target is missing was answered {}: {error:?}",
                error_name(&error)
            )));
        }
        Ok(ids) => {
            return Err(wrong(format!(
                "a batch of which one target is missing was answered with ids: {ids:?}"
            )));
        }
    }
    let found = said(trial, &target, &name).await?;
    same(
        "how many were written of the one that was accepted",
        found.len(),
        1,
    )
}

pub(super) async fn deleted(trial: &Trial<'_>) -> Outcome {
    let target = on(some_span(trial)?);
    let project = trial.project();
    let name = trial.unique("check deleted");
    let new = |identifier: &str| {
        let new = NewAnnotation::new(target.clone(), name.as_str()).label("x");
        new.identifier(identifier)
    };
    let ids = add(trial, &[new("a"), new("b"), new("c"), new("d")]).await?;
    let key = |identifier: Option<&str>| {
        AnnotationSelection::Key(AnnotationKey {
            target: target.clone(),
            name: name.clone(),
            identifier: identifier.map(str::to_owned),
        })
    };
    let first = ids.first().cloned().unwrap_or_default();
    let steps = [
        (AnnotationSelection::Ids(vec![first]), vec!["b", "c", "d"]),
        (key(Some("b")), vec!["c", "d"]),
        (key(None), vec![]),
    ];
    let mut tried = 0;
    for (selection, left) in steps {
        // The second time nothing is there, and it is no error.
        for _ in 0..2 {
            match trial.delete_annotations(&project, &selection).await {
                Ok(()) => tried += 1,
                Err(Error::Unsupported(_)) => continue,
                Err(error) => return Err(error.into()),
            }
            let found = said(trial, &target, &name).await?;
            let mut found: Vec<&str> = found.iter().map(|it| it.identifier.as_str()).collect();
            found.sort_unstable();
            same("what is left", found, left.clone())?;
        }
    }
    if tried == 0 {
        return Err(skip("the backend never deletes annotations"));
    }
    Ok(())
}

pub(super) async fn traces_and_sessions(trial: &Trial<'_>) -> Outcome {
    let span = some_span(trial)?;
    let mut tried = 0;
    for target in [
        Target::Trace(span.trace_id.clone()),
        Target::Session(SHARED_SESSION.to_owned()),
    ] {
        let name = trial.unique("check of more");
        let new = NewAnnotation::new(target.clone(), name.as_str()).label("yes");
        match trial.add_annotations(&trial.project(), &[new]).await {
            Err(Error::Unsupported(_)) => continue,
            answer => answer?,
        };
        tried += 1;
        let found = said(trial, &target, &name).await?;
        same("how many are read of one that was written", found.len(), 1)?;
        same(
            "the target",
            found.first().map(|it| &it.target),
            Some(&target),
        )?;
    }
    if tried == 0 {
        return Err(skip("the backend annotates spans alone"));
    }
    Ok(())
}

pub(super) async fn other_project(trial: &Trial<'_>) -> Outcome {
    let theirs = trial
        .corpus()
        .second
        .first()
        .ok_or_else(|| skip("there are no spans"))?;
    let target = on(theirs);
    let name = trial.unique("check foreign");
    let new = [NewAnnotation::new(target.clone(), name.as_str()).label("x")];
    let added = trial.add_annotations(&trial.project(), &new).await;
    expect_missing("add-annotations to a span of another project", added)?;
    let ids = trial.add_annotations(&trial.other_project(), &new).await?;
    let found = said(trial, &target, &name).await?;
    same(
        "annotations read of a span of another project",
        found.len(),
        0,
    )?;
    let selection = AnnotationSelection::Ids(ids);
    match trial.delete_annotations(&trial.project(), &selection).await {
        Ok(()) | Err(Error::NotFound(_) | Error::Unsupported(_)) => {}
        Err(error) => return Err(error.into()),
    }
    let (targets, names) = ([target], [name]);
    let other = trial.other_project();
    let left = trial
        .annotations(&other, &targets, Some(&names), trial.whole_page())
        .await?;
    same(
        "after another project deleted it by its id, how many are left",
        left.len(),
        1,
    )
}
