//! Experiments, begun, logged to, finished, compared and deleted.

use anyhow::Result;
use roost::ProviderError;
use roost::contract::{
    AnnotatorKind, Dataset, DatasetRecord, DatasetRef, Error, ExperimentStatus, Metric, NewDataset,
    NewEvaluation, NewExperiment, NewRecord, NewRun,
};
use roost::provider::{Measured, Provider};
use roost_tests::{trace_id, unique};
use serde_json::json;

use crate::{Backend, Service, on_every_backend};

/// 2026-11-18T11:27:00Z, and two seconds later.
const BEGIN: u64 = 1_795_001_220_000_000_000;
const END: u64 = BEGIN + 2_000_000_000;

fn is_missing(error: &ProviderError) -> bool {
    matches!(error.kind(), Error::NotFound(_))
}

fn is_conflict(error: &ProviderError) -> bool {
    matches!(error.kind(), Error::Conflict(_))
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

on_every_backend! {
    an_experiment_is_run_measured_and_finished,
    every_step_of_a_metric_can_be_read_and_the_last_one_counts,
    an_experiment_needs_no_dataset_and_keeps_runs_that_come_at_once,
    experiments_are_listed_newest_first_and_compared_with_the_first,
    what_cannot_be_kept_is_refused_with_the_reason,
    a_tenant_never_reaches_the_experiments_of_another;
    not on mlflow:
    deleting_takes_the_runs_along_and_a_dataset_its_experiments,
    a_run_that_ended_well_stays_and_a_failed_one_is_replaced,
    a_run_without_its_metrics_is_partly_written_and_says_so,
    what_an_experiment_does_not_have_is_not_found_and_nothing_is_written,
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

async fn experiments_are_listed_newest_first_and_compared_with_the_first(
    backend: Backend,
) -> Result<()> {
    let service = Service::on(backend).await?;
    let tenant = unique("acme");
    let (provider, project) = (service.provider(&tenant)?, service.project(&tenant)?);
    let store = provider.experiments();
    assert!(store.list_experiments(&project, None).await?.is_empty());
    let (golden, records) = dataset(&provider, &project, "golden", 2).await?;
    let (other, _) = dataset(&provider, &project, "other", 1).await?;
    let mut ids = Vec::new();
    for (name, over) in [
        ("base", Some(&golden)),
        ("bare", None),
        ("aside", Some(&other)),
        ("tuned", Some(&golden)),
    ] {
        let new = NewExperiment::new(name);
        let new = over.map_or(new.clone(), |it| new.over(it));
        ids.push(store.create_experiment(&project, &new).await?.id);
    }
    let names = async |dataset: Option<&str>| -> Result<Vec<String>> {
        let listed = store.list_experiments(&project, dataset).await?;
        Ok(listed.into_iter().map(|it| it.name).collect())
    };
    assert_eq!(names(None).await?, ["tuned", "aside", "bare", "base"]);
    assert_eq!(names(Some(&golden.id)).await?, ["tuned", "base"]);

    for (id, scores) in [(&ids[0], [0.0, 0.5]), (&ids[3], [0.5, 1.0])] {
        for (record, score) in records.iter().zip(scores) {
            let run = store.log_run(&project, id, &run_of(record)).await?;
            let judged = NewEvaluation::new("quality").score(score);
            store.log_evaluation(&project, id, &run, &judged).await?;
        }
    }
    let loss = [Metric::new("loss", 0.25)];
    store.log_metrics(&project, &ids[0], None, &loss).await?;
    let compared = [ids[0].clone(), ids[3].clone()];
    let comparison = store.compare_experiments(&project, &compared).await?;
    assert_eq!(comparison.experiments[1].name, "tuned");
    assert_eq!(comparison.experiments[1].runs, 2);
    let quality = comparison.value("quality").unwrap();
    assert_eq!(quality.of, Measured::Runs);
    assert_eq!(quality.values, [Some(0.25), Some(0.75)]);
    assert_eq!(quality.differences, [Some(0.0), Some(0.5)]);
    assert_eq!(
        comparison.value("loss").unwrap().differences,
        [Some(0.0), None]
    );

    for bad in [vec![ids[0].clone()], vec![ids[0].clone(), ids[0].clone()]] {
        let refused = store.compare_experiments(&project, &bad).await;
        let refused = refused.unwrap_err();
        assert!(matches!(refused.kind(), Error::InvalidArgument(_)));
    }
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

async fn an_experiment_is_run_measured_and_finished(backend: Backend) -> Result<()> {
    let service = Service::on(backend).await?;
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
    Ok(())
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

async fn deleting_takes_the_runs_along_and_a_dataset_its_experiments(
    backend: Backend,
) -> Result<()> {
    let service = Service::on(backend).await?;
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

    store.delete_experiment(&project, &first).await?;
    let gone = store.get_experiment(&project, &first).await;
    assert!(is_missing(&gone.unwrap_err()));

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
