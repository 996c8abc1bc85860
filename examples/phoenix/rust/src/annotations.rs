//! `annotation-store` for spans. Phoenix has annotations of traces and sessions as well: three endpoints
//! alike, of which this example shows one.
//!
//! Phoenix writes and deletes by id, whatever project the id belongs to. A call of the contract stays
//! in the project it names, so each looks there first.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::Provider;
use crate::exports::roost::telemetry::annotation_store::{
    Annotation, AnnotationPage, Guest, NewAnnotation, Selection, Target,
};
use crate::roost::telemetry::types::{AnnotatorKind, BackendFailure, Error, PageRequest, SpanRef};
use crate::service::{Page, Question, post};
use crate::span::Wire as WireSpan;
use crate::times;

const DELETE: &str = "mutation ($ids: [ID!]!) {
    deleteSpanAnnotations(input: { annotationIds: $ids }) { __typename }
}";

/// An annotation in Phoenix's JSON.
#[derive(Deserialize)]
struct Wire {
    id: String,
    span_id: String,
    name: String,
    annotator_kind: String,
    result: Option<Outcome>,
    metadata: Option<Map<String, Value>>,
    identifier: String,
    #[serde(deserialize_with = "times::from_iso")]
    created_at: u64,
    #[serde(deserialize_with = "times::from_iso")]
    updated_at: u64,
}

#[derive(Deserialize, Default)]
struct Outcome {
    label: Option<String>,
    score: Option<f64>,
    explanation: Option<String>,
}

impl Guest for Provider {
    fn add_annotations(
        project: String,
        annotations: Vec<NewAnnotation>,
    ) -> Result<Vec<String>, Error> {
        #[derive(Deserialize)]
        struct Id {
            id: String,
        }
        #[derive(Deserialize)]
        struct Written {
            data: Vec<Id>,
        }
        let spans = annotations.iter().map(|it| span_of(&it.target));
        let spans = spans.collect::<Result<Vec<_>, _>>()?;
        expect_spans(
            &project,
            spans.iter().map(|it| it.span_id.as_str()).collect(),
        )?;
        let data = annotations.iter().zip(&spans);
        let data = data.map(|(annotation, span)| to_json(annotation, span));
        let body = json!({ "data": data.collect::<Result<Vec<_>, _>>()? });
        // Only a synchronous write says what it did.
        let written: Written = post("/v1/span_annotations?sync=true", &body)?;
        // An id tells the span, without which it could not be found again.
        let id = |(span, it): (&&SpanRef, Id)| format!("{}:{}", span.span_id, it.id);
        Ok(spans.iter().zip(written.data).map(id).collect())
    }

    fn get_annotations(
        project: String,
        targets: Vec<Target>,
        names: Option<Vec<String>>,
        page: PageRequest,
    ) -> Result<AnnotationPage, Error> {
        // The trace of a span, where the caller knows it: Phoenix does not say.
        let mut traces = BTreeMap::new();
        for target in &targets {
            let span = span_of(target)?;
            traces.insert(span.span_id.as_str(), span.trace_id.as_str());
        }
        let spans = traces.keys().copied();
        let cursor = page.cursor.as_deref();
        let found = listed(&project, spans, names.as_deref(), page.limit, cursor)?;
        let annotations = found.data.into_iter().map(|wire| wire.annotation(&traces));
        Ok(AnnotationPage {
            annotations: annotations.collect(),
            cursor: found.next_cursor,
        })
    }

    fn delete_annotations(project: String, selection: Selection) -> Result<(), Error> {
        let doomed: Vec<String> = match &selection {
            Selection::Ids(ids) => {
                let pairs: Vec<_> = ids.iter().filter_map(|id| id.split_once(':')).collect();
                let spans: BTreeSet<&str> = pairs.iter().map(|(span, _)| *span).collect();
                let wanted: BTreeSet<&str> = pairs.iter().map(|(_, id)| *id).collect();
                let found = everything(&project, &spans, None)?.into_iter();
                let ids = found.map(|it| it.id);
                ids.filter(|id| wanted.contains(id.as_str())).collect()
            }
            Selection::Key(key) => {
                let spans = BTreeSet::from([span_of(&key.target)?.span_id.as_str()]);
                let names = [key.name.clone()];
                let found = everything(&project, &spans, Some(&names))?.into_iter();
                let is_doomed = |it: &Wire| {
                    let wanted = key.identifier.as_ref();
                    wanted.is_none_or(|identifier| *identifier == it.identifier)
                };
                found.filter(is_doomed).map(|it| it.id).collect()
            }
        };
        if doomed.is_empty() {
            return Ok(());
        }
        let body = json!({ "query": DELETE, "variables": { "ids": doomed } });
        let answer: Value = post("/graphql", &body)?;
        // GraphQL answers a failure with status 200.
        answer.get("errors").map_or(Ok(()), |errors| {
            Err(Error::Backend(BackendFailure {
                status: 200,
                excerpt: errors.to_string().chars().take(500).collect(),
            }))
        })
    }
}

