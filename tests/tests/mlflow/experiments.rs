//! Experiments are runs of MLflow, with more below them.

use anyhow::Result;
use roost::contract::{
    AnnotatorKind, DatasetRef, Error, ExperimentStatus, Metric, NewDataset, NewEvaluation,
    NewExperiment, NewRecord, NewRun,
};
use roost_tests::{Mlflow, trace_id, unique};
use serde_json::json;

use crate::Service;
use crate::server::{experiment, post};

const BEGIN: u64 = 1_795_001_220_123_456_789;
const END: u64 = BEGIN + 2_000_000_000;

#[tokio::test]
async fn an_experiment_is_run_measured_and_finished() -> Result<()> {
    let service = Service::shared().await?;
    let tenant = unique("acme");
    let (provider, project) = (service.provider(&tenant)?, service.project(&tenant)?);
    let new = NewDataset::new("golden").records((0..2).map(|n| NewRecord::new(&json!({ "n": n }))));
    let golden = provider.datasets().create_dataset(&project, new).await?;
    let wanted = DatasetRef::id(&golden.id);
    let (_, records) = provider
        .datasets()
        .get_dataset(&project, &wanted, None)
        .await?;
    let store = provider.experiments();
    let new = NewExperiment::new("first ü").description("no tuning");
    let new = new
        .metadata(&json!({ "model": "gpt-4" }))
        .over(&golden)
        .repetitions(2);
    let begun = store.create_experiment(&project, &new).await?;
    assert_eq!(begun.status, ExperimentStatus::Running);
    assert_eq!(
        (&begun.dataset, &begun.dataset_version),
        (&Some(golden.id), &None)
    );

    // More than a tag of MLflow holds.
    let long = "größer ".repeat(5_000);
    let good = NewRun::new(BEGIN, END)
        .record(&records[0].id)
        .inputs(&json!({ "query": long }))
        .outputs(&json!(["v17", null, 0.5]))
        .metadata(&json!({ "temperature": 0.1 }))
        .trace(trace_id())
        .metric(Metric::new("tokens", 12.0))
        .metric(Metric::new("tokens", 14.0));
    let id = store.log_run(&project, &begun.id, &good).await?;
    let again = store.log_run(&project, &begun.id, &good).await.unwrap_err();
    assert!(matches!(again.kind(), Error::Conflict(_)), "{again}");
    let bad = NewRun::new(BEGIN, END)
        .record(&records[1].id)
        .failed("timed out");
    store.log_run(&project, &begun.id, &bad).await?;
    let mended = NewRun::new(BEGIN, END).record(&records[1].id).repetition(1);
    store.log_run(&project, &begun.id, &mended).await?;
    let failed = NewRun::new(BEGIN, END)
        .record(&records[1].id)
        .repetition(2)
        .failed("no");
    store.log_run(&project, &begun.id, &failed).await?;
    let third = good.clone().repetition(3);
    let third = store
        .log_run(&project, &begun.id, &third)
        .await
        .unwrap_err();
    assert!(matches!(third.kind(), Error::InvalidArgument(_)), "{third}");
    let unknown = NewRun::new(BEGIN, END).record("dr-0");
    let unknown = store
        .log_run(&project, &begun.id, &unknown)
        .await
        .unwrap_err();
    assert!(matches!(unknown.kind(), Error::NotFound(_)), "{unknown}");

    let judged = NewEvaluation::new("größe?")
        .by(AnnotatorKind::Llm)
        .label("fair");
    let judged = judged.metadata(&json!({ "judge": "gpt-4" }));
    for score in [0.5, 0.75] {
        let judged = judged.clone().score(score);
        store
            .log_evaluation(&project, &begun.id, &id, &judged)
            .await?;
    }
    let taken = NewEvaluation::new("tokens").score(1.0);
    let taken = store
        .log_evaluation(&project, &begun.id, &id, &taken)
        .await
        .unwrap_err();
    assert!(matches!(taken.kind(), Error::Conflict(_)), "{taken}");
    let step = |step: u64| Metric::new("loss", 1.0 / (step + 1) as f64).step(step);
    let timed = Metric::new("accuracy", 0.5).time(BEGIN / 1_000_000 * 1_000_000);
    for metrics in [vec![step(0), step(1)], vec![timed.clone(), step(2)]] {
        store
            .log_metrics(&project, &begun.id, None, &metrics)
            .await?;
    }

    let runs = store.list_runs(&project, &begun.id).await?;
    let contents: Vec<_> = runs.iter().map(|it| &it.content).collect();
    assert_eq!(contents, [&good, &mended, &failed]);
    assert_eq!(runs[0].evaluations, [judged.score(0.75)]);
    let ended = store
        .finish_experiment(&project, &begun.id, ExperimentStatus::Cancelled)
        .await?;
    let read = store.get_experiment(&project, &begun.id).await?;
    assert_eq!(read, ended);
    assert_eq!(read.status, ExperimentStatus::Cancelled);
    assert!(read.finished_at >= read.created_at);
    assert_eq!(
        (read.name.as_str(), read.description.as_str()),
        ("first ü", "no tuning")
    );
    assert_eq!(read.metadata.as_deref(), Some(r#"{"model":"gpt-4"}"#));
    assert_eq!((read.successful_runs, read.failed_runs), (2, 1));
    assert_eq!(read.metrics, [timed.clone(), step(0), step(1), step(2)]);
    let got: Vec<_> = read
        .runs
        .iter()
        .map(|it| (&*it.name, it.count, it.mean))
        .collect();
    assert_eq!(got, [("größe?", 1, Some(0.75)), ("tokens", 1, Some(14.0))]);
    let listed = store
        .list_experiments(&project, read.dataset.as_deref())
        .await?;
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].metrics.len(), 2);

    store.delete_experiment(&project, &begun.id).await?;
    let gone = store.list_runs(&project, &begun.id).await.unwrap_err();
    assert!(matches!(gone.kind(), Error::NotFound(_)), "{gone}");
    assert!(store.list_experiments(&project, None).await?.is_empty());
    Ok(())
}

