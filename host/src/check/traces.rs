//! Spans and traces, as they are read.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::corpus::{LARGE, SESSION, SHARED_SESSION};
use super::expect::{ensure, expect_missing, expect_no_project, same, same_status, skip, wrong};
use super::listing::{all, ids, records, same_ids};
use super::rule::Outcome;
use super::trial::Trial;
use crate::contract::{AttributeValue, Error, PageRequest, Projection, Span, SpanQuery, SpanRef};

/// The digits that a backend keeps of a time: microseconds.
const MICRO: u64 = 1_000;
/// Ids that no span has.
const NO_TRACE: &str = "00000000000000000000000000c0ffee";
const NO_SPAN: &str = "0000000000c0ffee";

pub(super) async fn written(trial: &Trial<'_>) -> Outcome {
    let found = by_id(all(trial, &trial.question(&trial.project())).await?);
    for expected in &trial.corpus().first {
        let span = found.get(&expected.span_id);
        let span = span.ok_or_else(|| wrong(format!("span `{}` is missing", expected.name)))?;
        same_span(span, expected)?;
    }
    same(
        "the number of spans",
        found.len(),
        trial.corpus().first.len(),
    )
}

pub(super) async fn attributes(trial: &Trial<'_>) -> Outcome {
    let found = by_id(all(trial, &trial.question(&trial.project())).await?);
    // For a backend without sessions, the host has sent spans without theirs.
    let session = trial
        .session_attributes(&trial.project(), SHARED_SESSION)
        .await;
    let has_sessions = !matches!(session, Err(Error::Unsupported(_)));
    for expected in &trial.corpus().first {
        let Some(span) = found.get(&expected.span_id) else {
            continue;
        };
        let attributes = expected.attributes.iter();
        for attribute in attributes.filter(|it| has_sessions || it.key != SESSION) {
            same_attribute(span, &attribute.key, &attribute.value)?;
        }
        let mut keys = BTreeSet::new();
        for attribute in &span.attributes {
            let key = &attribute.key;
            ensure!(
                !key.is_empty(),
                "span `{}` has an attribute without a key",
                span.name
            );
            ensure!(keys.insert(key), "span `{}` has `{key}` twice", span.name);
            ensure!(
                key != "openinference.span.kind",
                "span `{}` has its kind among the attributes as well",
                span.name
            );
        }
    }
    Ok(())
}

pub(super) async fn large(trial: &Trial<'_>) -> Outcome {
    let expected = trial
        .corpus()
        .first
        .iter()
        .find(|span| span.attribute("check.large").is_some());
    let expected = expected.ok_or_else(|| skip("there is no large span"))?;
    let span = trial
        .get_span(&trial.project(), &reference(expected))
        .await?;
    match span.attribute("check.large") {
        Some(AttributeValue::Text(text)) if text.chars().count() == LARGE => same_attribute(
            &span,
            "check.large",
            expected
                .attribute("check.large")
                .unwrap_or(&AttributeValue::Boolean(false)),
        ),
        Some(AttributeValue::Text(text)) => Err(wrong(format!(
            "a text of {LARGE} characters came back with {}",
            text.chars().count()
        ))),
        other => Err(wrong(format!(
            "a text of {LARGE} characters came back as {other:?}"
        ))),
    }
}

pub(super) async fn events(trial: &Trial<'_>) -> Outcome {
    for expected in trial
        .corpus()
        .first
        .iter()
        .filter(|span| !span.events.is_empty())
    {
        let span = trial
            .get_span(&trial.project(), &reference(expected))
            .await?;
        if span.events.is_empty() {
            return Err(skip("the backend does not keep events"));
        }
        let names = |span: &Span| -> Vec<(String, u64)> {
            let events = span.events.iter();
            events
                .map(|event| (event.name.clone(), event.time / MICRO))
                .collect()
        };
        same("the events", names(&span), names(expected))?;
    }
    Ok(())
}

pub(super) async fn projection(trial: &Trial<'_>) -> Outcome {
    let wanted = Projection {
        attributes: Some(vec!["check.place".to_owned()]),
        events: false,
        links: false,
        resource: false,
    };
    let query = SpanQuery {
        projection: Some(wanted),
        ..trial.question(&trial.project())
    };
    let found = by_id(all(trial, &query).await?);
    for expected in &trial.corpus().first {
        let span = found.get(&expected.span_id);
        let span = span.ok_or_else(|| wrong(format!("span `{}` is missing", expected.name)))?;
        same(
            &format!("the kind of `{}`, few columns of it asked for", span.name),
            &span.kind,
            &expected.kind,
        )?;
        same(
            &format!("the parent of `{}`", span.name),
            &span.parent_id,
            &expected.parent_id,
        )?;
        same_status("its status", span.status, expected.status)?;
        same(
            "its start",
            span.start_time / MICRO,
            expected.start_time / MICRO,
        )?;
        if let Some(place) = expected.attribute("check.place") {
            same_attribute(span, "check.place", place)?;
        }
    }
    Ok(())
}

pub(super) async fn arrow(trial: &Trial<'_>) -> Outcome {
    let whole = trial.question(&trial.project());
    let few = SpanQuery {
        projection: Some(Projection {
            attributes: Some(Vec::new()),
            events: false,
            links: false,
            resource: false,
        }),
        ..whole.clone()
    };
    for query in [whole, few] {
        records(trial.get_spans(&query).await?.spans)?;
    }
    Ok(())
}

