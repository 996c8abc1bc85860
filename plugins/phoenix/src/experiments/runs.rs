//! Reading runs, with what belongs to them.

use roost_provider::types::PageRequest;
use roost_provider::{cursor, error, time};
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::details::{self, Details};
use super::evaluations::Records;
use super::{experiment, metrics};
use crate::bindings::experiment_store::{NewEvaluation, NewRun, Run, RunPage};
use crate::phoenix::{MOST, Page, Phoenix};
use crate::{Result, global_id};

const LISTING: &str = "run";
const KIND: &str = "ExperimentRun";

/// How many runs one document asks for: each comes with all its evaluations.
const AT_ONCE: u32 = 250;

/// A page of the runs of an experiment, oldest first.
pub(super) fn page(
    phoenix: &Phoenix,
    project: &str,
    id: &str,
    page: &PageRequest,
) -> Result<RunPage> {
    let after = match &page.cursor {
        Some(cursor) => {
            let own = cursor::unmark(LISTING, cursor)?;
            let row: Option<u64> = own.parse().ok();
            // GraphQL's cursor of a run is the base64 of its row.
            let row = row.ok_or_else(|| cursor::refusal(cursor))?;
            Some(global_id::encode(row.to_string().as_bytes()))
        }
        None => None,
    };
    let found = experiment::find(phoenix, project, id)?;
    let data: Data = phoenix.graphql(
        "query ($experiment: ID!, $first: Int!, $after: String, $most: Int!) {
            node(id: $experiment) {
                ... on Experiment {
                    runs(first: $first, after: $after) {
                        pageInfo { hasNextPage }
                        edges {
                            node {
                                id repetitionNumber traceId output error startTime endTime
                                example { id }
                                annotations(first: $most) {
                                    edges {
                                        node {
                                            name annotatorKind label score explanation error
                                            metadata
                                        }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }",
        json!({
            "experiment": id,
            "first": page.limit.min(AT_ONCE),
            "after": after,
            "most": MOST,
        }),
    )?;
    let runs = data.node.runs;
    let records = runs.edges.into_iter().map(|edge| edge.node);
    let runs_here: Vec<Run> = records.map(|it| it.run(found.hidden)).collect();
    let last = runs_here.last().filter(|_| runs.page_info.has_next_page);
    Ok(RunPage {
        cursor: last
            .and_then(|run| global_id::row(KIND, &run.id))
            .map(|row| cursor::mark(LISTING, &row.to_string())),
        runs: runs_here,
    })
}

/// Refuse a run that is not of that experiment. Phoenix would answer status 500 to an
/// evaluation of a run it does not have, and write one of any it has.
pub(super) fn check(phoenix: &Phoenix, experiment: &str, run: &str) -> Result<()> {
    #[derive(Deserialize)]
    struct Listed {
        id: String,
    }

    let exists = global_id::row(KIND, run).is_some() && {
        // Its cursor is the id of the first to list.
        let found: Page<Listed> = phoenix
            .http
            .get(&["v1", "experiments", experiment, "runs"])
            .query("cursor", run)
            .query("limit", 1)
            .send()?
            .json()?;
        found.data.iter().any(|found| found.id == run)
    };
    if exists {
        return Ok(());
    }
    Err(error::not_found(format!(
        "the experiment has no run `{run}`"
    )))
}

#[derive(Deserialize)]
struct Data {
    node: Node,
}

#[derive(Deserialize)]
struct Node {
    runs: Edges,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Edges {
    page_info: PageInfo,
    edges: Vec<Edge>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PageInfo {
    has_next_page: bool,
}

#[derive(Deserialize)]
struct Edge {
    node: Record,
}

/// A run as GraphQL has it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    id: String,
    repetition_number: u32,
    trace_id: Option<String>,
    output: Option<Box<RawValue>>,
    error: Option<String>,
    #[serde(deserialize_with = "time::deserialize")]
    start_time: u64,
    #[serde(deserialize_with = "time::deserialize")]
    end_time: u64,
    example: Example,
    annotations: Records,
}

#[derive(Deserialize)]
struct Example {
    id: String,
}

impl Record {
    fn run(self, hidden: bool) -> Run {
        let text = |json: Box<RawValue>| Box::<str>::from(json).into_string();
        let mut details = Details::default();
        let mut measured = Vec::new();
        let mut evaluations: Vec<NewEvaluation> = Vec::new();
        for evaluation in self.annotations.into_vec() {
            if evaluation.name == details::NAME {
                details = evaluation.metadata.ours().unwrap_or_default();
            } else if let Some(points) = metrics::points(&evaluation) {
                measured.extend(points.iter().map(|point| point.of(&evaluation.name)));
            } else {
                evaluations.push(evaluation.into());
            }
        }
        Run {
            id: self.id,
            content: NewRun {
                record_id: (!hidden).then_some(self.example.id),
                repetition: details.repetition.unwrap_or(self.repetition_number),
                inputs: details.inputs.map(text),
                outputs: self.output.map(text),
                error: self.error,
                start_time: self.start_time,
                end_time: self.end_time,
                trace_id: self.trace_id,
                metadata: details.metadata.map(text),
                metrics: measured,
            },
            evaluations,
        }
    }
}
