//! What is refused, and nothing is written.

use anyhow::Result;
use roost::contract::{
    DatasetRef, Error, ExperimentStatus, Metric, NewEvaluation, NewExperiment, NewRun,
};
use roost_tests::unique;
use serde_json::json;

use super::{BEGIN, END, dataset, is_conflict, is_missing, run_of};
use crate::{Backend, Service, on_every_backend};

on_every_backend! {
    what_cannot_be_kept_is_refused_with_the_reason,
    a_tenant_never_reaches_the_experiments_of_another;
    not on mlflow:
    what_an_experiment_does_not_have_is_not_found_and_nothing_is_written,
}

async fn what_cannot_be_kept_is_refused_with_the_reason(backend: Backend) -> Result<()> {
    let service = Service::on(backend).await?;
    let tenant = unique("acme");
    let (provider, project) = (service.provider(&tenant)?, service.project(&tenant)?);
    let store = provider.experiments();
    let created = store
        .create_experiment(&project, &NewExperiment::new("e"))
        .await?;
    let run = NewRun::new(BEGIN, END).metric(Metric::new("tokens", 1.0));
    let run = store.log_run(&project, &created.id, &run).await?;

    let none = store
        .create_experiment(&project, &NewExperiment::new("e").repetitions(0))
        .await
        .unwrap_err();
    assert!(none.to_string().contains("repetitions"), "{none}");
    if backend == Backend::Phoenix {
        // What Phoenix has no place for is kept in its metadata, under this key.
        let ours = NewExperiment::new("e").metadata(&json!({ "roost": 1 }));
        let taken = store.create_experiment(&project, &ours).await.unwrap_err();
        assert!(taken.to_string().contains("rename it"), "{taken}");
    }
    let running = store
        .finish_experiment(&project, &created.id, ExperimentStatus::Running)
        .await
        .unwrap_err();
    assert!(running.to_string().contains("no end"), "{running}");
    if backend == Backend::Phoenix {
        // And among evaluations, under this name.
        let named = NewEvaluation::new("roost.run").score(1.0);
        let named = store
            .log_evaluation(&project, &created.id, &run, &named)
            .await;
        assert!(matches!(
            named.unwrap_err().kind(),
            Error::InvalidArgument(_)
        ));
    }
    // Metrics and evaluations of a run share their names.
    let judged = NewEvaluation::new("tokens").score(1.0);
    let judged = store
        .log_evaluation(&project, &created.id, &run, &judged)
        .await;
    assert!(is_conflict(&judged.unwrap_err()));
    let judged = NewEvaluation::new("quality").score(1.0);
    store
        .log_evaluation(&project, &created.id, &run, &judged)
        .await?;
    let metric = [Metric::new("quality", 2.0)];
    let measured = store
        .log_metrics(&project, &created.id, Some(&run), &metric)
        .await;
    assert!(is_conflict(&measured.unwrap_err()));
    assert_eq!(store.list_experiments(&project, None).await?.len(), 1);
    Ok(())
}

async fn a_tenant_never_reaches_the_experiments_of_another(backend: Backend) -> Result<()> {
    let service = Service::on(backend).await?;
    let (acme, globex) = (unique("acme"), unique("globex"));
    let mut made = Vec::new();
    for tenant in [&acme, &globex] {
        let (provider, project) = (service.provider(tenant)?, service.project(tenant)?);
        let (golden, records) = dataset(&provider, &project, "golden", 1).await?;
        let store = provider.experiments();
        let new = NewExperiment::new("e").over(&golden);
        let experiment = store.create_experiment(&project, &new).await?;
        let bare = store
            .create_experiment(&project, &NewExperiment::new("bare"))
            .await?;
        let run = store
            .log_run(&project, &experiment.id, &run_of(&records[0]))
            .await?;
        made.push((golden, records, experiment.id, bare.id, run));
    }
    let (provider, project) = (service.provider(&globex)?, service.project(&globex)?);
    let store = provider.experiments();
    let (golden, records, experiment, bare, run) = &made[0];
    let judged = NewEvaluation::new("q").score(1.0);
    let metric = [Metric::new("m", 1.0)];
    for id in [experiment, bare] {
        assert!(is_missing(
            &store.get_experiment(&project, id).await.unwrap_err()
        ));
        assert!(is_missing(
            &store.list_runs(&project, id).await.unwrap_err()
        ));
        let written = store.log_run(&project, id, &run_of(&records[0])).await;
        assert!(is_missing(&written.unwrap_err()));
        let written = store.log_evaluation(&project, id, run, &judged).await;
        assert!(is_missing(&written.unwrap_err()));
        let written = store.log_metrics(&project, id, None, &metric).await;
        assert!(is_missing(&written.unwrap_err()));
        let ended = store.finish_experiment(&project, id, ExperimentStatus::Failed);
        assert!(is_missing(&ended.await.unwrap_err()));
        assert!(is_missing(
            &store.delete_experiment(&project, id).await.unwrap_err()
        ));
    }
    // Their run in my experiment, their record, their dataset.
    let mine = &made[1].2;
    let written = store.log_evaluation(&project, mine, run, &judged).await;
    assert!(is_missing(&written.unwrap_err()));
    let written = store.log_run(&project, mine, &run_of(&records[0])).await;
    assert!(is_missing(&written.unwrap_err()));
    let over = NewExperiment::new("x").over(golden);
    assert!(is_missing(
        &store.create_experiment(&project, &over).await.unwrap_err()
    ));
    let listed = store.list_experiments(&project, None).await?;
    let listed: Vec<_> = listed.iter().map(|it| &it.id).collect();
    assert_eq!(listed, [&made[1].3, mine]);

    let (provider, project) = (service.provider(&acme)?, service.project(&acme)?);
    let untouched = provider
        .experiments()
        .get_experiment(&project, experiment)
        .await?;
    assert_eq!(untouched.status, ExperimentStatus::Running);
    assert!(untouched.runs.is_empty() && untouched.metrics.is_empty());
    Ok(())
}

