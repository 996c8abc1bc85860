//! The runs of experiments, with their metrics and evaluations.

use serde_json::json;

use super::expect::{expect_error, expect_missing, same, same_json, skip, wrong};
use super::experiments::{BEGIN, END, UNKNOWN, begin, run};
use super::rule::Outcome;
use super::trial::Trial;
use crate::contract::{
    AnnotatorKind, Capability, Dataset, DatasetRecord, DatasetRef, Metric, NewDataset,
    NewEvaluation, NewExperiment, NewRecord, NewRun,
};

pub(super) async fn runs(trial: &Trial<'_>) -> Outcome {
    let (project, experiment) = (trial.project(), begin(trial).await?);
    let outputs = json!(["v17", null, 0.5, { "ü": true }]);
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let good = run(0)
        .outputs(&outputs)
        .trace(trace)
        .metadata(&json!({ "temperature": 0.1 }));
    let bad = run(1).failed("it broke: ü");
    let mut ids = Vec::new();
    for run in [&good, &bad, &run(2)] {
        ids.push(trial.log_run(&project, &experiment.id, run).await?);
    }
    for limit in [1, trial.whole_page()] {
        let found = trial.runs(&project, &experiment.id, limit).await?;
        let found_ids: Vec<&String> = found.iter().map(|it| &it.id).collect();
        same(
            "the runs in the order they were written",
            found_ids,
            ids.iter().collect::<Vec<_>>(),
        )?;
        let [first, second, _] = found.as_slice() else {
            return Err(wrong("there are not three runs"));
        };
        let content = &first.content;
        same_json(
            "the inputs",
            content.inputs.as_deref(),
            &json!({ "number": 0 }),
        )?;
        same_json("the outputs", content.outputs.as_deref(), &outputs)?;
        same_json(
            "the metadata",
            content.metadata.as_deref(),
            &json!({ "temperature": 0.1 }),
        )?;
        same("the trace", content.trace_id.as_deref(), Some(trace))?;
        same(
            "the times",
            (content.start_time, content.end_time),
            (BEGIN, END),
        )?;
        same(
            "the error of a run that ended well",
            content.error.as_deref(),
            None,
        )?;
        same(
            "the error of one that did not",
            second.content.error.as_deref(),
            Some("it broke: ü"),
        )?;
    }
    let read = trial.get_experiment(&project, &experiment.id).await?;
    same(
        "how many ended well and badly",
        (read.successful_runs, read.failed_runs),
        (2, 1),
    )
}

pub(super) async fn metrics_of_runs(trial: &Trial<'_>) -> Outcome {
    let (project, experiment) = (trial.project(), begin(trial).await?);
    let measured = run(0)
        .metric(Metric::new("tokens", 12.0))
        .metric(Metric::new("tokens", 14.0));
    let id = trial.log_run(&project, &experiment.id, &measured).await?;
    let later = [Metric::new("cost", 0.25)];
    trial
        .log_metrics(&project, &experiment.id, Some(&id), &later)
        .await?;
    let found = trial
        .runs(&project, &experiment.id, trial.whole_page())
        .await?;
    let metrics = found
        .first()
        .map(|it| it.content.metrics.as_slice())
        .unwrap_or_default();
    let last = |name: &str| {
        metrics
            .iter()
            .rfind(|it| it.name == name)
            .map(|it| it.value)
    };
    same("the last value of `tokens`", last("tokens"), Some(14.0))?;
    same("the value of `cost`", last("cost"), Some(0.25))?;
    let unknown = trial
        .log_metrics(&project, &experiment.id, Some(UNKNOWN), &later)
        .await;
    expect_missing("log-metrics of an unknown run", unknown)
}

pub(super) async fn evaluations(trial: &Trial<'_>) -> Outcome {
    let (project, experiment) = (trial.project(), begin(trial).await?);
    let id = trial.log_run(&project, &experiment.id, &run(0)).await?;
    let said = NewEvaluation::new("größe?")
        .by(AnnotatorKind::Llm)
        .label("fair");
    let said = said
        .explanation("so la la")
        .metadata(&json!({ "judge": "gpt-4" }));
    for score in [0.5, 0.75] {
        let said = said.clone().score(score);
        trial
            .log_evaluation(&project, &experiment.id, &id, &said)
            .await?;
    }
    let found = trial
        .runs(&project, &experiment.id, trial.whole_page())
        .await?;
    let evaluations = found
        .first()
        .map(|it| it.evaluations.as_slice())
        .unwrap_or_default();
    let [only] = evaluations else {
        return Err(wrong(format!(
            "one name was written twice, and there are {} evaluations",
            evaluations.len()
        )));
    };
    same("the name", only.name.as_str(), "größe?")?;
    same("who judged", only.annotator, AnnotatorKind::Llm)?;
    same("the score", only.score, Some(0.75))?;
    same("the label", only.label.as_deref(), Some("fair"))?;
    same(
        "the explanation",
        only.explanation.as_deref(),
        Some("so la la"),
    )?;
    same_json(
        "the metadata",
        only.metadata.as_deref(),
        &json!({ "judge": "gpt-4" }),
    )?;
    let unknown = trial
        .log_evaluation(&project, &experiment.id, UNKNOWN, &said)
        .await;
    expect_missing("log-evaluation of an unknown run", unknown)
}

