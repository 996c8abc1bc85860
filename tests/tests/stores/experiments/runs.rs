//! Runs and their metrics.

use anyhow::Result;
use roost::contract::{
    AnnotatorKind, DatasetRef, Error, Metric, NewEvaluation, NewExperiment, NewRun,
};
use roost_tests::unique;
use serde_json::json;

use super::{BEGIN, END, dataset, is_conflict, is_missing, run_of};
use crate::{Backend, Service, on_every_backend};

on_every_backend! {
    every_step_of_a_metric_can_be_read_and_the_last_one_counts,
    an_experiment_needs_no_dataset_and_keeps_runs_that_come_at_once;
    not on mlflow:
    a_run_that_ended_well_stays_and_a_failed_one_is_replaced,
    a_run_without_its_metrics_is_partly_written_and_says_so,
}

async fn every_step_of_a_metric_can_be_read_and_the_last_one_counts(
    backend: Backend,
) -> Result<()> {
    let service = Service::on(backend).await?;
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
    Ok(())
}

async fn an_experiment_needs_no_dataset_and_keeps_runs_that_come_at_once(
    backend: Backend,
) -> Result<()> {
    let service = Service::on(backend).await?;
    let tenant = unique("acme");
    let (provider, project) = (service.provider(&tenant)?, service.project(&tenant)?);
    let store = provider.experiments();
    let mut ids = Vec::new();
    for name in ["one", "two"] {
        let created = store
            .create_experiment(&project, &NewExperiment::new(name))
            .await?;
        assert_eq!((&created.dataset, &created.dataset_version), (&None, &None));
        ids.push(created.id);
    }
    assert!(
        provider
            .datasets()
            .list_datasets(&project)
            .await?
            .is_empty()
    );
    let hidden = DatasetRef::name("(no dataset)");
    let read = provider
        .datasets()
        .get_dataset(&project, &hidden, None)
        .await;
    assert!(is_missing(&read.unwrap_err()));

    let run = |number: u64| {
        let run = NewRun::new(BEGIN, END).inputs(&json!({ "number": number }));
        match number % 2 {
            0 => run.failed("odd luck"),
            _ => run.outputs(&json!(number)),
        }
    };
    let writes = (0..8).map(|number| {
        let (provider, project, id) = (provider.clone(), project.clone(), ids[0].clone());
        let run = run(number);
        tokio::spawn(async move { provider.experiments().log_run(&project, &id, &run).await })
    });
    for write in writes.collect::<Vec<_>>() {
        write.await??;
    }
    let runs = store.list_runs(&project, &ids[0]).await?;
    let mut contents: Vec<_> = runs.into_iter().map(|it| it.content).collect();
    contents.sort_by(|left, right| left.inputs.cmp(&right.inputs));
    assert_eq!(contents, (0..8).map(run).collect::<Vec<_>>());
    assert!(store.list_runs(&project, &ids[1]).await?.is_empty());
    let read = store.get_experiment(&project, &ids[0]).await?;
    assert_eq!((read.successful_runs, read.failed_runs), (4, 4));

    let with_record = NewRun::new(BEGIN, END).record("RGF0YXNldEV4YW1wbGU6MQ==");
    let refused = store.log_run(&project, &ids[0], &with_record).await;
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("without a record"), "{refused}");
    Ok(())
}

async fn a_run_that_ended_well_stays_and_a_failed_one_is_replaced(backend: Backend) -> Result<()> {
    let service = Service::on(backend).await?;
    let tenant = unique("acme");
    let (provider, project) = (service.provider(&tenant)?, service.project(&tenant)?);
    let store = provider.experiments();
    let (golden, records) = dataset(&provider, &project, "golden", 1).await?;
    let new = NewExperiment::new("e").over(&golden).repetitions(2);
    let experiment = store.create_experiment(&project, &new).await?.id;

    let failed = run_of(&records[0])
        .failed("refused")
        .metric(Metric::new("tokens", 1.0));
    let first = store.log_run(&project, &experiment, &failed).await?;
    let good = run_of(&records[0]).outputs(&json!("owls"));
    let second = store.log_run(&project, &experiment, &good).await?;
    assert_eq!(first, second);
    let again = store.log_run(&project, &experiment, &good).await;
    assert!(is_conflict(&again.unwrap_err()));
    store
        .log_run(&project, &experiment, &good.clone().repetition(2))
        .await?;
    let third = good.clone().repetition(3);
    let third = store.log_run(&project, &experiment, &third).await;
    let third = third.unwrap_err();
    assert!(matches!(third.kind(), Error::InvalidArgument(_)), "{third}");
    assert!(third.to_string().contains("from 1 to 2"), "{third}");

    let runs = store.list_runs(&project, &experiment).await?;
    let contents: Vec<_> = runs.into_iter().map(|it| it.content).collect();
    // What was measured on the failed run went with it.
    assert_eq!(contents, [good.clone(), good.repetition(2)]);
    Ok(())
}

/// Phoenix drops what programs said of a failed run that is replaced, and keeps what people did.
async fn a_run_without_its_metrics_is_partly_written_and_says_so(backend: Backend) -> Result<()> {
    let service = Service::on(backend).await?;
    let tenant = unique("acme");
    let (provider, project) = (service.provider(&tenant)?, service.project(&tenant)?);
    let store = provider.experiments();
    let (golden, records) = dataset(&provider, &project, "golden", 1).await?;
    let new = NewExperiment::new("e").over(&golden);
    let experiment = store.create_experiment(&project, &new).await?.id;
    let run = run_of(&records[0]);
    let failed = run.clone().failed("refused");
    let id = store.log_run(&project, &experiment, &failed).await?;
    let human = NewEvaluation::new("quality").by(AnnotatorKind::Human);
    store
        .log_evaluation(&project, &experiment, &id, &human.label("bad"))
        .await?;

    let run = run.inputs(&json!({ "query": "owls" }));
    let run = run.metric(Metric::new("quality", 1.0));
    let failed = store.log_run(&project, &experiment, &run).await;
    let failed = failed.unwrap_err();
    let Error::Partial(partial) = failed.kind() else {
        panic!("{failed}");
    };
    assert_eq!((partial.accepted, partial.rejected.len()), (1, 1));
    assert_eq!(partial.rejected[0].index, 1);
    assert!(partial.rejected[0].reason.contains(&id), "{failed}");
    let runs = store.list_runs(&project, &experiment).await?;
    assert_eq!(runs[0].content.inputs, run.inputs);
    assert_eq!(runs[0].content.error, None);
    assert_eq!(runs[0].evaluations[0].label.as_deref(), Some("bad"));
    Ok(())
}
