//! Reading annotations. Langfuse lists scores of traces, of observations in traces, and of
//! sessions, and never of two of them at once; so they are listed one after the other.

use std::collections::BTreeSet;

use roost_provider::cursor;
use roost_provider::types::PageRequest;
use serde::Deserialize;

use super::score::Score;
use super::targets::Targets;
use crate::bindings::annotation_store::{Annotation, AnnotationPage, Target};
use crate::langfuse::{Langfuse, ask};
use crate::{Result, session_id};

const MARK: &str = "annotation";

/// The most scores that one page gives.
const MOST: u32 = 100;

/// A page of scores.
#[derive(Deserialize)]
struct Found {
    data: Vec<Score>,
    meta: Meta,
}

#[derive(Deserialize)]
struct Meta {
    cursor: Option<String>,
}

/// The parameters that say which scores are listed.
type Parameters = Vec<(&'static str, String)>;

/// A list of scores. That of a trace also has those of its spans, which another one has too.
struct List {
    is_about: fn(&Target) -> bool,
    parameters: Parameters,
}

/// A page of the annotations of some targets.
pub(super) fn page(
    langfuse: &Langfuse,
    project: &str,
    asked: &[Target],
    names: Option<&[String]>,
    page: &PageRequest,
) -> Result<AnnotationPage> {
    let (number, place) = match &page.cursor {
        None => (0, None),
        Some(text) => {
            let (number, place) = cursor::unmark(MARK, text)?
                .split_once(':')
                .ok_or_else(|| cursor::refusal(text))?;
            let number: usize = number.parse().map_err(|_| cursor::refusal(text))?;
            (number, Some(place).filter(|place| !place.is_empty()))
        }
    };
    let mut targets = Targets::of(langfuse, project);
    let lists = lists(project, asked, &targets)?;
    let Some(list) = lists.get(number) else {
        return Ok(AnnotationPage {
            annotations: Vec::new(),
            cursor: None,
        });
    };
    let (scores, next) = scores(langfuse, &list.parameters, page.limit, place)?;
    let mut annotations = Vec::new();
    for annotation in own(project, &mut targets, scores)? {
        let target = &annotation.target;
        let is_asked = (list.is_about)(target) && asked.iter().any(|it| is_of(target, it));
        if is_asked && names.is_none_or(|names| names.contains(&annotation.name)) {
            annotations.push(annotation);
        }
    }
    let next = match next {
        Some(next) => Some(format!("{number}:{next}")),
        None if number + 1 < lists.len() => Some(format!("{}:", number + 1)),
        None => None,
    };
    Ok(AnnotationPage {
        annotations,
        cursor: next.map(|next| cursor::mark(MARK, &next)),
    })
}

/// All annotations of a target.
pub(super) fn all(langfuse: &Langfuse, project: &str, target: Target) -> Result<Vec<Annotation>> {
    let asked = [target];
    let mut all = Vec::new();
    let mut place = None;
    loop {
        let request = PageRequest {
            limit: MOST,
            cursor: place,
        };
        let found = page(langfuse, project, &asked, None, &request)?;
        all.extend(found.annotations);
        place = found.cursor;
        if place.is_none() {
            return Ok(all);
        }
    }
}

/// The scores with these ids that are the project's.
pub(super) fn with_ids(
    langfuse: &Langfuse,
    project: &str,
    ids: &[String],
) -> Result<Vec<Annotation>> {
    let mut targets = Targets::of(langfuse, project);
    let mut all = Vec::new();
    // None has a comma, which stands between them.
    let ids: Vec<&str> = ids
        .iter()
        .map(String::as_str)
        .filter(|id| !id.contains(','))
        .collect();
    for ids in ids.chunks(MOST as usize).filter(|ids| !ids.is_empty()) {
        let (scores, _) = scores(langfuse, &vec![("id", ids.join(","))], MOST, None)?;
        all.extend(own(project, &mut targets, scores)?);
    }
    Ok(all)
}

/// Those of some scores that are the project's. Ours say so; what others wrote is the project's if
/// what it is about is.
fn own(project: &str, targets: &mut Targets<'_>, scores: Vec<Score>) -> Result<Vec<Annotation>> {
    let mut own = Vec::new();
    for score in scores {
        let Some(target) = score.target(project) else {
            continue;
        };
        let is_own = match score.ours() {
            Some(ours) => ours.project == project,
            None => match targets.place(&target) {
                Ok(_) => true,
                Err(roost_provider::Error::NotFound(_)) => false,
                Err(error) => return Err(error),
            },
        };
        if is_own {
            own.push(score.into_annotation(target));
        }
    }
    Ok(own)
}

fn scores(
    langfuse: &Langfuse,
    parameters: &Parameters,
    limit: u32,
    place: Option<&str>,
) -> Result<(Vec<Score>, Option<String>)> {
    let mut request = langfuse
        .get(&["v3", "scores"])
        .query("fields", "details,subject")
        .query("limit", limit.min(MOST))
        .query_some("cursor", place);
    for (key, value) in parameters {
        request = request.query(key, value);
    }
    let found: Found = ask(request)?;
    Ok((found.data, found.meta.cursor.filter(|it| !it.is_empty())))
}

/// The lists in which the annotations of some targets are.
fn lists(project: &str, asked: &[Target], targets: &Targets<'_>) -> Result<Vec<List>> {
    let (mut traces, mut sessions) = (BTreeSet::new(), BTreeSet::new());
    let (mut spans, mut traces_of_spans) = (BTreeSet::new(), BTreeSet::new());
    for target in asked {
        match target {
            Target::Trace(id) => {
                traces.insert(id.clone());
            }
            Target::Span(span) => {
                let trace = match span.trace_id.as_str() {
                    "" => targets.trace_of(&span.span_id)?,
                    id => Some(id.to_owned()),
                };
                if let Some(trace) = trace {
                    spans.insert(span.span_id.clone());
                    traces_of_spans.insert(trace);
                }
            }
            // One that Langfuse cannot hold has none.
            Target::Session(id) => sessions.extend(session_id::stored(project, id)),
        }
    }
    let join = |ids: BTreeSet<String>| ids.into_iter().collect::<Vec<_>>().join(",");
    let lists = [
        List {
            is_about: |it| matches!(it, Target::Trace(_)),
            parameters: vec![("traceId", join(traces))],
        },
        List {
            is_about: |it| matches!(it, Target::Span(_)),
            parameters: vec![
                ("traceId", join(traces_of_spans)),
                ("observationId", join(spans)),
            ],
        },
        List {
            is_about: |it| matches!(it, Target::Session(_)),
            parameters: vec![("sessionId", join(sessions))],
        },
    ];
    let asks = |list: &List| list.parameters.iter().all(|(_, ids)| !ids.is_empty());
    Ok(lists.into_iter().filter(asks).collect())
}

/// Whether an annotation of `target` is one of those that are asked for.
fn is_of(target: &Target, asked: &Target) -> bool {
    match (target, asked) {
        (Target::Span(target), Target::Span(asked)) => {
            target.span_id == asked.span_id
                && (asked.trace_id.is_empty() || target.trace_id == asked.trace_id)
        }
        (Target::Trace(target), Target::Trace(asked))
        | (Target::Session(target), Target::Session(asked)) => target == asked,
        _ => false,
    }
}
