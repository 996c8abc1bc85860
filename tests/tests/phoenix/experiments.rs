//! Experiments as Phoenix itself has them, read with its own client or over REST, and those that
//! its client made. What they are through Roost is in the tests of the stores.

use anyhow::Result;
use roost::ProviderError;
use roost::contract::{
    Dataset, DatasetRef, Error, ExperimentStatus, Metric, NewDataset, NewExperiment, NewRecord,
    NewRun,
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

/// A dataset of this many records.
async fn dataset(provider: &Provider, project: &str, records: usize) -> Result<Dataset> {
    let records = (0..records).map(|it| NewRecord::new(&json!({ "number": it })));
    let new = NewDataset::new("golden").records(records);
    Ok(provider.datasets().create_dataset(project, new).await?)
}

#[tokio::test]
async fn phoenix_shows_a_finished_experiment_and_its_runs() -> Result<()> {
    let phoenix = Phoenix::shared().await?;
    let service = Service::shared().await?;
    let tenant = unique("acme");
    let (provider, project) = (service.provider(&tenant)?, service.project(&tenant)?);
    let store = provider.experiments();
    let golden = dataset(&provider, &project, 1).await?;
    let new = NewExperiment::new("first try").metadata(&json!({ "model": "gpt-4" }));
    let new = new.over(&golden);
    let experiment = store.create_experiment(&project, &new).await?.id;
    let golden = DatasetRef::id(golden.id);
    let (_, records) = provider
        .datasets()
        .get_dataset(&project, &golden, None)
        .await?;
    let trace = trace_id();
    let run = NewRun::new(BEGIN, END)
        .record(&records[0].id)
        .outputs(&json!(["v17", null, 0.5]))
        .trace(&trace);
    let run = store.log_run(&project, &experiment, &run).await?;
    store
        .finish_experiment(&project, &experiment, ExperimentStatus::Completed)
        .await?;

    let (status, there) = rest(phoenix, &format!("v1/experiments/{experiment}")).await?;
    assert_eq!((status, &there["data"]["name"]), (200, &json!("first try")));
    assert_eq!(there["data"]["metadata"]["model"], "gpt-4");
    assert_eq!(there["data"]["metadata"]["roost"]["status"], "completed");
    let input = json!({ "experiment": experiment });
    let seen = phoenix.python("read_experiment.py", &input).await?;
    let theirs = seen["task_runs"].as_array().unwrap();
    let theirs = theirs.iter().find(|it| it["id"] == *run).unwrap();
    assert_eq!(theirs["output"], json!(["v17", null, 0.5]));
    assert_eq!(theirs["trace_id"], trace);
    Ok(())
}

#[tokio::test]
async fn phoenix_shows_the_last_value_of_a_metric_as_a_score() -> Result<()> {
    let phoenix = Phoenix::shared().await?;
    let service = Service::shared().await?;
    let tenant = unique("acme");
    let (provider, project) = (service.provider(&tenant)?, service.project(&tenant)?);
    let store = provider.experiments();
    let new = NewExperiment::new("training");
    let experiment = store.create_experiment(&project, &new).await?.id;
    let run = NewRun::new(BEGIN, END);
    let run = store.log_run(&project, &experiment, &run).await?;
    let steps = [(0, 1.0), (1, 0.25)].map(|(step, loss)| Metric::new("loss", loss).step(step));
    store
        .log_metrics(&project, &experiment, Some(&run), &steps)
        .await?;

    let (_, there) = rest(phoenix, &format!("v1/experiments/{experiment}/json")).await?;
    let scores = there[0]["annotations"].as_array().unwrap();
    let score = scores.iter().find(|it| it["name"] == "loss").unwrap();
    assert_eq!(score["score"], 0.25);
    Ok(())
}

#[tokio::test]
async fn deleting_leaves_nothing_in_phoenix() -> Result<()> {
    let phoenix = Phoenix::shared().await?;
    let service = Service::shared().await?;
    let tenant = unique("acme");
    let (provider, project) = (service.provider(&tenant)?, service.project(&tenant)?);
    let store = provider.experiments();
    let golden = dataset(&provider, &project, 1).await?;
    let new = NewExperiment::new("e").over(&golden);
    let experiment = store.create_experiment(&project, &new).await?.id;
    let address = format!("v1/experiments/{experiment}");
    let (_, there) = rest(phoenix, &address).await?;
    let made_for_it = there["data"]["project_name"].as_str().unwrap().to_owned();

    store.delete_experiment(&project, &experiment).await?;
    for gone in [address, format!("v1/projects/{made_for_it}")] {
        assert_eq!(rest(phoenix, &gone).await?.0, 404, "{gone}");
    }
    Ok(())
}

/// What an evaluation engineer runs with Phoenix's own client over a dataset of the project.
#[tokio::test]
async fn an_experiment_that_others_made_over_a_dataset_is_read_as_well() -> Result<()> {
    let phoenix = Phoenix::shared().await?;
    let service = Service::shared().await?;
    let tenant = unique("acme");
    let (provider, project) = (service.provider(&tenant)?, service.project(&tenant)?);
    dataset(&provider, &project, 2).await?;
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
