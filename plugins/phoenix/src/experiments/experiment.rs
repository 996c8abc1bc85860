//! Experiments as Phoenix has them. An experiment is the project's whose dataset it runs over,
//! whoever made it.

use std::collections::BTreeMap;

use roost_provider::{Error, error, time};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::details;
use super::kept::Kept;
use crate::bindings::dataset_store::DatasetRef;
use crate::bindings::experiment_store::{Experiment, ExperimentStatus, RunSummary};
use crate::metadata::Metadata;
use crate::phoenix::Phoenix;
use crate::{Result, datasets, global_id};

/// An experiment as REST has it.
#[derive(Deserialize)]
pub(super) struct Record {
    pub(super) id: String,
    pub(super) dataset_id: String,
    pub(super) dataset_version_id: String,
    name: String,
    description: Option<String>,
    metadata: Metadata,
    pub(super) repetitions: u32,
    #[serde(deserialize_with = "time::deserialize")]
    created_at: u64,
    successful_run_count: u64,
    failed_run_count: u64,
    /// Below 0 where there are more runs than were announced.
    missing_run_count: i64,
}

/// An experiment of the project.
pub(super) struct Found {
    pub(super) record: Record,
    /// Whether it runs over no dataset, so that the one Phoenix names is hidden.
    pub(super) hidden: bool,
}

/// The experiment with this id, if it is the project's.
pub(super) fn find(phoenix: &Phoenix, project: &str, id: &str) -> Result<Found> {
    #[derive(Deserialize)]
    struct Answer {
        data: Record,
    }

    if global_id::row("Experiment", id).is_none() {
        return Err(unknown(project, id));
    }
    let answer = phoenix.http.get(&["v1", "experiments", id]).send()?;
    if answer.status() == 404 {
        return Err(unknown(project, id));
    }
    let Answer { data: record } = answer.json()?;
    let dataset = DatasetRef::Id(record.dataset_id.clone());
    match datasets::find(phoenix, project, &dataset)? {
        Some(dataset) => Ok(Found {
            record,
            hidden: dataset.is_hidden(project),
        }),
        None => Err(unknown(project, id)),
    }
}

/// The error for an experiment that the project does not have.
pub(super) fn unknown(project: &str, id: &str) -> Error {
    error::not_found(format!("project `{project}` has no experiment `{id}`"))
}

/// The experiment with all that is known of it.
pub(super) fn get(phoenix: &Phoenix, project: &str, id: &str) -> Result<Experiment> {
    let found = find(phoenix, project, id)?;
    let mut summaries = summaries(phoenix, &[id])?;
    Ok(found.whole(summaries.remove(id).unwrap_or_default()))
}

impl Found {
    /// Whether Roost created it.
    pub(super) fn is_ours(&self) -> bool {
        self.kept().is_ours()
    }

    fn kept(&self) -> Kept {
        self.record.metadata.ours().unwrap_or_default()
    }

    /// Change what is kept of it.
    pub(super) fn keep(self, phoenix: &Phoenix, change: impl FnOnce(&mut Kept)) -> Result<()> {
        let mut kept = self.kept();
        change(&mut kept);
        let metadata: Map<String, Value> = self.record.metadata.with(kept.to_json());
        phoenix
            .graphql::<serde::de::IgnoredAny>(
                "mutation ($id: ID!, $metadata: JSON!) {
                    patchExperiment(input: { experimentId: $id, metadata: $metadata }) {
                        __typename
                    }
                }",
                json!({ "id": self.record.id, "metadata": metadata }),
            )
            .map(|_| ())
    }

    /// It for the contract, with every value of its metrics.
    pub(super) fn whole(self, runs: Vec<RunSummary>) -> Experiment {
        let metrics = Kept::metrics(&self.kept());
        Experiment {
            metrics,
            ..self.listed(runs)
        }
    }

    /// It for the contract, with the last value of each metric.
    pub(super) fn listed(self, runs: Vec<RunSummary>) -> Experiment {
        let kept = self.kept();
        let record = self.record;
        let (dataset, dataset_version) = match self.hidden {
            true => (None, None),
            false => (Some(record.dataset_id), Some(record.dataset_version_id)),
        };
        Experiment {
            id: record.id,
            name: record.name,
            description: record.description.unwrap_or_default(),
            metadata: record.metadata.given(),
            dataset,
            dataset_version,
            repetitions: record.repetitions,
            // Phoenix's own experiments end when nothing is missing.
            status: kept.status().unwrap_or(if record.missing_run_count <= 0 {
                ExperimentStatus::Completed
            } else {
                ExperimentStatus::Running
            }),
            successful_runs: record.successful_run_count,
            failed_runs: record.failed_run_count,
            metrics: kept.last_metrics(),
            runs,
            created_at: Some(record.created_at),
            finished_at: kept.finished_at(),
        }
    }
}

/// What the runs of some experiments got, by the experiments' ids.
pub(super) fn summaries(
    phoenix: &Phoenix,
    ids: &[&str],
) -> Result<BTreeMap<String, Vec<RunSummary>>> {
    /// How many experiments one document asks for.
    const AT_ONCE: usize = 100;

    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Node {
        id: String,
        annotation_summaries: Vec<Summary>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Summary {
        annotation_name: String,
        count: u64,
        mean_score: Option<f64>,
    }

    let mut all = BTreeMap::new();
    for part in ids.chunks(AT_ONCE) {
        let mut parameters = Vec::new();
        let mut nodes = Vec::new();
        let mut variables = Map::new();
        for (place, id) in part.iter().enumerate() {
            parameters.push(format!("$e{place}: ID!"));
            nodes.push(format!(
                "e{place}: node(id: $e{place}) {{
                    ... on Experiment {{
                        id
                        annotationSummaries {{ annotationName count meanScore }}
                    }}
                }}"
            ));
            variables.insert(format!("e{place}"), json!(id));
        }
        let document = format!(
            "query ({}) {{ {} }}",
            parameters.join(", "),
            nodes.join(" ")
        );
        let data: BTreeMap<String, Node> = phoenix.graphql(&document, variables)?;
        for node in data.into_values() {
            let runs = node
                .annotation_summaries
                .into_iter()
                .filter(|it| it.annotation_name != details::NAME)
                .map(|it| RunSummary {
                    name: it.annotation_name,
                    count: it.count,
                    mean: it.mean_score,
                });
            all.insert(node.id, runs.collect());
        }
    }
    Ok(all)
}
