//! Projects are MLflow's experiments.

use anyhow::Result;
use roost::contract::{Error, SpanSelection, TimeWindow};
use roost::provider::SpanQuery;
use roost_tests::{Mlflow, span_id, trace_id, unique};
use serde_json::json;

use crate::server::{experiment, post, send, span};
use crate::{Service, names};

#[tokio::test]
async fn a_project_is_made_once_and_gone_when_it_is_deleted() -> Result<()> {
    let service = Service::shared().await?;
    let tenant = unique("acme");
    let (provider, project) = (service.provider(&tenant)?, service.project(&tenant)?);
    let query = SpanQuery::new(project.clone(), TimeWindow::all());
    let unknown = provider.traces().get_spans(&query).await.unwrap_err();
    assert!(matches!(unknown.kind(), Error::NotFound(_)), "{unknown}");

    let projects = provider.projects();
    let made = projects.ensure_project(&project, Some("what for")).await?;
    assert_eq!(
        (made.name.as_str(), made.description.as_str()),
        (&*project, "what for")
    );
    assert!(made.created_at.is_some());
    assert_eq!(projects.ensure_project(&project, None).await?, made);
    let listed = projects.list_projects().await?;
    assert!(listed.iter().any(|it| it.name == project));

    service.telemetry.span("work", &tenant).in_scope(|_| ());
    service.delivered().await?;
    assert_eq!(names(&service.spans(&tenant).await?), ["work"]);
    projects.delete_project(&project).await?;
    let gone = provider.traces().get_spans(&query).await.unwrap_err();
    assert!(matches!(gone.kind(), Error::NotFound(_)), "{gone}");
    let again = projects.delete_project(&project).await.unwrap_err();
    assert!(matches!(again.kind(), Error::NotFound(_)), "{again}");

    // MLflow keeps the name of what it deleted; a new project is a new one all the same.
    let anew = projects.ensure_project(&project, None).await?;
    assert_ne!(anew.id, made.id);
    assert!(service.spans(&tenant).await?.is_empty());
    Ok(())
}

/// Whoever deleted an experiment in MLflow may not want to see again what is in it.
#[tokio::test]
async fn a_project_that_was_deleted_in_mlflow_is_neither_read_nor_restored() -> Result<()> {
    let mlflow = Mlflow::shared().await?;
    let service = Service::shared().await?;
    let tenant = unique("acme");
    let (provider, project) = (service.provider(&tenant)?, service.project(&tenant)?);
    let id = experiment(mlflow, &project).await?;
    let body = json!({ "experiment_id": id });
    post(mlflow, "api/2.0/mlflow/experiments/delete", &body).await?;

    let query = SpanQuery::new(project.clone(), TimeWindow::all());
    let error = provider.traces().get_spans(&query).await.unwrap_err();
    assert!(matches!(error.kind(), Error::NotFound(_)), "{error}");
    let error = provider
        .projects()
        .ensure_project(&project, None)
        .await
        .unwrap_err();
    assert!(matches!(error.kind(), Error::Conflict(_)), "{error}");
    assert!(
        error.to_string().contains("mlflow experiments restore"),
        "{error}"
    );
    // MLflow itself would take the span, where nobody sees it.
    service.telemetry.span("work", &tenant).in_scope(|_| ());
    let report = service.telemetry.force_flush(crate::SOON).await;
    assert_eq!((report.delivered, report.dropped), (0, 1));
    Ok(())
}

#[tokio::test]
async fn spans_are_deleted_by_age_and_by_trace() -> Result<()> {
    let mlflow = Mlflow::shared().await?;
    let service = Service::shared().await?;
    let (acme, globex) = (unique("acme"), unique("globex"));
    let (provider, project) = (service.provider(&acme)?, service.project(&acme)?);
    let id = experiment(mlflow, &project).await?;
    let foreign = experiment(mlflow, &service.project(&globex)?).await?;
    let begin = 1_795_168_000_000_000_000;
    let traces: Vec<String> = (0..4).map(|_| trace_id()).collect();
    for (place, trace) in (0..).zip(&traces) {
        let start = begin + place * 1_000_000_000;
        let name = format!("t{place}");
        let experiment = if place == 3 { &foreign } else { &id };
        let spans = [span((trace, &span_id(), ""), &name, start, start + 5)];
        assert_eq!(send(mlflow, experiment, &spans).await?, 200);
    }
    let delete = async |selection: &SpanSelection| {
        provider.projects().delete_spans(&project, selection).await
    };
    delete(&SpanSelection::OlderThan(begin + 1_000_000_000)).await?;
    assert_eq!(names(&service.spans(&acme).await?), ["t1", "t2"]);
    // The last is not this project's, and one is nobody's.
    let ids = vec![traces[2].clone(), traces[3].clone(), trace_id()];
    delete(&SpanSelection::Traces(ids)).await?;
    assert_eq!(names(&service.spans(&acme).await?), ["t1"]);
    assert_eq!(names(&service.spans(&globex).await?), ["t3"]);
    delete(&SpanSelection::OlderThan(0)).await?;
    assert_eq!(names(&service.spans(&acme).await?), ["t1"]);
    Ok(())
}
