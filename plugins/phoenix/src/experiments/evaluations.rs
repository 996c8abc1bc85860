//! Evaluations of a run. Phoenix has one of each name, and no other place for numbers, so
//! metrics and evaluations share the names.

use roost_provider::types::AnnotatorKind;
use roost_provider::{Error, error, time};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{details, metrics};
use crate::Result;
use crate::bindings::experiment_store::NewEvaluation;
use crate::metadata::{self, Metadata};
use crate::phoenix::{MOST, Phoenix};

/// An evaluation as GraphQL has it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Record {
    pub(super) name: String,
    annotator_kind: Annotator,
    label: Option<String>,
    score: Option<f64>,
    explanation: Option<String>,
    error: Option<String>,
    pub(super) metadata: Metadata,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum Annotator {
    Human,
    Llm,
    Code,
}

/// A list of GraphQL.
#[derive(Deserialize)]
pub(super) struct Records {
    edges: Vec<Edge>,
}

#[derive(Deserialize)]
struct Edge {
    node: Record,
}

impl Records {
    pub(super) fn into_vec(self) -> Vec<Record> {
        self.edges.into_iter().map(|edge| edge.node).collect()
    }
}

/// The evaluations of a run that exists.
pub(super) fn of(phoenix: &Phoenix, run: &str) -> Result<Vec<Record>> {
    #[derive(Deserialize)]
    struct Data {
        node: Node,
    }
    #[derive(Deserialize)]
    struct Node {
        annotations: Records,
    }

    let data: Data = phoenix.graphql(
        "query ($run: ID!, $first: Int!) {
            node(id: $run) {
                ... on ExperimentRun {
                    annotations(first: $first) {
                        edges {
                            node {
                                name annotatorKind label score explanation error metadata
                            }
                        }
                    }
                }
            }
        }",
        json!({ "run": run, "first": MOST }),
    )?;
    Ok(data.node.annotations.into_vec())
}

/// Write an evaluation. The same name on the same run is replaced.
pub(super) fn write(phoenix: &Phoenix, run: &str, evaluation: &NewEvaluation) -> Result<()> {
    let name = &evaluation.name;
    check_name(name)?;
    let what = format!("evaluation `{name}`");
    let given = metadata::given(&what, evaluation.metadata.as_deref())?;
    let existing = of(phoenix, run)?;
    if existing
        .iter()
        .any(|it| it.name == *name && metrics::is_one(it))
    {
        return Err(Error::Conflict(format!(
            "the run has a metric `{name}`: give the evaluation another name"
        )));
    }
    Upsert {
        experiment_run_id: run,
        name,
        annotator_kind: match evaluation.annotator {
            AnnotatorKind::Human => Annotator::Human,
            AnnotatorKind::Llm => Annotator::Llm,
            AnnotatorKind::Code => Annotator::Code,
        },
        result: Outcome {
            label: evaluation.label.as_deref(),
            score: evaluation.score,
            explanation: evaluation.explanation.as_deref(),
        },
        error: evaluation.error.as_deref(),
        metadata: &given,
    }
    .send(phoenix)
}

/// Write what Roost keeps of a run, under a name and with a number that Phoenix shows.
pub(super) fn keep(
    phoenix: &Phoenix,
    run: &str,
    name: &str,
    score: Option<f64>,
    ours: serde_json::Value,
) -> Result<()> {
    Upsert {
        experiment_run_id: run,
        name,
        annotator_kind: Annotator::Code,
        result: Outcome {
            label: None,
            score,
            explanation: None,
        },
        error: None,
        metadata: &metadata::join(name, None, ours)?,
    }
    .send(phoenix)
}

/// Refuse the name that is Roost's.
pub(super) fn check_name(name: &str) -> Result<()> {
    if name == details::NAME {
        return Err(error::invalid_argument(format!(
            "`{name}` is Roost's own name: choose another one"
        )));
    }
    Ok(())
}

/// An evaluation as Phoenix takes it.
#[derive(Serialize)]
struct Upsert<'a> {
    experiment_run_id: &'a str,
    name: &'a str,
    annotator_kind: Annotator,
    result: Outcome<'a>,
    error: Option<&'a str>,
    metadata: &'a serde_json::Map<String, serde_json::Value>,
}

#[derive(Serialize)]
struct Outcome<'a> {
    label: Option<&'a str>,
    score: Option<f64>,
    explanation: Option<&'a str>,
}

impl Upsert<'_> {
    fn send(&self, phoenix: &Phoenix) -> Result<()> {
        #[derive(Serialize)]
        struct Body<'a> {
            #[serde(flatten)]
            upsert: &'a Upsert<'a>,
            start_time: &'a str,
            end_time: &'a str,
        }

        let now = time::format(time::now());
        let body = Body {
            upsert: self,
            start_time: &now,
            end_time: &now,
        };
        phoenix
            .http
            .post(&["v1", "experiment_evaluations"])
            .json(&body)?
            .repeatable()
            .send()?
            .success()
            .map(|_| ())
    }
}

impl From<Record> for NewEvaluation {
    fn from(record: Record) -> Self {
        Self {
            name: record.name,
            annotator: match record.annotator_kind {
                Annotator::Human => AnnotatorKind::Human,
                Annotator::Llm => AnnotatorKind::Llm,
                Annotator::Code => AnnotatorKind::Code,
            },
            label: record.label,
            score: record.score,
            explanation: record.explanation,
            error: record.error,
            metadata: record.metadata.given(),
        }
    }
}
