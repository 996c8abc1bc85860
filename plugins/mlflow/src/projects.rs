//! `project-store`: projects are MLflow's experiments.

use std::collections::BTreeMap;

use roost_provider::types::PageRequest;
use roost_provider::{Error, cursor, error};
use serde::Deserialize;
use serde_json::json;

use crate::bindings::project_store::{Guest, Project, ProjectPage, SpanSelection};
use crate::listing::malformed;
use crate::mlflow::{Mlflow, answer, ask, mlflow};
use crate::search::{self, Info, MILLISECOND, Order};
use crate::{Provider, Result, datasets};

/// The tag that MLflow's pages show as the description of an experiment or a run.
pub(crate) const DESCRIPTION: &str = "mlflow.note.content";

/// The experiment that MLflow makes, and needs for clients that name none.
const DEFAULT: &str = "0";

/// The longest name that MLflow takes, in characters.
const LONGEST_NAME: usize = 500;

impl Guest for Provider {
    fn list_projects(page: PageRequest) -> Result<ProjectPage> {
        #[derive(Deserialize)]
        struct Found {
            #[serde(default)]
            experiments: Vec<Experiment>,
            next_page_token: Option<String>,
        }

        let token = page
            .cursor
            .as_deref()
            .map(|cursor| cursor::unmark("project", cursor))
            .transpose()?;
        // A token counts from the first. Oldest first, so what is new comes last and moves
        // nothing.
        let found: Found = ask(mlflow()?
            .post("experiments", "search")
            .json(&json!({
                "max_results": page.limit,
                "order_by": ["creation_time ASC", "experiment_id ASC"],
                "page_token": token,
            }))?
            .repeatable())?;
        let next = found.next_page_token.filter(|token| !token.is_empty());
        Ok(ProjectPage {
            projects: found.experiments.into_iter().map(Project::from).collect(),
            cursor: next.map(|token| cursor::mark("project", &token)),
        })
    }

    fn ensure_project(name: String, description: Option<String>) -> Result<Project> {
        ensure(mlflow()?, &name, description.as_deref()).map(Project::from)
    }

    fn delete_project(name: String) -> Result<()> {
        let mlflow = mlflow()?;
        let id = id(mlflow, &name)?;
        if id == DEFAULT {
            return Err(Error::PermissionDenied(
                "MLflow keeps its default experiment: delete the spans in it".to_owned(),
            ));
        }
        delete_until(mlflow, &id, i64::MAX)?;
        datasets::delete_all(mlflow, &id)?;
        // MLflow only marks an experiment as deleted, and its name stays taken. Under another
        // name, it is out of the way of a new one.
        let room = LONGEST_NAME - 32;
        let beginning: String = name.chars().take(room).collect();
        let new_name = format!("{beginning} (deleted {id})");
        answer(
            mlflow
                .post("experiments", "update")
                .json(&json!({ "experiment_id": id, "new_name": new_name }))?,
        )?;
        answer(
            mlflow
                .post("experiments", "delete")
                .json(&json!({ "experiment_id": id }))?,
        )?;
        Ok(())
    }

    fn delete_spans(project: String, selection: SpanSelection) -> Result<()> {
        let mlflow = mlflow()?;
        let id = id(mlflow, &project)?;
        match selection {
            SpanSelection::OlderThan(instant) => delete_older(mlflow, &id, instant),
            SpanSelection::Traces(ids) => {
                let ids: Vec<String> = ids.iter().map(|id| search::trace_id(id)).collect();
                delete_traces(mlflow, &id, &ids)
            }
        }
    }
}

/// An experiment of MLflow.
#[derive(Deserialize)]
pub(crate) struct Experiment {
    experiment_id: String,
    name: String,
    #[serde(default)]
    lifecycle_stage: String,
    /// In milliseconds.
    creation_time: Option<u64>,
    #[serde(default, deserialize_with = "tags")]
    tags: BTreeMap<String, String>,
}

/// Tags as MLflow writes them: a list of keys and values.
pub(crate) fn tags<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, String>, D::Error> {
    #[derive(Deserialize)]
    struct Tag {
        key: String,
        #[serde(default)]
        value: String,
    }

    let tags = Vec::<Tag>::deserialize(deserializer)?;
    Ok(tags.into_iter().map(|tag| (tag.key, tag.value)).collect())
}

impl From<Experiment> for Project {
    fn from(mut experiment: Experiment) -> Self {
        Self {
            id: experiment.experiment_id,
            name: experiment.name,
            description: experiment.tags.remove(DESCRIPTION).unwrap_or_default(),
            created_at: experiment.creation_time.map(|time| time * 1_000_000),
        }
    }
}