#[tokio::test]
async fn runs_of_others_and_of_other_projects_are_left_alone() -> Result<()> {
    let mlflow = Mlflow::shared().await?;
    let service = Service::shared().await?;
    let (acme, globex) = (unique("acme"), unique("globex"));
    let (owner, project) = (service.provider(&acme)?, service.project(&acme)?);
    let (intruder, other) = (service.provider(&globex)?, service.project(&globex)?);
    experiment(mlflow, &other).await?;
    let store = owner.experiments();
    let ours = store
        .create_experiment(&project, &NewExperiment::new("e"))
        .await?
        .id;
    let run = NewRun::new(BEGIN, END);
    let run = store.log_run(&project, &ours, &run).await?;
    let id = owner.projects().ensure_project(&project, None).await?.id;
    let body = json!({ "experiment_id": id, "run_name": "theirs" });
    let (_, theirs) = post(mlflow, "api/2.0/mlflow/runs/create", &body).await?;
    let theirs = theirs["run"]["info"]["run_id"].as_str().unwrap();

    let metric = [Metric::new("m", 1.0)];
    for (provider, project, id) in [
        (&intruder, &other, ours.as_str()),
        (&owner, &project, theirs),
        (&owner, &project, run.as_str()),
        (&owner, &project, "../experiments"),
    ] {
        let store = provider.experiments();
        for error in [
            store.get_experiment(project, id).await.unwrap_err(),
            store.list_runs(project, id).await.unwrap_err(),
            store
                .log_metrics(project, id, None, &metric)
                .await
                .unwrap_err(),
            store.delete_experiment(project, id).await.unwrap_err(),
        ] {
            assert!(matches!(error.kind(), Error::NotFound(_)), "{id}: {error}");
        }
    }
    let measured = store
        .log_metrics(&project, &ours, Some(theirs), &metric)
        .await;
    assert!(matches!(measured.unwrap_err().kind(), Error::NotFound(_)));
    let listed = store.list_experiments(&project, None).await?;
    assert_eq!(listed.iter().map(|it| &it.id).collect::<Vec<_>>(), [&ours]);
    // A name that MLflow does not take: nothing is left behind.
    let odd = NewRun::new(BEGIN, END).metric(Metric::new("größe?", 1.0));
    let odd = store.log_run(&project, &ours, &odd).await.unwrap_err();
    assert!(matches!(odd.kind(), Error::InvalidArgument(_)), "{odd}");
    assert_eq!(store.list_runs(&project, &ours).await?.len(), 1);
    Ok(())
}