pub(super) async fn names_are_one_thing(trial: &Trial<'_>) -> Outcome {
    let (project, experiment) = (trial.project(), begin(trial).await?);
    let measured = run(0).metric(Metric::new("tokens", 12.0));
    let id = trial.log_run(&project, &experiment.id, &measured).await?;
    let said = NewEvaluation::new("quality").score(1.0);
    trial
        .log_evaluation(&project, &experiment.id, &id, &said)
        .await?;
    let taken = NewEvaluation::new("tokens").score(1.0);
    let answer = trial
        .log_evaluation(&project, &experiment.id, &id, &taken)
        .await;
    expect_error(
        "log-evaluation with the name of a metric",
        answer,
        "conflict",
    )?;
    let taken = [Metric::new("quality", 1.0)];
    let answer = trial
        .log_metrics(&project, &experiment.id, Some(&id), &taken)
        .await;
    expect_error(
        "log-metrics with the name of an evaluation",
        answer,
        "conflict",
    )
}

pub(super) async fn summary(trial: &Trial<'_>) -> Outcome {
    let (project, experiment) = (trial.project(), begin(trial).await?);
    for (number, score) in [(0, 0.5), (1, 1.0)] {
        let id = trial
            .log_run(&project, &experiment.id, &run(number))
            .await?;
        let said = NewEvaluation::new("quality").score(score);
        trial
            .log_evaluation(&project, &experiment.id, &id, &said)
            .await?;
    }
    trial.log_run(&project, &experiment.id, &run(2)).await?;
    let read = trial.get_experiment(&project, &experiment.id).await?;
    let summary = read.runs.iter().find(|it| it.name == "quality");
    let summary = summary.map(|it| (it.count, it.mean));
    same(
        "the count and mean of `quality`",
        summary,
        Some((2, Some(0.75))),
    )
}

pub(super) async fn over_a_dataset(trial: &Trial<'_>) -> Outcome {
    let (dataset, records) = dataset(trial).await?;
    let project = trial.project();
    let new = NewExperiment::new(trial.unique("check over"))
        .over(&dataset)
        .repetitions(2);
    let experiment = trial.create_experiment(&project, &new).await?;
    same(
        "its dataset",
        experiment.dataset.as_deref(),
        Some(dataset.id.as_str()),
    )?;
    same("its repetitions", experiment.repetitions, 2)?;
    let record = records.first().ok_or_else(|| skip("an empty dataset"))?;
    let good = NewRun::new(BEGIN, END)
        .record(record.id.as_str())
        .outputs(&json!("owls"));
    trial.log_run(&project, &experiment.id, &good).await?;
    let again = trial.log_run(&project, &experiment.id, &good).await;
    expect_error("log-run of a repetition that ended well", again, "conflict")?;
    let second = good.clone().repetition(2);
    trial.log_run(&project, &experiment.id, &second).await?;
    let third = trial
        .log_run(&project, &experiment.id, &good.repetition(3))
        .await;
    expect_error(
        "log-run of a repetition it does not have",
        third,
        "invalid-argument",
    )?;
    let unknown = NewRun::new(BEGIN, END).record(UNKNOWN);
    let answer = trial.log_run(&project, &experiment.id, &unknown).await;
    expect_missing("log-run of an unknown record", answer)?;
    let found = trial
        .runs(&project, &experiment.id, trial.whole_page())
        .await?;
    let found: Vec<_> = found
        .iter()
        .map(|it| (it.content.record_id.as_deref(), it.content.repetition))
        .collect();
    let id = Some(record.id.as_str());
    same(
        "the records and repetitions of its runs",
        found,
        vec![(id, 1), (id, 2)],
    )?;
    let listed = trial
        .experiments(&project, Some(&dataset.id), trial.whole_page())
        .await?;
    let listed: Vec<&str> = listed.iter().map(|it| it.id.as_str()).collect();
    same(
        "the experiments over the dataset",
        listed,
        vec![experiment.id.as_str()],
    )
}

pub(super) async fn failed_runs_are_replaced(trial: &Trial<'_>) -> Outcome {
    let (dataset, records) = dataset(trial).await?;
    let project = trial.project();
    let new = NewExperiment::new(trial.unique("check again")).over(&dataset);
    let experiment = trial.create_experiment(&project, &new).await?;
    let record = records.first().ok_or_else(|| skip("an empty dataset"))?;
    let run = NewRun::new(BEGIN, END).record(record.id.as_str());
    trial
        .log_run(&project, &experiment.id, &run.clone().failed("refused"))
        .await?;
    trial
        .log_run(&project, &experiment.id, &run.outputs(&json!("owls")))
        .await?;
    let found = trial
        .runs(&project, &experiment.id, trial.whole_page())
        .await?;
    let errors: Vec<Option<&str>> = found.iter().map(|it| it.content.error.as_deref()).collect();
    same(
        "the errors of the runs after the failed one was run again",
        errors,
        vec![None],
    )
}

/// A dataset of two records.
async fn dataset(trial: &Trial<'_>) -> Outcome<(Dataset, Vec<DatasetRecord>)> {
    if !trial.has(Capability::DatasetStore) {
        return Err(skip("the provider does not export dataset-store"));
    }
    let records = (0..2).map(|number| NewRecord::new(&json!({ "number": number })));
    let new = NewDataset::new(trial.unique("check golden")).records(records);
    let dataset = trial.create_dataset(&trial.project(), &new).await?;
    let wanted = DatasetRef::Id(dataset.id.clone());
    let limit = trial.whole_page();
    let records = trial
        .records(&trial.project(), &wanted, None, limit)
        .await?;
    Ok((dataset, records))
}