/// The id of the project's experiment.
pub(crate) fn id(mlflow: &Mlflow, name: &str) -> Result<String> {
    match by_name(mlflow, name)? {
        Some(experiment) if experiment.lifecycle_stage != "deleted" => Ok(experiment.experiment_id),
        _ => Err(error::not_found(format!(
            "MLflow has no experiment `{name}`"
        ))),
    }
}

/// The id of the project's experiment, created if it is not there.
pub(crate) fn ensured_id(mlflow: &Mlflow, name: &str) -> Result<String> {
    ensure(mlflow, name, None).map(|experiment| experiment.experiment_id)
}

/// The project's experiment, created if it is not there.
pub(crate) fn ensure(mlflow: &Mlflow, name: &str, description: Option<&str>) -> Result<Experiment> {
    if name.is_empty() || name.chars().count() > LONGEST_NAME {
        return Err(error::invalid_argument(format!(
            "`{name}` is no name for MLflow, which takes 1 to {LONGEST_NAME} characters"
        )));
    }
    if let Some(experiment) = by_name(mlflow, name)? {
        return usable(experiment);
    }
    let tags: Vec<_> = description
        .iter()
        .map(|text| json!({ "key": DESCRIPTION, "value": text }))
        .collect();
    let created = answer(
        mlflow
            .post("experiments", "create")
            .json(&json!({ "name": name, "tags": tags }))?,
    );
    // Somebody else may have been faster, or the answer to a request before was lost.
    match by_name(mlflow, name)? {
        Some(experiment) => usable(experiment),
        None => Err(created.err().unwrap_or_else(|| {
            error::backend(200, "MLflow created an experiment that is not there")
        })),
    }
}

/// The experiment, unless it was deleted. It is not restored: whoever deleted it may not want to
/// see again what is in it.
fn usable(experiment: Experiment) -> Result<Experiment> {
    if experiment.lifecycle_stage != "deleted" {
        return Ok(experiment);
    }
    let Experiment {
        experiment_id: id,
        name,
        ..
    } = experiment;
    Err(Error::Conflict(format!(
        "the experiment `{name}` was deleted in MLflow, which keeps its name: restore it with \
         `mlflow experiments restore --experiment-id {id}`, or free the name with `mlflow gc \
         --experiment-ids {id}`"
    )))
}

fn by_name(mlflow: &Mlflow, name: &str) -> Result<Option<Experiment>> {
    #[derive(Deserialize)]
    struct Found {
        experiment: Experiment,
    }

    let found = ask::<Found>(
        mlflow
            .get("experiments", "get-by-name")
            .query("experiment_name", name),
    );
    match found {
        Ok(found) => Ok(Some(found.experiment)),
        Err(Error::NotFound(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Delete the traces of an experiment that began in or before a millisecond.
fn delete_until(mlflow: &Mlflow, experiment: &str, last: i64) -> Result<()> {
    delete(
        mlflow,
        &json!({ "experiment_id": experiment, "max_timestamp_millis": last }),
    )
}

/// Delete the traces of an experiment that began before an instant. MLflow knows the millisecond
/// in which one began; of those of the last, the spans say.
fn delete_older(mlflow: &Mlflow, experiment: &str, instant: u64) -> Result<()> {
    let last = instant / MILLISECOND;
    if let Some(before) = last.checked_sub(1) {
        delete_until(mlflow, experiment, before.cast_signed())?;
    }
    let conditions = [format!("timestamp_ms = {last}")];
    let found = search::search_all::<Info>(mlflow, experiment, &conditions, Order::OldestFirst)?;
    let found: Vec<String> = found.into_iter().map(|info| info.trace_id).collect();
    let mut older = Vec::new();
    search::fetch(mlflow, &found, |trace| {
        let id = trace.info.trace_id.clone();
        for span in trace.spans(None) {
            if span.map_err(malformed)?.start_time < instant {
                older.push(id);
                break;
            }
        }
        Ok(())
    })?;
    delete_traces(mlflow, experiment, &older)
}

/// Delete traces of an experiment by MLflow's ids. It leaves those alone that belong to another,
/// and refuses an empty list.
fn delete_traces(mlflow: &Mlflow, experiment: &str, ids: &[String]) -> Result<()> {
    if ids.is_empty() {
        return Ok(());
    }
    delete(
        mlflow,
        &json!({ "experiment_id": experiment, "request_ids": ids }),
    )
}

fn delete(mlflow: &Mlflow, what: &serde_json::Value) -> Result<()> {
    let request = mlflow
        .http
        .post(&["api", "3.0", "mlflow", "traces", "delete-traces"])
        .json(what)?
        .repeatable();
    answer(request).map(|_| ())
}
