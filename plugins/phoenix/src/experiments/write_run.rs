//! Writing runs.

use roost_provider::bindings::wasi::random::random;
use roost_provider::http::Response;
use roost_provider::types::{PartialFailure, RejectedItem};
use roost_provider::{Error, error, time};
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;

use super::create::MOST_REPETITIONS;
use super::details::{self, Details};
use super::experiment::{Found, find};
use super::{evaluations, metrics};
use crate::bindings::experiment_store::NewRun;
use crate::phoenix::Phoenix;
use crate::{Result, global_id};

/// How often a number is drawn for a run without a record.
const DRAWS: usize = 4;

/// Write a run, then what belongs to it.
pub(super) fn write(
    phoenix: &Phoenix,
    project: &str,
    experiment: &str,
    run: &NewRun,
) -> Result<String> {
    metrics::check_names(&run.metrics)?;
    let outputs = run.outputs.as_deref().unwrap_or("null");
    let outputs: &RawValue = serde_json::from_str(outputs)
        .map_err(|_| error::invalid_argument("the outputs of the run are no JSON"))?;
    let found = find(phoenix, project, experiment)?;
    // Phoenix takes any, and then misses as many runs too few.
    if !found.hidden && !(1..=found.record.repetitions).contains(&run.repetition) {
        return Err(error::invalid_argument(format!(
            "the experiment has no repetition {}: count from 1 to {}",
            run.repetition, found.record.repetitions
        )));
    }
    let details = Details::of(run, !found.hidden)?;
    let new = New {
        dataset_example_id: &example(phoenix, &found, run.record_id.as_deref())?,
        output: outputs,
        start_time: time::format(run.start_time),
        end_time: time::format(run.end_time),
        trace_id: run.trace_id.as_deref(),
        error: run.error.as_deref(),
    };
    let answer = if found.hidden {
        new.send_drawn(phoenix, experiment)?
    } else {
        new.send(phoenix, experiment, run.repetition)?
    };
    if answer.status() == 409 {
        return Err(Error::Conflict(format!(
            "repetition {} of that record has a run that ended well, which is kept",
            run.repetition
        )));
    }
    let id = answer.json::<Answer>()?.data.id;
    complete(phoenix, &id, details.as_ref(), run).map(|()| id)
}

/// The record that a run is of: one of the version that the experiment runs over. Without a
/// dataset it is the one that is there.
fn example(phoenix: &Phoenix, found: &Found, record: Option<&str>) -> Result<String> {
    #[derive(Deserialize)]
    struct Data {
        node: Node,
    }
    #[derive(Deserialize)]
    struct Node {
        examples: Edges,
    }
    #[derive(Deserialize)]
    struct Edges {
        edges: Vec<Edge>,
    }
    #[derive(Deserialize)]
    struct Edge {
        node: Example,
    }
    #[derive(Deserialize)]
    struct Example {
        id: String,
    }

    let only = match (record, found.hidden) {
        (Some(record), false) if global_id::row("DatasetExample", record).is_none() => {
            return Err(unknown(record));
        }
        (Some(record), false) => Some([record]),
        (None, true) => None,
        (Some(_), true) => {
            return Err(error::invalid_argument(
                "the experiment has no dataset: write its runs without a record",
            ));
        }
        (None, false) => {
            return Err(error::invalid_argument(
                "the experiment runs over a dataset: name the record of the run by its id",
            ));
        }
    };
    let data: Data = phoenix.graphql(
        "query ($dataset: ID!, $version: ID!, $only: [ID!]) {
            node(id: $dataset) {
                ... on Dataset {
                    examples(datasetVersionId: $version, first: 1, filterIds: $only) {
                        edges { node { id } }
                    }
                }
            }
        }",
        json!({
            "dataset": found.record.dataset_id,
            "version": found.record.dataset_version_id,
            "only": only,
        }),
    )?;
    let example = data.node.examples.edges.into_iter().next();
    example
        .map(|edge| edge.node.id)
        .ok_or_else(|| unknown(record.unwrap_or_default()))
}

fn unknown(record: &str) -> Error {
    error::not_found(format!(
        "the dataset version of the experiment has no record with the id `{record}`"
    ))
}

/// A run as Phoenix takes it, without its repetition.
#[derive(Serialize)]
struct New<'a> {
    dataset_example_id: &'a str,
    output: &'a RawValue,
    start_time: String,
    end_time: String,
    trace_id: Option<&'a str>,
    error: Option<&'a str>,
}

#[derive(Deserialize)]
struct Answer {
    data: Id,
}

#[derive(Deserialize)]
struct Id {
    id: String,
}

impl New<'_> {
    /// Send it as this repetition. Not repeatable: the second time it would be a conflict.
    fn send(&self, phoenix: &Phoenix, experiment: &str, repetition: u32) -> Result<Response> {
        #[derive(Serialize)]
        struct Body<'a> {
            #[serde(flatten)]
            new: &'a New<'a>,
            repetition_number: u32,
        }

        phoenix
            .http
            .post(&["v1", "experiments", experiment, "runs"])
            .json(&Body {
                new: self,
                repetition_number: repetition,
            })?
            .send()
    }

    /// Send it as a repetition that nobody else has. Counting would not do: Phoenix replaces a
    /// failed run by another of its number, so of two that count at once one would be lost.
    fn send_drawn(&self, phoenix: &Phoenix, experiment: &str) -> Result<Response> {
        let mut answer = self.send(phoenix, experiment, draw())?;
        for _ in 1..DRAWS {
            if answer.status() != 409 {
                break;
            }
            answer = self.send(phoenix, experiment, draw())?;
        }
        Ok(answer)
    }
}

/// A number from 1 to the most that Phoenix holds.
fn draw() -> u32 {
    let most = u64::from(MOST_REPETITIONS);
    // It is no more than `most`, which fits.
    u32::try_from(random::get_random_u64() % most + 1).unwrap_or(MOST_REPETITIONS)
}

/// Write what belongs to a run that is there: item 0 of a partial failure is what went in and
/// its metadata, then come its metrics.
fn complete(phoenix: &Phoenix, id: &str, details: Option<&Details>, run: &NewRun) -> Result<()> {
    let kept = match details {
        Some(details) => evaluations::keep(phoenix, id, details::NAME, None, json!(details))
            .map_err(|it| (0, it)),
        None => Ok(()),
    };
    let written = kept.and_then(|()| match run.metrics.as_slice() {
        [] => Ok(()),
        metrics => metrics::write(phoenix, id, metrics).map_err(|it| (1, it)),
    });
    let Err((first, failed)) = written else {
        return Ok(());
    };
    let reason = |why: &str| format!("run `{id}` is written, and this of it is not: {why}");
    let rejected: Vec<RejectedItem> = match &failed {
        Error::Partial(partial) => partial
            .rejected
            .iter()
            .map(|it| RejectedItem {
                index: it.index + 1,
                reason: reason(&it.reason),
            })
            .collect(),
        other => (first..=u32::try_from(run.metrics.len()).unwrap_or(u32::MAX))
            .map(|index| RejectedItem {
                index,
                reason: reason(&error::message(other)),
            })
            .collect(),
    };
    let items = 1 + run.metrics.len();
    Err(Error::Partial(PartialFailure {
        accepted: u32::try_from(items.saturating_sub(rejected.len())).unwrap_or(u32::MAX),
        rejected,
    }))
}