async fn what_an_experiment_does_not_have_is_not_found_and_nothing_is_written(
    backend: Backend,
) -> Result<()> {
    let service = Service::on(backend).await?;
    let tenant = unique("acme");
    let (provider, project) = (service.provider(&tenant)?, service.project(&tenant)?);
    let store = provider.experiments();
    let (golden, records) = dataset(&provider, &project, "golden", 1).await?;
    let (other, others) = dataset(&provider, &project, "other", 1).await?;
    let new = NewExperiment::new("e").over(&golden);
    let experiment = store.create_experiment(&project, &new).await?.id;
    let second = store
        .create_experiment(&project, &NewExperiment::new("second").over(&golden))
        .await?
        .id;
    let theirs = store
        .log_run(&project, &second, &run_of(&records[0]))
        .await?;

    let metric = [Metric::new("m", 1.0)];
    let judged = NewEvaluation::new("q").score(1.0);
    // `Experiment:999999999` and `Experiment:x`: Phoenix answers both a run of them with 500.
    for unknown in [
        "RXhwZXJpbWVudDo5OTk5OTk5OTk=",
        "RXhwZXJpbWVudDp4",
        &experiment.to_uppercase(),
        "e",
    ] {
        let run = run_of(&records[0]);
        assert!(is_missing(
            &store.get_experiment(&project, unknown).await.unwrap_err()
        ));
        assert!(is_missing(
            &store.log_run(&project, unknown, &run).await.unwrap_err()
        ));
        assert!(is_missing(
            &store.list_runs(&project, unknown).await.unwrap_err()
        ));
        let measured = store.log_metrics(&project, unknown, None, &metric).await;
        assert!(is_missing(&measured.unwrap_err()));
        let ended = store.finish_experiment(&project, unknown, ExperimentStatus::Failed);
        assert!(is_missing(&ended.await.unwrap_err()));
        assert!(is_missing(
            &store
                .delete_experiment(&project, unknown)
                .await
                .unwrap_err()
        ));
    }
    for unknown in ["RXhwZXJpbWVudFJ1bjo5OTk5OTk5OTk=", "r", &theirs] {
        let written = store.log_evaluation(&project, &experiment, unknown, &judged);
        assert!(is_missing(&written.await.unwrap_err()), "{unknown}");
        let written = store.log_metrics(&project, &experiment, Some(unknown), &metric);
        assert!(is_missing(&written.await.unwrap_err()), "{unknown}");
    }
    for unknown in [&*others[0].id, "RGF0YXNldEV4YW1wbGU6OTk5OTk5OTk5", "x"] {
        let run = NewRun::new(BEGIN, END).record(unknown);
        let written = store.log_run(&project, &experiment, &run).await;
        assert!(is_missing(&written.unwrap_err()), "{unknown}");
    }
    assert!(store.list_runs(&project, &experiment).await?.is_empty());

    let mut foreign_version = NewExperiment::new("x").over(&golden);
    foreign_version.dataset_version = other.version;
    let refused = store.create_experiment(&project, &foreign_version).await;
    assert!(is_missing(&refused.unwrap_err()));
    let unknown = DatasetRef::name("unknown");
    let refused = store.start_experiment(&project, &unknown, NewExperiment::new("x"));
    assert!(is_missing(&refused.await.unwrap_err()));
    let refused = store.list_experiments(&project, Some("RGF0YXNldDo5OTk5OTk5OTk="));
    assert!(is_missing(&refused.await.unwrap_err()));
    Ok(())
}
