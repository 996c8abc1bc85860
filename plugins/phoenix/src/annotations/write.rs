//! Writing annotations.

use std::collections::{BTreeMap, BTreeSet};

use roost_provider::types::{AnnotatorKind, PartialFailure, RejectedItem};
use roost_provider::{Error, error};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::parts;
use crate::annotation_id::{AnnotationId, Kind};
use crate::bindings::annotation_store::NewAnnotation;
use crate::phoenix::Phoenix;
use crate::{Result, lookup};

/// Write annotations: all of them, or none where a target is missing.
///
/// Phoenix annotates a span whatever project it is in, so the targets are looked for in the
/// project first. Each kind of target is a request of its own, taken whole or not at all; only
/// when a later one fails is the outcome partial.
pub(super) fn add(
    phoenix: &Phoenix,
    project: &str,
    annotations: &[NewAnnotation],
) -> Result<Vec<String>> {
    let targets = Targets::find(phoenix, project, annotations)?;
    let mut ids = vec![String::new(); annotations.len()];
    let mut accepted = 0;
    for kind in Kind::ALL {
        let batch = batch(annotations, kind, &targets)?;
        if batch.is_empty() {
            continue;
        }
        let places: Vec<usize> = batch.iter().map(|(place, _)| *place).collect();
        match post(
            phoenix,
            kind,
            batch.into_iter().map(|(_, record)| record).collect(),
        ) {
            Ok(written) => {
                for (place, phoenix) in places.iter().zip(&written) {
                    if let (Some(id), Some(annotation)) =
                        (ids.get_mut(*place), annotations.get(*place))
                    {
                        let (kind, target) = parts(&annotation.target);
                        *id = AnnotationId {
                            kind,
                            target,
                            phoenix,
                        }
                        .to_string();
                    }
                }
                accepted += places.len();
            }
            Err(error) if accepted == 0 => return Err(error),
            Err(error) => return Err(partial(&ids, accepted, &error)),
        }
    }
    Ok(ids)
}

/// An annotation as Phoenix takes it.
#[derive(Serialize)]
struct Record<'a> {
    #[serde(flatten)]
    target: BTreeMap<&'static str, &'a str>,
    name: &'a str,
    annotator_kind: &'static str,
    result: Outcome<'a>,
    metadata: Option<&'a RawValue>,
    identifier: &'a str,
}

#[derive(Serialize)]
struct Outcome<'a> {
    label: Option<&'a str>,
    score: Option<f64>,
    explanation: Option<&'a str>,
}

/// The annotations of one kind of target, each with its place in the list.
fn batch<'a>(
    annotations: &'a [NewAnnotation],
    kind: Kind,
    targets: &'a Targets<'a>,
) -> Result<Vec<(usize, Record<'a>)>> {
    let of_kind = annotations
        .iter()
        .enumerate()
        .filter(|(_, annotation)| parts(&annotation.target).0 == kind);
    of_kind
        .map(|(place, annotation)| {
            let (kind, id) = parts(&annotation.target);
            let key = match kind {
                Kind::Span => "span_id",
                Kind::Trace => "trace_id",
                Kind::Session => "session_id",
            };
            Ok((
                place,
                Record {
                    target: BTreeMap::from([(key, targets.stored(kind, id))]),
                    name: &annotation.name,
                    annotator_kind: match annotation.annotator {
                        AnnotatorKind::Human => "HUMAN",
                        AnnotatorKind::Llm => "LLM",
                        AnnotatorKind::Code => "CODE",
                    },
                    result: Outcome {
                        label: annotation.label.as_deref(),
                        score: annotation.score,
                        explanation: annotation.explanation.as_deref(),
                    },
                    metadata: metadata(place, annotation)?,
                    identifier: &annotation.identifier,
                },
            ))
        })
        .collect()
}

fn metadata(place: usize, annotation: &NewAnnotation) -> Result<Option<&RawValue>> {
    let Some(json) = &annotation.metadata else {
        return Ok(None);
    };
    match serde_json::from_str::<&RawValue>(json) {
        Ok(object) if object.get().starts_with('{') => Ok(Some(object)),
        _ => Err(error::invalid_argument(format!(
            "the metadata of annotation {place} (`{}`) is no JSON object",
            annotation.name
        ))),
    }
}

