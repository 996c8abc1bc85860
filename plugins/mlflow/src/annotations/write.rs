//! Writing annotations: one request for each.

use std::collections::{BTreeMap, BTreeSet};

use roost_provider::types::{PartialFailure, RejectedItem};
use roost_provider::{Error, error};
use serde_json::json;

use super::assessment::{Assessed, Assessment, Place, body};
use super::read;
use crate::bindings::annotation_store::{NewAnnotation, Target};
use crate::bindings::trace_store::Projection;
use crate::listing::malformed;
use crate::mlflow::{Mlflow, answer};
use crate::search::{self, Info};
use crate::{Result, projects, sessions, traces};

/// What is known of the traces that annotations are about.
struct Known {
    traces: BTreeMap<String, Vec<Assessment>>,
    spans: BTreeSet<(String, String)>,
}

/// Write annotations; returned are their ids.
pub(super) fn add(
    mlflow: &Mlflow,
    project: &str,
    annotations: &[NewAnnotation],
) -> Result<Vec<String>> {
    let experiment = projects::id(mlflow, project)?;
    let mut places = Vec::with_capacity(annotations.len());
    for annotation in annotations {
        places.push(place(mlflow, project, &experiment, &annotation.target)?);
    }
    let known = Known::of(mlflow, &experiment, &places)?;

    let mut ids = Vec::new();
    let mut rejected = Vec::new();
    let mut first = None;
    for (index, (annotation, place)) in (0..).zip(annotations.iter().zip(&places)) {
        let written = known
            .check(project, place)
            .and_then(|place| write(mlflow, &known, place, annotation));
        match written {
            Ok(id) => ids.push(id),
            Err(error) => {
                rejected.push(RejectedItem {
                    index,
                    reason: error::message(&error),
                });
                first.get_or_insert(error);
            }
        }
    }
    match first {
        None => Ok(ids),
        Some(error) if ids.is_empty() => Err(error),
        Some(_) => Err(Error::Partial(PartialFailure {
            accepted: u32::try_from(ids.len()).unwrap_or(u32::MAX),
            rejected,
        })),
    }
}

/// Where an annotation of this target is kept; none where the target is not there.
fn place(
    mlflow: &Mlflow,
    project: &str,
    experiment: &str,
    target: &Target,
) -> Result<Result<Place>> {
    Ok(match target {
        Target::Trace(id) => Ok(Place {
            trace_id: search::trace_id(id),
            span_id: None,
            session: None,
        }),
        Target::Span(span) => {
            let trace = if span.trace_id.is_empty() {
                traces::trace_of(mlflow, experiment, &span.span_id)?
            } else {
                Some(search::trace_id(&span.trace_id))
            };
            trace
                .map(|trace_id| Place {
                    trace_id,
                    span_id: Some(span.span_id.clone()),
                    session: None,
                })
                .ok_or_else(|| traces::no_span(project, &span.span_id))
        }
        Target::Session(id) => sessions::traces(mlflow, experiment, id)?
            .into_iter()
            .next()
            .map(|first: Info| Place {
                trace_id: first.trace_id,
                span_id: None,
                session: Some(id.clone()),
            })
            .ok_or_else(|| sessions::unknown(project, id)),
    })
}

impl Known {
    fn of(mlflow: &Mlflow, experiment: &str, places: &[Result<Place>]) -> Result<Self> {
        let places = || places.iter().filter_map(|place| place.as_ref().ok());
        let ids: BTreeSet<&str> = places().map(|place| place.trace_id.as_str()).collect();
        let traces: BTreeMap<_, _> = read::assessed(mlflow, experiment, ids)?
            .into_iter()
            .map(
                |Assessed {
                     trace_id,
                     assessments,
                 }| (trace_id, assessments),
            )
            .collect();
        let with_spans: BTreeSet<String> = places()
            .filter(|place| place.span_id.is_some() && traces.contains_key(&place.trace_id))
            .map(|place| place.trace_id.clone())
            .collect();
        let with_spans: Vec<String> = with_spans.into_iter().collect();
        let nothing = Projection {
            attributes: Some(Vec::new()),
            events: false,
            links: false,
            resource: false,
        };
        let mut spans = BTreeSet::new();
        search::fetch(mlflow, &with_spans, |trace| {
            let trace_id = trace.info.trace_id.clone();
            for span in trace.spans(Some(&nothing)) {
                spans.insert((trace_id.clone(), span.map_err(malformed)?.span_id));
            }
            Ok(())
        })?;
        Ok(Self { traces, spans })
    }

    /// The place, if it is there: MLflow takes any id of a span.
    fn check<'p>(&self, project: &str, place: &'p Result<Place>) -> Result<&'p Place> {
        let place = place.as_ref().map_err(Clone::clone)?;
        if !self.traces.contains_key(&place.trace_id) {
            return Err(search::no_trace(project, search::id_of(&place.trace_id)));
        }
        match &place.span_id {
            Some(span) if !self.spans.contains(&(place.trace_id.clone(), span.clone())) => {
                Err(traces::no_span(project, span))
            }
            _ => Ok(place),
        }
    }

    fn assessment(&self, place: &Place, id: &str) -> Option<&Assessment> {
        let assessments = self.traces.get(&place.trace_id)?;
        assessments.iter().find(|it| it.assessment_id == id)
    }
}

/// Write one, over the one that is there.
fn write(mlflow: &Mlflow, known: &Known, place: &Place, new: &NewAnnotation) -> Result<String> {
    let id = place.id(&new.name, &new.identifier);
    let body = body(place, &id, new)?;
    let path = [
        "api",
        "3.0",
        "mlflow",
        "traces",
        &place.trace_id,
        "assessments",
    ];
    let create = || {
        let request = mlflow
            .http
            .post(&path)
            .json(&json!({ "assessment": body }))?;
        answer(request.repeatable()).map(|_| ())
    };
    let [api, version, product, noun, trace, assessments] = path;
    let path_of = [api, version, product, noun, trace, assessments, id.as_str()];
    match known.assessment(place, &id) {
        Some(old) if old.is_by(new.annotator) => {
            answer(mlflow.http.patch(&path_of).json(&json!({
                "assessment": body,
                "update_mask": "feedback,rationale,metadata",
            }))?)?;
        }
        Some(_) => {
            answer(mlflow.http.delete(&path_of))?;
            create()?;
        }
        // A status of 500 is also what says that somebody else was faster, or that this was
        // written before and the answer lost.
        None => create().or_else(|error| match error {
            Error::Backend(_) => {
                answer(mlflow.http.delete(&path_of))?;
                create()
            }
            error => Err(error),
        })?,
    }
    Ok(format!("{}:{id}", search::id_of(&place.trace_id)))
}
