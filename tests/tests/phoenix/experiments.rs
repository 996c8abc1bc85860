//! Experiments, begun, logged to, finished, compared and deleted; what Phoenix has of them is
//! read with its own client or over REST.

use anyhow::Result;
use roost::ProviderError;
use roost::contract::{
    AnnotatorKind, Dataset, DatasetRecord, DatasetRef, Error, ExperimentStatus, Metric, NewDataset,
    NewEvaluation, NewExperiment, NewRecord, NewRun,
};
use roost::provider::Provider;
use roost_tests::{Phoenix, trace_id, unique};
use serde_json::{Value, json};

use crate::{Service, rest};

/// 2026-11-18T11:27:00Z, and two seconds later.
const BEGIN: u64 = 1_795_001_220_000_000_000;
const END: u64 = BEGIN + 2_000_000_000;

fn is_missing(error: &ProviderError) -> bool {
    matches!(error.kind(), Error::NotFound(_))
}

fn run_of(record: &DatasetRecord) -> NewRun {
    NewRun::new(BEGIN, END).record(&record.id)
}

/// A dataset of this many records, and the records.
async fn dataset(
    provider: &Provider,
    project: &str,
    name: &str,
    records: usize,
) -> Result<(Dataset, Vec<DatasetRecord>)> {
    let records = (0..records).map(|it| NewRecord::new(&json!({ "number": it })));
    let new = NewDataset::new(name).records(records);
    let created = provider.datasets().create_dataset(project, new).await?;
    let wanted = DatasetRef::id(created.id);
    Ok(provider
        .datasets()
        .get_dataset(project, &wanted, None)
        .await?)
}