fn span_of(target: &Target) -> Result<&SpanRef, Error> {
    match target {
        Target::Span(span) => Ok(span),
        _ => Err(Error::Unsupported(
            "this example annotates spans, no traces and no sessions".to_owned(),
        )),
    }
}

fn expect_spans(project: &str, ids: BTreeSet<&str>) -> Result<(), Error> {
    let found: Page<WireSpan> = Question::in_project(project, "/spans")?
        .with_all("span_id", &ids)
        .with("limit", ids.len())
        .ask()?;
    let found: BTreeSet<&str> = found
        .data
        .iter()
        .map(|it| it.context.span_id.as_str())
        .collect();
    match ids.difference(&found).next() {
        None => Ok(()),
        Some(id) => Err(Error::NotFound(format!(
            "project `{project}` has no span `{id}`"
        ))),
    }
}

/// A page of the annotations of some spans.
fn listed<'a>(
    project: &str,
    spans: impl IntoIterator<Item = &'a str>,
    names: Option<&[String]>,
    limit: u32,
    cursor: Option<&str>,
) -> Result<Page<Wire>, Error> {
    let none = Page {
        data: Vec::new(),
        next_cursor: None,
    };
    if names.is_some_and(<[String]>::is_empty) {
        return Ok(none);
    }
    let found = Question::in_project(project, "/span_annotations")?
        .with_all("span_ids", spans)
        .with_all("include_annotation_names", names.unwrap_or_default())
        .with("limit", limit)
        .with_all("cursor", cursor)
        .ask();
    match found {
        // It is said of a project that does not exist, and also where none of the spans does.
        Err(Error::NotFound(_)) => {
            Question::in_project(project, "")?.ask::<Value>()?;
            Ok(none)
        }
        found => found,
    }
}

fn everything(
    project: &str,
    spans: &BTreeSet<&str>,
    names: Option<&[String]>,
) -> Result<Vec<Wire>, Error> {
    let mut all = Vec::new();
    let mut cursor = None;
    loop {
        let page = listed(
            project,
            spans.iter().copied(),
            names,
            1_000,
            cursor.as_deref(),
        )?;
        all.extend(page.data);
        cursor = page.next_cursor;
        if cursor.is_none() {
            return Ok(all);
        }
    }
}

fn to_json(annotation: &NewAnnotation, span: &SpanRef) -> Result<Value, Error> {
    let metadata = annotation
        .metadata
        .as_deref()
        .map(serde_json::from_str::<Value>);
    let metadata = metadata.transpose().map_err(|error| {
        Error::InvalidArgument(format!("the metadata of `{}`: {error}", annotation.name))
    })?;
    Ok(json!({
        "span_id": span.span_id,
        "name": annotation.name,
        "annotator_kind": match annotation.annotator {
            AnnotatorKind::Human => "HUMAN",
            AnnotatorKind::Llm => "LLM",
            AnnotatorKind::Code => "CODE",
        },
        "result": {
            "label": annotation.label,
            "score": annotation.score,
            "explanation": annotation.explanation,
        },
        "metadata": metadata,
        "identifier": annotation.identifier,
    }))
}

impl Wire {
    fn annotation(self, traces: &BTreeMap<&str, &str>) -> Annotation {
        let result = self.result.unwrap_or_default();
        // Phoenix keeps an empty object where there was none.
        let metadata = self.metadata.filter(|it| !it.is_empty());
        let trace = traces.get(self.span_id.as_str()).copied();
        Annotation {
            id: format!("{}:{}", self.span_id, self.id),
            name: self.name,
            annotator: match self.annotator_kind.as_str() {
                "HUMAN" => AnnotatorKind::Human,
                "LLM" => AnnotatorKind::Llm,
                _ => AnnotatorKind::Code,
            },
            label: result.label,
            score: result.score,
            explanation: result.explanation,
            metadata: metadata.map(|it| Value::Object(it).to_string()),
            identifier: self.identifier,
            created_at: Some(self.created_at),
            updated_at: Some(self.updated_at),
            target: Target::Span(SpanRef {
                trace_id: trace.unwrap_or_default().to_owned(),
                span_id: self.span_id,
                near: None,
            }),
        }
    }
}
