//! Evaluations of runs: each in a tag, and its score as a metric as well, which MLflow's pages
//! show and compare.

use roost_provider::time;
use roost_provider::types::AnnotatorKind;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::long_tag;
use super::mlflow_run::{self, MlflowRun};
use crate::bindings::experiment_store::NewEvaluation;
use crate::mlflow::Mlflow;
use crate::search::MILLISECOND;
use crate::{Result, datasets};

/// The beginning of the tags.
const PREFIX: &str = "roost.evaluation.";

/// An evaluation as it is kept.
#[derive(Deserialize, Serialize)]
pub(super) struct Evaluation {
    pub(super) name: String,
    annotator: Annotator,
    label: Option<String>,
    pub(super) score: Option<f64>,
    explanation: Option<String>,
    error: Option<String>,
    metadata: Option<Value>,
}

#[derive(Clone, Copy, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum Annotator {
    Human,
    Llm,
    Code,
}

impl From<Evaluation> for NewEvaluation {
    fn from(kept: Evaluation) -> Self {
        Self {
            name: kept.name,
            annotator: match kept.annotator {
                Annotator::Human => AnnotatorKind::Human,
                Annotator::Llm => AnnotatorKind::Llm,
                Annotator::Code => AnnotatorKind::Code,
            },
            label: kept.label,
            score: kept.score,
            explanation: kept.explanation,
            error: kept.error,
            metadata: kept.metadata.map(|it| it.to_string()),
        }
    }
}

/// Write an evaluation of a run, over the one of its name.
pub(super) fn write(mlflow: &Mlflow, run: &str, new: &NewEvaluation) -> Result<()> {
    let metadata = new.metadata.as_deref();
    let metadata = metadata.map(|json| datasets::object("the metadata", json));
    let kept = Evaluation {
        name: new.name.clone(),
        annotator: match new.annotator {
            AnnotatorKind::Human => Annotator::Human,
            AnnotatorKind::Llm => Annotator::Llm,
            AnnotatorKind::Code => Annotator::Code,
        },
        label: new.label.clone(),
        score: new.score,
        explanation: new.explanation.clone(),
        error: new.error.clone(),
        metadata: metadata.transpose()?.map(Value::Object),
    };
    let tags = long_tag::split(&key(&new.name), &json!(kept).to_string())?;
    let metric = new.score.filter(|_| is_name(&new.name)).map(|score| {
        json!({
            "key": new.name,
            "value": score,
            "timestamp": time::now() / MILLISECOND,
            "step": 0,
        })
    });
    mlflow_run::log(mlflow, run, &tags, metric.as_slice())
}

/// The evaluations of a run, by name.
pub(super) fn of(run: &MlflowRun) -> Vec<Evaluation> {
    let tags = &run.data.tags;
    let mut evaluations: Vec<Evaluation> = tags
        .keys()
        .filter(|key| key.starts_with(PREFIX))
        .filter_map(|key| serde_json::from_str(&long_tag::join(tags, key)?).ok())
        .collect();
    evaluations.sort_by(|left, right| left.name.cmp(&right.name));
    evaluations
}

/// The tag of an evaluation. A tag's name cannot hold every name.
fn key(name: &str) -> String {
    let digest = Sha256::digest(name.as_bytes());
    let digits: String = digest
        .iter()
        .take(16)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("{PREFIX}{digits}")
}

/// Whether MLflow takes it as the name of a metric.
fn is_name(name: &str) -> bool {
    let fits =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ' ' | ':' | '/');
    // Nothing that leads elsewhere as a path.
    let is_path = name.starts_with(['/', '.']) || name.contains("//") || name.contains("..");
    !name.is_empty()
        && name.len() <= 250
        && name.chars().all(fits)
        && !is_path
        && !name.ends_with('/')
}