pub(super) async fn unknown_project(trial: &Trial<'_>) -> Outcome {
    let unknown = trial.unknown_project();
    let span = trial
        .corpus()
        .first
        .first()
        .map_or_else(|| SpanRef::new(NO_TRACE, NO_SPAN), reference);
    let question = trial.question(&unknown);
    let found = trial.get_spans(&question).await;
    expect_no_project(
        trial,
        "get-spans of an unknown project",
        found.map(|page| records(page.spans).map_or(usize::MAX, |spans| spans.len())),
    )
    .await?;
    expect_missing(
        "get-span of an unknown project",
        trial.get_span(&unknown, &span).await,
    )?;
    let page = page(trial);
    let trace = trial.get_trace(&unknown, &span.trace_id, None, &page).await;
    expect_missing(
        "get-trace of an unknown project",
        trace.map(|page| page.spans.len()),
    )
}

pub(super) async fn one_span(trial: &Trial<'_>) -> Outcome {
    let project = trial.project();
    for expected in &trial.corpus().first {
        let mut asked = reference(expected);
        asked.near = Some(expected.start_time);
        same_span(&trial.get_span(&project, &asked).await?, expected)?;
    }
    let unknown = SpanRef::new(NO_TRACE, NO_SPAN);
    expect_missing(
        "get-span of a span that is not there",
        trial.get_span(&project, &unknown).await,
    )
}

pub(super) async fn one_trace(trial: &Trial<'_>) -> Outcome {
    let (project, corpus) = (trial.project(), trial.corpus());
    let Some(root) = corpus.first.first() else {
        return Err(skip("there are no spans"));
    };
    let of_trace = corpus
        .first
        .iter()
        .filter(|span| span.trace_id == root.trace_id);
    let expected: BTreeSet<&str> = of_trace.map(|span| span.span_id.as_str()).collect();
    for limit in [trial.whole_page(), 1] {
        for near in [None, Some(root.start_time)] {
            let found = trial.trace(&project, &root.trace_id, near, limit).await?;
            same_ids(
                &format!("of a trace, by pages of {limit}"),
                &found,
                &expected,
            )?;
        }
    }
    let page = page(trial);
    let unknown = trial.get_trace(&project, NO_TRACE, None, &page).await;
    expect_missing(
        "get-trace of a trace that is not there",
        unknown.map(|page| page.spans.len()),
    )
}

pub(super) async fn other_project(trial: &Trial<'_>) -> Outcome {
    let (project, other) = (trial.project(), trial.other_project());
    let corpus = trial.corpus();
    let found = all(trial, &trial.question(&other)).await?;
    same_ids("of the second project", &found, &ids(&corpus.second))?;
    let Some(theirs) = corpus.second.first() else {
        return Err(skip("there are no spans"));
    };
    let span = trial.get_span(&project, &reference(theirs)).await;
    expect_missing("get-span of a span of another project", span)?;
    let trace = trial
        .get_trace(&project, &theirs.trace_id, None, &page(trial))
        .await;
    expect_missing(
        "get-trace of a trace of another project",
        trace.map(|page| page.spans.len()),
    )
}

fn by_id(spans: Vec<Span>) -> BTreeMap<String, Span> {
    spans
        .into_iter()
        .map(|span| (span.span_id.clone(), span))
        .collect()
}

pub(super) fn reference(span: &Span) -> SpanRef {
    SpanRef::new(span.trace_id.as_str(), span.span_id.as_str())
}

fn page(trial: &Trial<'_>) -> PageRequest {
    PageRequest {
        limit: trial.whole_page(),
        cursor: None,
    }
}

fn same_span(span: &Span, expected: &Span) -> Outcome {
    let of = |what: &str| format!("{what} of span `{}`", expected.name);
    same(&of("the name"), &span.name, &expected.name)?;
    same(&of("the span id"), &span.span_id, &expected.span_id)?;
    same(&of("the trace id"), &span.trace_id, &expected.trace_id)?;
    same(&of("the parent"), &span.parent_id, &expected.parent_id)?;
    same(&of("the kind"), &span.kind, &expected.kind)?;
    same_status(&of("the status"), span.status, expected.status)?;
    same(
        &of("the status message"),
        &span.status_message,
        &expected.status_message,
    )?;
    same(
        &of("the start"),
        span.start_time / MICRO,
        expected.start_time / MICRO,
    )?;
    same(
        &of("the end"),
        span.end_time / MICRO,
        expected.end_time / MICRO,
    )
}

fn same_attribute(span: &Span, key: &str, expected: &AttributeValue) -> Outcome {
    use AttributeValue::Json;

    let found = span.attribute(key);
    let is_same = match (found, expected) {
        (Some(Json(found)), Json(expected)) => {
            let read = |text: &str| serde_json::from_str::<Value>(text).ok();
            read(found).is_some() && read(found) == read(expected)
        }
        (found, expected) => found == Some(expected),
    };
    if is_same {
        return Ok(());
    }
    let shown = format!("{expected:?}");
    let shown: String = shown.chars().take(100).collect();
    let found = format!("{found:?}");
    let found: String = found.chars().take(100).collect();
    Err(wrong(format!(
        "attribute `{key}` of span `{}` is {found} and not {shown}",
        span.name
    )))
}
