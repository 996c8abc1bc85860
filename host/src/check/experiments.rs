//! Experiments, their runs, metrics and evaluations.

use serde_json::json;

use super::expect::{ensure, expect_missing, same, same_json, wrong};
use super::rule::Outcome;
use super::trial::Trial;
use crate::contract::{Experiment, ExperimentStatus, Metric, NewEvaluation, NewExperiment, NewRun};

/// 2026-11-18T11:27:00Z, and two seconds later; whole milliseconds.
pub(super) const BEGIN: u64 = 1_795_001_220_000_000_000;
pub(super) const END: u64 = BEGIN + 2_000_000_000;
/// An id that nothing has.
pub(super) const UNKNOWN: &str = "roost-check-no-such-id";

/// An experiment without a dataset.
pub(super) async fn begin(trial: &Trial<'_>) -> Outcome<Experiment> {
    let new = NewExperiment::new(trial.unique("check experiment"));
    Ok(trial.create_experiment(&trial.project(), &new).await?)
}

/// A run that tells its number.
pub(super) fn run(number: u64) -> NewRun {
    NewRun::new(BEGIN, END).inputs(&json!({ "number": number }))
}

pub(super) async fn created(trial: &Trial<'_>) -> Outcome {
    let name = trial.unique("check größe \"x\" 🦉");
    let metadata = json!({ "model": "gpt-4", "list": [1, "ü"] });
    let new = NewExperiment::new(name.as_str())
        .description("a check: ü")
        .metadata(&metadata);
    let created = trial.create_experiment(&trial.project(), &new).await?;
    let read = trial.get_experiment(&trial.project(), &created.id).await?;
    for (how, found) in [("created", &created), ("read", &read)] {
        same(&format!("{how}: the name"), &found.name, &name)?;
        same(
            &format!("{how}: the description"),
            found.description.as_str(),
            "a check: ü",
        )?;
        same_json(
            &format!("{how}: the metadata"),
            found.metadata.as_deref(),
            &metadata,
        )?;
        same(
            &format!("{how}: the status"),
            found.status,
            ExperimentStatus::Running,
        )?;
        let runs = (found.successful_runs, found.failed_runs);
        same(&format!("{how}: its runs"), runs, (0, 0))?;
        same(
            &format!("{how}: its dataset"),
            found.dataset.as_deref(),
            None,
        )?;
    }
    same("the id", &read.id, &created.id)
}

pub(super) async fn metrics(trial: &Trial<'_>) -> Outcome {
    let (project, experiment) = (trial.project(), begin(trial).await?);
    let loss = |step: u32| Metric::new("loss", 1.0 / f64::from(step + 1)).step(step.into());
    let accuracy = Metric::new("accuracy", 0.5);
    for metrics in [vec![loss(0), loss(1)], vec![accuracy], vec![loss(2)]] {
        trial
            .log_metrics(&project, &experiment.id, None, &metrics)
            .await?;
    }
    let read = trial.get_experiment(&project, &experiment.id).await?;
    let of = |name: &str| -> Vec<(Option<u64>, f64)> {
        let named = read.metrics.iter().filter(|it| it.name == name);
        named.map(|it| (it.step, it.value)).collect()
    };
    let third = 1.0 / 3.0;
    same(
        "the values of `loss`",
        of("loss"),
        vec![(Some(0), 1.0), (Some(1), 0.5), (Some(2), third)],
    )?;
    same(
        "the values of `accuracy`",
        of("accuracy"),
        vec![(None, 0.5)],
    )?;
    let listed = trial
        .experiments(&project, None, trial.whole_page())
        .await?;
    let listed = listed.iter().find(|it| it.id == experiment.id);
    let listed = listed.ok_or_else(|| wrong("the experiment is not listed"))?;
    let values: Vec<f64> = listed
        .metrics
        .iter()
        .filter(|it| it.name == "loss")
        .map(|it| it.value)
        .collect();
    same("the values of `loss` in a listing", values, vec![third])
}