#[tokio::test]
async fn an_experiment_is_run_measured_and_finished_and_phoenix_shows_it() -> Result<()> {
    let phoenix = Phoenix::shared().await?;
    let service = Service::shared().await?;
    let tenant = unique("acme");
    let (provider, project) = (service.provider(&tenant)?, service.project(&tenant)?);
    let store = provider.experiments();
    let (golden, records) = dataset(&provider, &project, "golden", 2).await?;

    let new = NewExperiment::new("first try")
        .description("no tuning")
        .metadata(&json!({ "model": "gpt-4" }));
    let begun = store
        .start_experiment(&project, &DatasetRef::name("golden"), new)
        .await?;
    assert_eq!(begun.status, ExperimentStatus::Running);
    assert_eq!(begun.dataset.as_ref(), Some(&golden.id));
    assert_eq!(begun.dataset_version, golden.version);
    assert_eq!(begun.metadata.as_deref(), Some(r#"{"model":"gpt-4"}"#));

    let trace = trace_id();
    let good = run_of(&records[0])
        .inputs(&json!({ "query": "owls" }))
        .outputs(&json!(["v17", null, 0.5]))
        .metadata(&json!({ "temperature": 0.1 }))
        .trace(&trace)
        .metric(Metric::new("tokens", 12.0));
    let id = store.log_run(&project, &begun.id, &good).await?;
    let bad = run_of(&records[1]).failed("timed out");
    store.log_run(&project, &begun.id, &bad).await?;
    let judged = NewEvaluation::new("quality")
        .by(AnnotatorKind::Llm)
        .score(0.5)
        .label("fair")
        .explanation("too short")
        .metadata(&json!({ "judge": "gpt-4" }));
    store
        .log_evaluation(&project, &begun.id, &id, &judged)
        .await?;
    // The same name again replaces it.
    let judged = judged.score(0.75);
    store
        .log_evaluation(&project, &begun.id, &id, &judged)
        .await?;
    store
        .log_metrics(&project, &begun.id, None, &[Metric::new("accuracy", 0.5)])
        .await?;

    let runs = store.list_runs(&project, &begun.id).await?;
    assert_eq!(runs.len(), 2);
    assert_eq!((&runs[0].id, &runs[0].content), (&id, &good));
    assert_eq!(runs[0].evaluations, [judged]);
    assert_eq!(runs[1].content, bad);

    let finished = store
        .finish_experiment(&project, &begun.id, ExperimentStatus::Completed)
        .await?;
    let read = store.get_experiment(&project, &begun.id).await?;
    assert_eq!(read, finished);
    assert_eq!(read.status, ExperimentStatus::Completed);
    assert!(read.finished_at >= read.created_at);
    assert_eq!((read.successful_runs, read.failed_runs), (1, 1));
    assert_eq!(read.metrics, [Metric::new("accuracy", 0.5)]);
    let got: Vec<_> = read.runs.iter().map(|it| (&*it.name, it.mean)).collect();
    assert_eq!(got, [("quality", Some(0.75)), ("tokens", Some(12.0))]);
    assert_eq!(read.metadata, begun.metadata);

    let (status, there) = rest(phoenix, &format!("v1/experiments/{}", begun.id)).await?;
    assert_eq!((status, &there["data"]["name"]), (200, &json!("first try")));
    assert_eq!(there["data"]["metadata"]["model"], "gpt-4");
    assert_eq!(there["data"]["metadata"]["roost"]["status"], "completed");
    let input = json!({ "experiment": begun.id });
    let seen = phoenix.python("read_experiment.py", &input).await?;
    let theirs = seen["task_runs"].as_array().unwrap();
    let theirs = theirs.iter().find(|it| it["id"] == *id).unwrap();
    assert_eq!(theirs["output"], json!(["v17", null, 0.5]));
    assert_eq!(theirs["trace_id"], trace);
    Ok(())
}

#[tokio::test]
async fn every_step_of_a_metric_can_be_read_and_the_last_one_counts() -> Result<()> {
    let phoenix = Phoenix::shared().await?;
    let service = Service::shared().await?;
    let tenant = unique("acme");
    let (provider, project) = (service.provider(&tenant)?, service.project(&tenant)?);
    let store = provider.experiments();
    let new = NewExperiment::new("training");
    let experiment = store.create_experiment(&project, &new).await?.id;
    let run = NewRun::new(BEGIN, END);
    let run = store.log_run(&project, &experiment, &run).await?;

    let loss = |step: u64| {
        Metric::new("loss", 1.0 / (step + 1) as f64)
            .step(step)
            .time(BEGIN)
    };
    for of in [None, Some(run.as_str())] {
        // At once: none may be lost.
        let writes = (0..8).map(|step| {
            let (provider, project) = (provider.clone(), project.clone());
            let (experiment, of) = (experiment.clone(), of.map(str::to_owned));
            tokio::spawn(async move {
                let store = provider.experiments();
                let metric = [loss(step)];
                store
                    .log_metrics(&project, &experiment, of.as_deref(), &metric)
                    .await
            })
        });
        for write in writes.collect::<Vec<_>>() {
            write.await??;
        }
        store
            .log_metrics(&project, &experiment, of, &[loss(8), loss(9)])
            .await?;
    }
    let all: Vec<_> = (0..10).map(loss).collect();
    let sorted = |mut metrics: Vec<Metric>| {
        metrics.sort_by_key(|it| it.step);
        metrics
    };
    let read = store.get_experiment(&project, &experiment).await?;
    assert_eq!(read.metrics.last(), Some(&loss(9)));
    assert_eq!(sorted(read.metrics), all);
    assert_eq!(read.runs[0].mean, Some(loss(9).value));
    let runs = store.list_runs(&project, &experiment).await?;
    assert_eq!(runs[0].content.metrics.last(), Some(&loss(9)));
    assert_eq!(sorted(runs[0].content.metrics.clone()), all);
    let listed = store.list_experiments(&project, None).await?;
    assert_eq!(listed[0].metrics, [loss(9)]);

    // Phoenix shows the last value as a score.
    let (_, there) = rest(phoenix, &format!("v1/experiments/{experiment}/json")).await?;
    let scores = there[0]["annotations"].as_array().unwrap();
    let score = scores.iter().find(|it| it["name"] == "loss").unwrap();
    assert_eq!(score["score"], loss(9).value);
    Ok(())
}

#[tokio::test]
async fn deleting_takes_the_runs_along_and_a_dataset_its_experiments() -> Result<()> {
    let phoenix = Phoenix::shared().await?;
    let service = Service::shared().await?;
    let tenant = unique("acme");
    let (provider, project) = (service.provider(&tenant)?, service.project(&tenant)?);
    let store = provider.experiments();
    let (golden, records) = dataset(&provider, &project, "golden", 1).await?;
    let new = NewExperiment::new("e").over(&golden);
    let first = store.create_experiment(&project, &new).await?.id;
    let second = store.create_experiment(&project, &new).await?.id;
    store
        .log_run(&project, &first, &run_of(&records[0]))
        .await?;
    let (_, there) = rest(phoenix, &format!("v1/experiments/{first}")).await?;
    let made_for_it = there["data"]["project_name"].as_str().unwrap().to_owned();

    store.delete_experiment(&project, &first).await?;
    let gone = store.get_experiment(&project, &first).await;
    assert!(is_missing(&gone.unwrap_err()));
    assert_eq!(
        rest(phoenix, &format!("v1/experiments/{first}")).await?.0,
        404
    );
    assert_eq!(
        rest(phoenix, &format!("v1/projects/{made_for_it}"))
            .await?
            .0,
        404
    );

    let wanted = DatasetRef::id(golden.id);
    provider
        .datasets()
        .delete_dataset(&project, &wanted)
        .await?;
    let gone = store.get_experiment(&project, &second).await;
    assert!(is_missing(&gone.unwrap_err()));
    assert!(store.list_experiments(&project, None).await?.is_empty());
    Ok(())
}

/// What an evaluation engineer runs with Phoenix's own client over a dataset of the project.
#[tokio::test]
async fn an_experiment_that_others_made_over_a_dataset_is_read_as_well() -> Result<()> {
    let phoenix = Phoenix::shared().await?;
    let service = Service::shared().await?;
    let tenant = unique("acme");
    let (provider, project) = (service.provider(&tenant)?, service.project(&tenant)?);
    dataset(&provider, &project, "golden", 2).await?;
    let input = json!({ "dataset": format!("{project}/golden"), "name": "theirs" });
    let made = phoenix.python("run_experiment.py", &input).await?;
    let id = made["experiment_id"].as_str().unwrap();

    let store = provider.experiments();
    let read = store.get_experiment(&project, id).await?;
    assert_eq!(read.name, "theirs");
    assert_eq!(read.status, ExperimentStatus::Completed);
    assert_eq!(read.successful_runs, 2);
    assert_eq!(read.runs[0].name, "is_even");
    assert_eq!(read.runs[0].mean, Some(0.5));
    let runs = store.list_runs(&project, id).await?;
    let outputs: Vec<Value> = runs
        .iter()
        .map(|it| serde_json::from_str(it.content.outputs.as_deref().unwrap()).unwrap())
        .collect();
    assert!(outputs.contains(&json!(10)), "{outputs:?}");

    // What is kept of it does not make it ours: the traces of its runs stay.
    store
        .log_metrics(&project, id, None, &[Metric::new("loss", 0.5)])
        .await?;
    let (_, there) = rest(phoenix, &format!("v1/experiments/{id}")).await?;
    let traced = there["data"]["project_name"].as_str().unwrap().to_owned();
    store.delete_experiment(&project, id).await?;
    let gone = store.get_experiment(&project, id).await;
    assert!(is_missing(&gone.unwrap_err()));
    let (status, _) = rest(phoenix, &format!("v1/projects/{traced}")).await?;
    assert_eq!(status, 200);
    Ok(())
}
