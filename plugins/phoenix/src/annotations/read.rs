//! Reading annotations of given targets.

use std::collections::{BTreeMap, BTreeSet};

use roost_provider::http::Response;
use roost_provider::types::{AnnotatorKind, PageRequest, SpanRef};
use roost_provider::{cursor, time};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::parts;
use crate::annotation_id::{AnnotationId, Kind};
use crate::bindings::annotation_store::{Annotation, AnnotationPage, Target};
use crate::phoenix::{MOST, Page, Phoenix};
use crate::{Result, projects, session_id};

/// The most bytes of ids in one address; a span's id takes 16, and as much for its key.
const IDS_AN_ADDRESS: usize = 16 * 1024;

/// An annotation as REST has it.
#[derive(Deserialize)]
pub(super) struct Record {
    /// Phoenix's id.
    pub(super) id: String,
    #[serde(alias = "span_id", alias = "trace_id", alias = "session_id")]
    pub(super) target: String,
    pub(super) name: String,
    annotator_kind: Annotator,
    result: Option<Outcome>,
    metadata: Option<Box<RawValue>>,
    pub(super) identifier: String,
    #[serde(default, deserialize_with = "time::deserialize_option")]
    created_at: Option<u64>,
    #[serde(default, deserialize_with = "time::deserialize_option")]
    updated_at: Option<u64>,
}

