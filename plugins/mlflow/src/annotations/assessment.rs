//! An assessment, to and from the contract's annotation.
//!
//! MLflow has one value where the contract has a label and a score. The value is the score, or
//! the label where there is no score; what has no place besides is kept as JSON in the metadata.

use std::collections::BTreeMap;

use roost_provider::types::{AnnotatorKind, SpanRef};
use roost_provider::{error, time};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::Result;
use crate::bindings::annotation_store::{Annotation, NewAnnotation, Target};
use crate::search::{self, SESSION};

/// The key in the metadata under which Roost keeps what has no place elsewhere.
const OURS: &str = "roost";

/// Who wrote an assessment, as MLflow shows it. The contract knows no names.
const AUTHOR: &str = "roost";

/// A trace with its assessments.
#[derive(Deserialize)]
pub(super) struct Assessed {
    pub(super) trace_id: String,
    #[serde(default)]
    pub(super) assessments: Vec<Assessment>,
}

/// An assessment as MLflow has it.
#[derive(Deserialize)]
pub(super) struct Assessment {
    pub(super) assessment_id: String,
    assessment_name: String,
    span_id: Option<String>,
    source: Option<Source>,
    #[serde(default, deserialize_with = "time::deserialize_option")]
    create_time: Option<u64>,
    #[serde(default, deserialize_with = "time::deserialize_option")]
    last_update_time: Option<u64>,
    feedback: Option<Feedback>,
    expectation: Option<Expectation>,
    rationale: Option<String>,
    #[serde(default)]
    metadata: BTreeMap<String, String>,
    /// Whether another has not taken its place.
    valid: Option<bool>,
}

#[derive(Deserialize)]
struct Source {
    source_type: String,
}

#[derive(Deserialize)]
struct Feedback {
    value: Option<Value>,
    error: Option<Failure>,
}

#[derive(Deserialize)]
struct Failure {
    error_message: Option<String>,
}

#[derive(Deserialize)]
struct Expectation {
    value: Option<Value>,
    serialized_value: Option<Serialized>,
}

#[derive(Deserialize)]
struct Serialized {
    value: String,
}

/// What Roost keeps in the metadata.
#[derive(Default, Deserialize, Serialize)]
#[serde(default)]
struct Ours {
    identifier: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<Value>,
}

/// Where an annotation is kept: a trace, and a span of it or the session that is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// As MLflow writes it.
    pub(super) trace_id: String,
    pub(super) span_id: Option<String>,
    pub(super) session: Option<String>,
}

impl Place {
    /// The id of the assessment there of this name and identifier: always the same, so that
    /// writing it again makes no second one.
    pub(super) fn id(&self, name: &str, identifier: &str) -> String {
        let Self {
            trace_id,
            span_id,
            session,
        } = self;
        let what = json!([trace_id, span_id, session, name, identifier]).to_string();
        let digest = Sha256::digest(what.as_bytes());
        let digits = digest.iter().take(16).map(|byte| format!("{byte:02x}"));
        format!("a-{}", digits.collect::<String>())
    }
}

/// The annotation as MLflow takes it.
pub(super) fn body(place: &Place, id: &str, new: &NewAnnotation) -> Result<Value> {
    let metadata = new
        .metadata
        .as_deref()
        .map(|json| {
            serde_json::from_str(json)
                .ok()
                .filter(Value::is_object)
                .ok_or_else(|| {
                    let name = &new.name;
                    error::invalid_argument(format!("the metadata of `{name}` is no JSON object"))
                })
        })
        .transpose()?;
    let value = match (new.score, &new.label) {
        (Some(score), _) => json!(score),
        (None, label) => json!(label),
    };
    let ours = Ours {
        identifier: new.identifier.clone(),
        label: new.label.clone().filter(|_| new.score.is_some()),
        metadata,
    };
    let mut kept = json!({ OURS: json!(ours).to_string() });
    if let (Some(session), Some(kept)) = (&place.session, kept.as_object_mut()) {
        kept.insert(SESSION.to_owned(), json!(session));
    }
    Ok(json!({
        "assessment_id": id,
        "assessment_name": new.name,
        "trace_id": place.trace_id,
        "span_id": place.span_id,
        "source": { "source_type": source_type(new.annotator), "source_id": AUTHOR },
        "feedback": { "value": value },
        // Left out, the one that was there would stay.
        "rationale": new.explanation.as_deref().unwrap_or_default(),
        "metadata": kept,
    }))
}