/// Write the annotations of one kind of target; answered are Phoenix's ids, in their order.
fn post(phoenix: &Phoenix, kind: Kind, data: Vec<Record<'_>>) -> Result<Vec<String>> {
    #[derive(Serialize)]
    struct Body<'a> {
        data: Vec<Record<'a>>,
    }
    #[derive(Deserialize)]
    struct Written {
        data: Vec<Id>,
    }
    #[derive(Deserialize)]
    struct Id {
        id: String,
    }

    let count = data.len();
    // Only a synchronous write says what it did; and it replaces, so it may be repeated.
    let answer = phoenix
        .http
        .post(&["v1", &format!("{}_annotations", kind.name())])
        .query("sync", true)
        .json(&Body { data })?
        .repeatable()
        .send()?;
    let written: Written = answer.json()?;
    if written.data.len() != count {
        return Err(error::backend(
            answer.status(),
            &format!(
                "Phoenix took {count} annotations and answered {}",
                written.data.len()
            ),
        ));
    }
    Ok(written.data.into_iter().map(|id| id.id).collect())
}

/// What is left when a kind of target failed after another had been written: those without
/// an id.
fn partial(ids: &[String], accepted: usize, error: &Error) -> Error {
    let reason = error::message(error);
    let rejected = (0..)
        .zip(ids)
        .filter(|(_, id)| id.is_empty())
        .map(|(index, _)| RejectedItem {
            index,
            reason: reason.clone(),
        });
    Error::Partial(PartialFailure {
        accepted: u32::try_from(accepted).unwrap_or(u32::MAX),
        rejected: rejected.collect(),
    })
}

/// The targets of a list of annotations, all of which exist in the project.
struct Targets<'a> {
    /// The ids under which Phoenix has the sessions.
    sessions: BTreeMap<&'a str, String>,
}

impl<'a> Targets<'a> {
    fn find(phoenix: &Phoenix, project: &str, annotations: &'a [NewAnnotation]) -> Result<Self> {
        let of = |kind| -> BTreeSet<&'a str> {
            let targets = annotations
                .iter()
                .map(|annotation| parts(&annotation.target));
            targets
                .filter(|(of, _)| *of == kind)
                .map(|(_, id)| id)
                .collect()
        };
        let (spans, traces, sessions) = (of(Kind::Span), of(Kind::Trace), of(Kind::Session));

        let found = lookup::spans(phoenix, project, &spans)?;
        complete(project, Kind::Span, &spans, |id| found.contains(id))?;

        let ids: Vec<&str> = traces.iter().copied().collect();
        let found = lookup::traces(phoenix, project, &ids)?;
        let found: BTreeSet<&str> = found.iter().map(|trace| trace.trace_id.as_str()).collect();
        complete(project, Kind::Trace, &traces, |id| found.contains(id))?;

        let found = lookup::sessions(phoenix, project, &sessions)?;
        complete(project, Kind::Session, &sessions, |id| {
            found.contains_key(id)
        })?;
        Ok(Self { sessions: found })
    }

    fn stored<'s>(&'s self, kind: Kind, id: &'s str) -> &'s str {
        match kind {
            Kind::Session => self.sessions.get(id).map_or(id, String::as_str),
            Kind::Span | Kind::Trace => id,
        }
    }
}

fn complete(
    project: &str,
    kind: Kind,
    wanted: &BTreeSet<&str>,
    exists: impl Fn(&str) -> bool,
) -> Result<()> {
    const NAMED: usize = 5;
    let missing: Vec<&str> = wanted.iter().copied().filter(|id| !exists(id)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let named: Vec<String> = missing
        .iter()
        .take(NAMED)
        .map(|id| format!("`{id}`"))
        .collect();
    let more = match missing.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    Err(error::not_found(format!(
        "project `{project}` has no {} {}{more}; nothing was written",
        kind.name(),
        named.join(", "),
    )))
}
