//! What Roost wrote, as MLflow's own client reads it.

use anyhow::Result;
use roost::contract::{
    AnnotatorKind, ExperimentStatus, Metric, NewAnnotation, NewDataset, NewEvaluation,
    NewExperiment, NewRecord, NewRun, SpanRef, Target,
};
use roost_tests::{Mlflow, unique};
use serde_json::json;

use crate::Service;

#[tokio::test]
async fn the_official_client_finds_everything_where_it_belongs() -> Result<()> {
    let mlflow = Mlflow::shared().await?;
    let service = Service::shared().await?;
    let tenant = unique("acme");
    let (provider, project) = (service.provider(&tenant)?, service.project(&tenant)?);
    service
        .telemetry
        .session_span("ask", &tenant, "chat 7")
        .kind("LLM")
        .in_scope(|span| span.set_attribute("llm.model_name", "gpt-4o"));
    service.delivered().await?;
    let span = service.spans(&tenant).await?.remove(0);

    let target = Target::Span(SpanRef::new(span.trace_id.as_str(), span.span_id.as_str()));
    let note = NewAnnotation::new(target, "quality")
        .by(AnnotatorKind::Llm)
        .score(0.75)
        .explanation("short");
    provider
        .annotations()
        .add_annotation(&project, note)
        .await?;

    let record = NewRecord::new(&json!({ "q": "owls" })).output(&json!({ "a": "v17" }));
    let dataset = NewDataset::new("golden").record(record.key("q-1").split("test"));
    let dataset = provider
        .datasets()
        .create_dataset(&project, dataset)
        .await?;
    let wanted = roost::contract::DatasetRef::id(&dataset.id);
    let (_, records) = provider
        .datasets()
        .get_dataset(&project, &wanted, None)
        .await?;

    let store = provider.experiments();
    let new = NewExperiment::new("first try").over(&dataset);
    let experiment = store.create_experiment(&project, &new).await?.id;
    let run = NewRun::new(span.start_time, span.end_time).record(&records[0].id);
    let run = run.metric(Metric::new("tokens", 12.0));
    let run = store.log_run(&project, &experiment, &run).await?;
    let judged = NewEvaluation::new("correct").score(1.0);
    store
        .log_evaluation(&project, &experiment, &run, &judged)
        .await?;
    let losses = [0.5, 0.25].iter().zip(0..);
    let losses: Vec<_> = losses
        .map(|(loss, step)| Metric::new("loss", *loss).step(step))
        .collect();
    store
        .log_metrics(&project, &experiment, None, &losses)
        .await?;
    store
        .finish_experiment(&project, &experiment, ExperimentStatus::Completed)
        .await?;

    let seen = mlflow
        .python(
            "read_mlflow.py",
            &json!({
                "experiment": project,
                "trace": span.trace_id,
                "dataset": dataset.id,
                "run": experiment,
            }),
        )
        .await?;
    assert_eq!(seen["in_experiment"], true);
    assert_eq!(seen["session"], "chat 7");
    assert_eq!(seen["spans"][0]["name"], "ask");
    assert_eq!(seen["spans"][0]["type"], "LLM");
    assert_eq!(seen["spans"][0]["attributes"]["llm.model_name"], "gpt-4o");
    assert_eq!(
        seen["assessments"],
        json!([{
            "name": "quality", "value": 0.75, "rationale": "short", "source": "LLM_JUDGE",
            "span": span.span_id,
        }])
    );
    assert_eq!(
        seen["records"],
        json!([{ "inputs": { "q": "owls" }, "expectations": { "a": "v17" } }])
    );
    assert_eq!(seen["run"]["name"], "first try");
    assert_eq!(seen["run"]["status"], "FINISHED");
    assert_eq!(seen["run"]["metrics"], json!({ "loss": 0.25 }));
    assert_eq!(seen["run"]["history"], json!([[0, 0.5], [1, 0.25]]));
    let metrics = json!({ "tokens": 12.0, "correct": 1.0 });
    assert_eq!(
        seen["runs"],
        json!([{ "status": "FINISHED", "metrics": metrics }])
    );
    Ok(())
}