fn source_type(annotator: AnnotatorKind) -> &'static str {
    match annotator {
        AnnotatorKind::Human => "HUMAN",
        AnnotatorKind::Llm => "LLM_JUDGE",
        AnnotatorKind::Code => "CODE",
    }
}

impl Assessment {
    pub(super) fn is_valid(&self) -> bool {
        self.valid != Some(false)
    }

    /// Whether this kind of annotator wrote it, which MLflow does not let change.
    pub(super) fn is_by(&self, annotator: AnnotatorKind) -> bool {
        let source = self.source.as_ref();
        source.is_some_and(|source| source.source_type == source_type(annotator))
    }

    /// The annotation that it is, on the trace `trace_id`.
    pub(super) fn into_annotation(self, trace_id: &str) -> Annotation {
        let trace = search::id_of(trace_id);
        let ours: Option<Ours> = self
            .metadata
            .get(OURS)
            .and_then(|json| serde_json::from_str(json).ok());
        let target = match (self.metadata.get(SESSION), &self.span_id) {
            (Some(session), _) => Target::Session(session.clone()),
            (None, Some(span)) if !span.is_empty() => Target::Span(SpanRef {
                trace_id: trace.to_owned(),
                span_id: span.clone(),
                near: None,
            }),
            _ => Target::Trace(trace.to_owned()),
        };
        let (score, label) = self.judgement(ours.as_ref());
        let failure = self
            .feedback
            .and_then(|feedback| feedback.error?.error_message);
        // Others' have no identifier, and may be several of one name.
        let (identifier, metadata) = match ours {
            Some(ours) => (ours.identifier, ours.metadata.map(|it| it.to_string())),
            None => (self.assessment_id.clone(), others(&self.metadata)),
        };
        Annotation {
            id: format!("{trace}:{}", self.assessment_id),
            target,
            name: self.assessment_name,
            annotator: match self.source.as_ref().map(|it| it.source_type.as_str()) {
                Some("HUMAN") => AnnotatorKind::Human,
                Some("LLM_JUDGE" | "AI_JUDGE") => AnnotatorKind::Llm,
                _ => AnnotatorKind::Code,
            },
            label,
            score,
            explanation: self.rationale.filter(|it| !it.is_empty()).or(failure),
            metadata,
            identifier,
            created_at: self.create_time,
            updated_at: self.last_update_time,
        }
    }

    fn judgement(&self, ours: Option<&Ours>) -> (Option<f64>, Option<String>) {
        let value = match (&self.feedback, &self.expectation) {
            (Some(feedback), _) => feedback.value.clone(),
            (
                None,
                Some(Expectation {
                    value: None,
                    serialized_value: Some(text),
                }),
            ) => serde_json::from_str(&text.value).ok(),
            (None, Some(expectation)) => expectation.value.clone(),
            (None, None) => None,
        };
        let label = ours.and_then(|ours| ours.label.clone());
        match value {
            None | Some(Value::Null) => (None, label),
            Some(Value::Number(number)) => (number.as_f64(), label),
            // A thumb, up or down.
            Some(Value::Bool(value)) => (Some(f64::from(u8::from(value))), Some(value.to_string())),
            Some(Value::String(text)) => (None, Some(text)),
            Some(nested) => (None, Some(nested.to_string())),
        }
    }
}

/// Metadata of others; none where there is none.
fn others(metadata: &BTreeMap<String, String>) -> Option<String> {
    let others: BTreeMap<_, _> = metadata.iter().filter(|(key, _)| *key != SESSION).collect();
    (!others.is_empty()).then(|| json!(others).to_string())
}