#[derive(Deserialize, Default)]
struct Outcome {
    label: Option<String>,
    score: Option<f64>,
    explanation: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum Annotator {
    Human,
    Llm,
    Code,
}

/// A page of the annotations of `targets`.
///
/// Phoenix lists one kind of target at a time, and an address holds so many ids; so a listing
/// goes through steps, and its cursor is the step's number with Phoenix's cursor in it.
pub(super) fn page(
    phoenix: &Phoenix,
    project: &str,
    targets: &[Target],
    names: Option<&[String]>,
    page: &PageRequest,
) -> Result<AnnotationPage> {
    let steps = steps(project, targets);
    let (mut step, mut after) = match &page.cursor {
        Some(cursor) => place(cursor, steps.len())?,
        None => (0, None),
    };
    let traces = trace_ids(targets);
    let mut annotations = Vec::new();
    let mut wanted = page.limit;
    while let Some((kind, ids)) = steps.get(step) {
        let found = list(
            phoenix,
            project,
            *kind,
            ids,
            names,
            wanted,
            after.as_deref(),
        )?;
        wanted = wanted.saturating_sub(u32::try_from(found.data.len()).unwrap_or(u32::MAX));
        let records = found.data.into_iter();
        annotations.extend(records.map(|record| record.annotation(*kind, project, &traces)));
        after = found.next_cursor;
        if after.is_none() {
            step += 1;
        }
        if wanted == 0 {
            break;
        }
    }
    let more = after.is_some() || step < steps.len();
    Ok(AnnotationPage {
        annotations,
        cursor: more.then(|| cursor::mark(&step.to_string(), after.as_deref().unwrap_or_default())),
    })
}

/// One page of Phoenix's list of the annotations of some targets, given by their stored ids.
/// Targets that do not exist add nothing.
pub(super) fn list(
    phoenix: &Phoenix,
    project: &str,
    kind: Kind,
    ids: &[String],
    names: Option<&[String]>,
    limit: u32,
    after: Option<&str>,
) -> Result<Page<Record>> {
    let none = Page {
        data: Vec::new(),
        next_cursor: None,
    };
    if names.is_some_and(<[String]>::is_empty) {
        return Ok(none);
    }
    let answer = phoenix
        .get_in_project(project, &format!("{}_annotations", kind.name()))?
        .query_all(&format!("{}_ids", kind.name()), ids)
        .query_all("include_annotation_names", names.unwrap_or_default())
        .query("limit", limit)
        .query_some("cursor", after)
        .send()?;
    if answer.status() == 404 {
        return exists(phoenix, project, &answer).map(|()| none);
    }
    answer.json()
}

/// Phoenix says 404 of a project that does not exist and of targets none of which does.
fn exists(phoenix: &Phoenix, project: &str, answer: &Response) -> Result<()> {
    debug_assert_eq!(answer.status(), 404);
    projects::find(phoenix, project).map(|_| ())
}

/// The lists to go through, each with the stored ids to ask for.
fn steps(project: &str, targets: &[Target]) -> Vec<(Kind, Vec<String>)> {
    let mut steps: Vec<(Kind, Vec<String>)> = Vec::new();
    for kind in Kind::ALL {
        let ids: BTreeSet<String> = targets
            .iter()
            .map(parts)
            .filter(|(of, _)| *of == kind)
            .flat_map(|(kind, id)| stored(project, kind, id))
            .collect();
        let mut room = 0;
        for id in ids {
            match steps.last_mut() {
                Some((of, chunk))
                    if *of == kind && id.len() <= room && chunk.len() < MOST as usize =>
                {
                    room -= id.len();
                    chunk.push(id);
                }
                _ => {
                    room = IDS_AN_ADDRESS.saturating_sub(id.len());
                    steps.push((kind, vec![id]));
                }
            }
        }
    }
    steps
}

/// The ids under which Phoenix may have a target.
pub(super) fn stored(project: &str, kind: Kind, id: &str) -> Vec<String> {
    match kind {
        Kind::Span | Kind::Trace => vec![id.to_owned()],
        Kind::Session => session_id::candidates(project, id).collect(),
    }
}

/// The step and Phoenix's cursor in a cursor of ours.
fn place(cursor: &str, steps: usize) -> Result<(usize, Option<String>)> {
    let refuse = || cursor::refusal(cursor);
    let (step, after) = cursor.split_once(':').ok_or_else(refuse)?;
    let step: usize = step.parse().map_err(|_| refuse())?;
    if step >= steps {
        return Err(refuse());
    }
    Ok((
        step,
        Some(after.to_owned()).filter(|after| !after.is_empty()),
    ))
}

/// The trace ids that the caller knows: Phoenix names spans by theirs alone.
fn trace_ids(targets: &[Target]) -> BTreeMap<&str, &str> {
    let spans = targets.iter().filter_map(|target| match target {
        Target::Span(span) => Some((span.span_id.as_str(), span.trace_id.as_str())),
        _ => None,
    });
    spans.collect()
}

impl Record {
    fn annotation(self, kind: Kind, project: &str, traces: &BTreeMap<&str, &str>) -> Annotation {
        let result = self.result.unwrap_or_default();
        let id = self.target;
        let target = match kind {
            Kind::Span => Target::Span(SpanRef {
                trace_id: traces
                    .get(id.as_str())
                    .copied()
                    .unwrap_or_default()
                    .to_owned(),
                span_id: id,
                near: None,
            }),
            Kind::Trace => Target::Trace(id),
            Kind::Session => Target::Session(session_id::given(project, &id).to_owned()),
        };
        let (kind, of) = parts(&target);
        let id = AnnotationId {
            kind,
            target: of,
            phoenix: &self.id,
        };
        Annotation {
            id: id.to_string(),
            name: self.name,
            annotator: match self.annotator_kind {
                Annotator::Human => AnnotatorKind::Human,
                Annotator::Llm => AnnotatorKind::Llm,
                Annotator::Code => AnnotatorKind::Code,
            },
            label: result.label,
            score: result.score,
            explanation: result.explanation,
            // Phoenix keeps an empty object where there was none.
            metadata: self
                .metadata
                .map(|json| json.get().to_owned())
                .filter(|json| json != "{}" && json != "null"),
            identifier: self.identifier,
            created_at: self.created_at,
            updated_at: self.updated_at,
            target,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn span(id: &str) -> Target {
        Target::Span(SpanRef {
            trace_id: "t".repeat(32),
            span_id: id.to_owned(),
            near: None,
        })
    }

    #[test]
    fn no_step_asks_for_more_than_an_address_holds() {
        let long = "s".repeat(IDS_AN_ADDRESS / 2);
        let mut targets: Vec<Target> = (0..1_500).map(|n| span(&format!("{n:016x}"))).collect();
        targets.extend(["a", "b"].map(|id| Target::Session(format!("{long}{id}"))));
        targets.push(Target::Trace("t".to_owned()));

        let steps = steps("p", &targets);
        let kinds: Vec<Kind> = steps.iter().map(|(kind, _)| *kind).collect();
        assert!(kinds.is_sorted(), "one kind after the other");
        assert_eq!(
            steps.iter().map(|(_, ids)| ids.len()).sum::<usize>(),
            1_500 + 1 + 4
        );
        for (_, ids) in &steps {
            let bytes: usize = ids.iter().map(String::len).sum();
            assert!(ids.len() <= 1_000 && (bytes <= IDS_AN_ADDRESS || ids.len() == 1));
        }
    }

    #[test]
    fn a_cursor_names_a_step_that_is_there() {
        assert_eq!(
            place("1:U3Bhbg==", 2).unwrap(),
            (1, Some("U3Bhbg==".to_owned()))
        );
        assert_eq!(place("0:", 2).unwrap(), (0, None));
        for cursor in ["", "2:", "-1:", "x", "U3Bhbg=="] {
            assert!(place(cursor, 2).is_err(), "{cursor}");
        }
    }

    #[test]
    fn an_annotation_of_a_real_server_comes_out_whole() {
        let json = r#"{"id":"U3BhbkFubm90YXRpb246MQ==","created_at":"2026-11-20T12:55:39+00:00",
            "updated_at":"2026-11-20T12:55:39+00:00","source":"API","user_id":null,"name":"q",
            "annotator_kind":"HUMAN","result":{"label":"ok","score":1.0,"explanation":null},
            "metadata":{},"identifier":"x","span_id":"ab8891abd6ddfd4c"}"#;
        let record: Record = serde_json::from_str(json).unwrap();
        let traces = BTreeMap::from([("ab8891abd6ddfd4c", "0bc0")]);
        let annotation = record.annotation(Kind::Span, "p", &traces);
        assert_eq!(
            annotation.id,
            "span:ab8891abd6ddfd4c:U3BhbkFubm90YXRpb246MQ=="
        );
        assert!(matches!(&annotation.target, Target::Span(span) if span.trace_id == "0bc0"));
        assert_eq!(annotation.score, Some(1.0));
        assert_eq!(annotation.metadata, None);
        assert_eq!(annotation.created_at, Some(1_795_179_339_000_000_000));
    }
}
