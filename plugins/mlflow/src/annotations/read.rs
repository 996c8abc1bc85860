//! Reading annotations. MLflow has no list of assessments; they come with the traces.

use std::collections::BTreeSet;

use roost_provider::cursor;
use roost_provider::types::PageRequest;

use super::assessment::Assessed;
use crate::bindings::annotation_store::{Annotation, AnnotationPage, Target};
use crate::mlflow::Mlflow;
use crate::search::{self, Order};
use crate::{Result, projects, sessions, traces};

const MARK: &str = "annotation";

/// A page of the annotations of some targets, oldest first.
pub(super) fn page(
    mlflow: &Mlflow,
    project: &str,
    targets: &[Target],
    names: Option<&[String]>,
    page: &PageRequest,
) -> Result<AnnotationPage> {
    let mut annotations = all(mlflow, project, targets)?;
    annotations.retain(|it| names.is_none_or(|names| names.contains(&it.name)));
    let place = |it: &Annotation| (it.created_at.unwrap_or_default(), it.id.clone());
    annotations.sort_by_key(place);
    if let Some(cursor) = &page.cursor {
        let last = cursor::unmark(MARK, cursor)?;
        let (time, id) = last
            .split_once(':')
            .ok_or_else(|| cursor::refusal(cursor))?;
        let time: u64 = time.parse().map_err(|_| cursor::refusal(cursor))?;
        annotations.retain(|it| place(it) > (time, id.to_owned()));
    }
    let is_last = annotations.len() <= page.limit as usize;
    annotations.truncate(page.limit as usize);
    let next = annotations.last().filter(|_| !is_last).map(place);
    Ok(AnnotationPage {
        annotations,
        cursor: next.map(|(time, id)| cursor::mark(MARK, &format!("{time}:{id}"))),
    })
}

/// All annotations of some targets.
pub(super) fn all(mlflow: &Mlflow, project: &str, targets: &[Target]) -> Result<Vec<Annotation>> {
    let experiment = projects::id(mlflow, project)?;
    let mut ids = BTreeSet::new();
    let mut found: Vec<Assessed> = Vec::new();
    for target in targets {
        match target {
            Target::Trace(id) => {
                ids.insert(search::trace_id(id));
            }
            Target::Span(span) if span.trace_id.is_empty() => {
                ids.extend(traces::trace_of(mlflow, &experiment, &span.span_id)?);
            }
            Target::Span(span) => {
                ids.insert(search::trace_id(&span.trace_id));
            }
            Target::Session(id) => {
                let conditions = [sessions::condition(id)?];
                let traces =
                    search::search_all(mlflow, &experiment, &conditions, Order::OldestFirst)?;
                found.extend(traces);
            }
        }
    }
    found.retain(|trace| !ids.contains(&trace.trace_id));
    found.extend(assessed(
        mlflow,
        &experiment,
        ids.iter().map(String::as_str),
    )?);
    let annotations = found.into_iter().flat_map(|trace| {
        let Assessed {
            trace_id,
            assessments,
        } = trace;
        assessments
            .into_iter()
            .filter(|it| it.is_valid())
            .map(move |it| it.into_annotation(&trace_id))
    });
    let wanted = |annotation: &Annotation| targets.iter().any(|it| is_of(&annotation.target, it));
    let mut annotations: Vec<Annotation> = annotations.filter(wanted).collect();
    annotations.sort_by(|left, right| left.id.cmp(&right.id));
    annotations.dedup_by(|left, right| left.id == right.id);
    Ok(annotations)
}

/// Those of these traces that are in the experiment, with their assessments.
pub(super) fn assessed<'i>(
    mlflow: &Mlflow,
    experiment: &str,
    ids: impl IntoIterator<Item = &'i str>,
) -> Result<Vec<Assessed>> {
    let ids: Option<Vec<String>> = ids.into_iter().map(search::quoted).collect();
    match ids {
        Some(ids) if !ids.is_empty() => {
            let condition = format!("request_id IN ({})", ids.join(","));
            search::search_all(mlflow, experiment, &[condition], Order::OldestFirst)
        }
        _ => Ok(Vec::new()),
    }
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
