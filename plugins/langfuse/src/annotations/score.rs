//! A score, to and from the contract's annotation.
//!
//! Langfuse has one value where the contract has a label and a score. The value is the score, or
//! the label where there is no score, or the beginning of the explanation where there is neither;
//! what has no place besides is JSON in the metadata.

use roost_provider::types::{AnnotatorKind, SpanRef};
use roost_provider::{error, time};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::bindings::annotation_store::{Annotation, NewAnnotation, Target};
use crate::{Result, session_id};

/// The key in the metadata under which Roost keeps what has no place elsewhere.
const OURS: &str = "roost";

/// The longest value that is a text, in characters.
const LONGEST_TEXT: usize = 500;

/// A score as Langfuse has it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Score {
    pub(super) id: String,
    pub(super) name: String,
    data_type: String,
    value: Value,
    source: String,
    #[serde(default, deserialize_with = "time::deserialize_option")]
    created_at: Option<u64>,
    #[serde(default, deserialize_with = "time::deserialize_option")]
    updated_at: Option<u64>,
    comment: Option<String>,
    metadata: Option<Value>,
    pub(super) subject: Option<Subject>,
}

/// What a score is about.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", tag = "kind")]
pub(super) enum Subject {
    Trace {
        id: String,
    },
    #[serde(rename_all = "camelCase")]
    Observation {
        id: String,
        trace_id: Option<String>,
    },
    Session {
        id: String,
    },
    #[serde(other)]
    Other,
}

/// What Roost keeps in the metadata.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Ours {
    pub(super) project: String,
    annotator: String,
    #[serde(default)]
    identifier: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    label: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    metadata: Option<Value>,
}

/// Where an annotation is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    Trace(String),
    Span {
        trace: String,
        span: String,
    },
    /// As Langfuse has it.
    Session(String),
}

impl Place {
    fn parts(&self) -> [&str; 3] {
        match self {
            Self::Trace(trace) => ["trace", trace, ""],
            Self::Span { trace, span } => ["span", trace, span],
            Self::Session(session) => ["session", session, ""],
        }
    }

    /// The id of the score there of this name and identifier: always the same, so that writing
    /// it again replaces it.
    pub(super) fn id(&self, project: &str, name: &str, identifier: &str) -> String {
        let what = json!([project, self.parts(), name, identifier]).to_string();
        let digest = Sha256::digest(what.as_bytes());
        let digits = digest.iter().take(16).map(|byte| format!("{byte:02x}"));
        format!("roost-{}", digits.collect::<String>())
    }
}

/// The annotation as Langfuse takes it.
pub(super) fn body(project: &str, place: &Place, id: &str, new: &NewAnnotation) -> Result<Value> {
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
    let (data_type, value) = match (new.score, &new.label, &new.explanation) {
        (Some(score), _, _) => ("NUMERIC", json!(score)),
        (None, Some(label), _) => ("CATEGORICAL", json!(label)),
        (None, None, why) => {
            let why = why.iter().flat_map(|it| it.chars()).take(LONGEST_TEXT);
            ("TEXT", json!(why.collect::<String>()))
        }
    };
    let ours = Ours {
        project: project.to_owned(),
        annotator: said(new.annotator).to_owned(),
        identifier: new.identifier.clone(),
        label: new.label.clone().filter(|_| new.score.is_some()),
        metadata,
    };
    let mut body = json!({
        "id": id,
        "name": new.name,
        "dataType": data_type,
        "value": value,
        "comment": new.explanation,
        // As text, since metadata of scores are texts by key.
        "metadata": { OURS: json!(ours).to_string() },
    });
    let place = match place {
        Place::Trace(trace) => json!({ "traceId": trace }),
        Place::Span { trace, span } => json!({ "traceId": trace, "observationId": span }),
        Place::Session(session) => json!({ "sessionId": session }),
    };
    if let (Some(body), Value::Object(place)) = (body.as_object_mut(), place) {
        body.extend(place);
    }
    Ok(body)
}

fn said(annotator: AnnotatorKind) -> &'static str {
    match annotator {
        AnnotatorKind::Human => "HUMAN",
        AnnotatorKind::Llm => "LLM",
        AnnotatorKind::Code => "CODE",
    }
}

impl Score {
    /// What Roost keeps of it; none for those of others.
    pub(super) fn ours(&self) -> Option<Ours> {
        match self.metadata.as_ref()?.get(OURS)? {
            Value::String(json) => serde_json::from_str(json).ok(),
            value => Ours::deserialize(value).ok(),
        }
    }

    /// What it is about; none for what no annotation of the project can be about.
    pub(super) fn target(&self, project: &str) -> Option<Target> {
        Some(match self.subject.clone()? {
            Subject::Trace { id } => Target::Trace(id),
            Subject::Observation { id, trace_id } => Target::Span(SpanRef {
                trace_id: trace_id?,
                span_id: id,
                near: None,
            }),
            Subject::Session { id } => Target::Session(session_id::given(project, &id)?),
            Subject::Other => return None,
        })
    }