pub(super) async fn finished(trial: &Trial<'_>) -> Outcome {
    use ExperimentStatus::{Cancelled, Completed, Failed};

    for status in [Completed, Failed, Cancelled] {
        let (project, experiment) = (trial.project(), begin(trial).await?);
        let ended = trial
            .finish_experiment(&project, &experiment.id, status)
            .await?;
        same("the status that is answered", ended.status, status)?;
        let read = trial.get_experiment(&project, &experiment.id).await?;
        same("the status that is read", read.status, status)?;
    }
    Ok(())
}

pub(super) async fn listed(trial: &Trial<'_>) -> Outcome {
    let project = trial.project_of("experiments");
    let mut expected = Vec::new();
    for number in 0..4 {
        let new = NewExperiment::new(format!("check {number}"));
        expected.insert(0, trial.create_experiment(&project, &new).await?.name);
    }
    for limit in [1, 3, trial.whole_page()] {
        let limit = limit.min(trial.whole_page());
        let found = trial.experiments(&project, None, limit).await?;
        let names: Vec<String> = found.into_iter().map(|it| it.name).collect();
        same(
            &format!("the experiments by pages of {limit}, newest first"),
            &names,
            &expected,
        )?;
    }
    Ok(())
}

pub(super) async fn unknown(trial: &Trial<'_>) -> Outcome {
    let project = trial.project();
    begin(trial).await?;
    missing(trial, &project, UNKNOWN, "an unknown experiment").await
}

pub(super) async fn other_project(trial: &Trial<'_>) -> Outcome {
    let ours = begin(trial).await?;
    let id = trial.log_run(&trial.project(), &ours.id, &run(0)).await?;
    missing(
        trial,
        &trial.other_project(),
        &ours.id,
        "another project's experiment",
    )
    .await?;
    let said = NewEvaluation::new("q").score(1.0);
    let answer = trial
        .log_evaluation(&trial.other_project(), &ours.id, &id, &said)
        .await;
    expect_missing("log-evaluation of another project's experiment", answer)?;
    let listed = trial
        .experiments(&trial.other_project(), None, trial.whole_page())
        .await?;
    ensure!(
        listed.iter().all(|it| it.id != ours.id),
        "an experiment is listed in another project than its own"
    );
    let runs = trial
        .runs(&trial.project(), &ours.id, trial.whole_page())
        .await?;
    same(
        "the runs after another project tried to add one",
        runs.len(),
        1,
    )
}

/// Nothing finds the experiment.
async fn missing(trial: &Trial<'_>, project: &str, id: &str, what: &str) -> Outcome {
    let metrics = [Metric::new("m", 1.0)];
    let page = crate::contract::PageRequest {
        limit: trial.whole_page(),
        cursor: None,
    };
    let of = |operation: &str| format!("{operation} of {what}");
    expect_missing(
        &of("get-experiment"),
        trial.get_experiment(project, id).await,
    )?;
    expect_missing(&of("log-run"), trial.log_run(project, id, &run(1)).await)?;
    expect_missing(
        &of("log-metrics"),
        trial.log_metrics(project, id, None, &metrics).await,
    )?;
    let runs = trial.list_runs(project, id, &page).await;
    expect_missing(&of("list-runs"), runs.map(|it| it.runs.len()))?;
    let status = ExperimentStatus::Failed;
    expect_missing(
        &of("finish-experiment"),
        trial.finish_experiment(project, id, status).await,
    )?;
    expect_missing(
        &of("delete-experiment"),
        trial.delete_experiment(project, id).await,
    )
}

pub(super) async fn deleted(trial: &Trial<'_>) -> Outcome {
    let (project, experiment) = (trial.project(), begin(trial).await?);
    trial.log_run(&project, &experiment.id, &run(0)).await?;
    trial.delete_experiment(&project, &experiment.id).await?;
    missing(trial, &project, &experiment.id, "a deleted experiment").await?;
    let listed = trial
        .experiments(&project, None, trial.whole_page())
        .await?;
    ensure!(
        listed.iter().all(|it| it.id != experiment.id),
        "a deleted experiment is still listed"
    );
    Ok(())
}
