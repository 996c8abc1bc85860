//! An experiment from its beginning to its end.

use anyhow::Result;
use roost::contract::{
    AnnotatorKind, DatasetRef, Error, ExperimentStatus, Metric, NewEvaluation, NewExperiment,
};
use roost::provider::Measured;
use roost_tests::{trace_id, unique};
use serde_json::json;

use super::{dataset, is_missing, run_of};
use crate::{Backend, Service, on_every_backend};

on_every_backend! {
    an_experiment_is_run_measured_and_finished,
    experiments_are_listed_newest_first_and_compared_with_the_first;
    not on mlflow:
    deleting_takes_the_runs_along_and_a_dataset_its_experiments,
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