    /// The annotation that it is.
    pub(super) fn into_annotation(self, target: Target) -> Annotation {
        let ours = self.ours();
        let (score, label, text) = self.judgement(ours.as_ref());
        let annotator = ours
            .as_ref()
            .map_or(self.source.as_str(), |it| &it.annotator);
        let annotator = match annotator {
            "HUMAN" | "ANNOTATION" => AnnotatorKind::Human,
            "LLM" | "EVAL" => AnnotatorKind::Llm,
            _ => AnnotatorKind::Code,
        };
        // Others' have no identifier, and may be several of one name.
        let (identifier, metadata) = match ours {
            Some(ours) => (ours.identifier, ours.metadata),
            None => (self.id.clone(), self.metadata),
        };
        let is_something = |it: &Value| it.as_object().is_some_and(|it| !it.is_empty());
        Annotation {
            id: self.id,
            target,
            name: self.name,
            annotator,
            label,
            score,
            explanation: self.comment.filter(|it| !it.is_empty()).or(text),
            metadata: metadata.filter(is_something).map(|it| it.to_string()),
            identifier,
            created_at: self.created_at,
            updated_at: self.updated_at,
        }
    }

    /// The score, the label, and a text that is neither.
    fn judgement(&self, ours: Option<&Ours>) -> (Option<f64>, Option<String>, Option<String>) {
        let label = ours.and_then(|ours| ours.label.clone());
        match (self.data_type.as_str(), &self.value) {
            ("TEXT" | "CORRECTION", Value::String(text)) => (None, None, Some(text.clone())),
            (_, Value::Bool(value)) => (
                Some(f64::from(u8::from(*value))),
                Some(value.to_string()),
                None,
            ),
            (_, Value::Number(number)) => (number.as_f64(), label, None),
            (_, Value::String(text)) => (None, Some(text.clone()), None),
            _ => (None, label, None),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use super::*;

    fn new() -> NewAnnotation {
        NewAnnotation {
            target: Target::Trace("t".to_owned()),
            name: "quality".to_owned(),
            annotator: AnnotatorKind::Llm,
            label: None,
            score: None,
            explanation: None,
            metadata: None,
            identifier: "a".to_owned(),
        }
    }

    /// What Langfuse answers of what it was given.
    fn answered(body: &Value) -> Score {
        let mut score = body.clone();
        score["source"] = json!("API");
        score["subject"] = json!({ "kind": "trace", "id": "t" });
        serde_json::from_value(score).unwrap()
    }

    #[test]
    fn every_annotation_comes_back_as_it_was_written() {
        let place = Place::Trace("t".to_owned());
        for (label, score, explanation) in [
            (Some("good"), Some(0.5), Some("why")),
            (Some("good"), None, None),
            (None, Some(1.0), None),
            (None, None, Some("only words")),
            (None, None, Some("ü".repeat(600).as_str())),
        ] {
            let new = NewAnnotation {
                label: label.map(str::to_owned),
                score,
                explanation: explanation.map(str::to_owned),
                metadata: Some(r#"{"a":1}"#.to_owned()),
                ..new()
            };
            let body = body("shop", &place, "id", &new).unwrap();
            let score = answered(&body);
            let target = score.target("shop").unwrap();
            let read = score.into_annotation(target);
            assert_eq!((&read.label, read.score), (&new.label, new.score));
            assert_eq!(
                (&read.explanation, &read.metadata),
                (&new.explanation, &new.metadata)
            );
            assert_eq!(
                (read.annotator, read.identifier),
                (AnnotatorKind::Llm, "a".to_owned())
            );
        }
        let bad = NewAnnotation {
            metadata: Some("[]".to_owned()),
            ..new()
        };
        assert!(body("shop", &place, "id", &bad).is_err());
    }

    #[test]
    fn one_place_name_and_identifier_have_one_id() {
        let of = |place: &Place, project, name, identifier| place.id(project, name, identifier);
        let trace = Place::Trace("t".to_owned());
        let session = Place::Session("t".to_owned());
        let id = of(&trace, "shop", "a", "b");
        assert_eq!(id, of(&trace, "shop", "a", "b"));
        for other in [
            of(&trace, "shop", "ab", ""),
            of(&trace, "other", "a", "b"),
            of(&session, "shop", "a", "b"),
        ] {
            assert_ne!(id, other);
        }
    }

    #[test]
    fn what_others_wrote_is_read_as_far_as_it_goes() {
        let mut score: Value = json!({
            "id": "s", "name": "thumb", "dataType": "BOOLEAN", "value": true, "source": "ANNOTATION",
            "comment": null, "metadata": {}, "subject": { "kind": "experiment", "id": "x" },
        });
        let read: Score = serde_json::from_value(score.clone()).unwrap();
        assert!(read.target("shop").is_none() && read.ours().is_none());
        score["subject"] = json!({ "kind": "session", "id": "other:1" });
        let read: Score = serde_json::from_value(score.clone()).unwrap();
        assert!(read.target("shop").is_none());
        score["subject"] = json!({ "kind": "observation", "id": "o", "traceId": "t" });
        let read: Score = serde_json::from_value(score).unwrap();
        let target = read.target("shop").unwrap();
        let read = read.into_annotation(target);
        assert_eq!(
            (read.score, read.label.as_deref()),
            (Some(1.0), Some("true"))
        );
        assert_eq!((read.identifier.as_str(), read.metadata), ("s", None));
        assert_eq!(read.annotator, AnnotatorKind::Human);
    }
}
