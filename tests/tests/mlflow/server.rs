//! MLflow's own API, for what only it can do, and for a second opinion.

use anyhow::{Context, Result};
use roost_tests::Mlflow;
use serde_json::{Value, json};

use crate::SOON;

/// Answers of MLflow to `POST`: the status, and the body where it is JSON.
pub(crate) async fn post(mlflow: &Mlflow, path: &str, body: &Value) -> Result<(u16, Value)> {
    post_with(mlflow, path, None, body).await
}

async fn post_with(
    mlflow: &Mlflow,
    path: &str,
    experiment: Option<&str>,
    body: &Value,
) -> Result<(u16, Value)> {
    let client = reqwest::Client::builder()
        .no_proxy()
        .timeout(SOON)
        .build()?;
    let mut request = client
        .post(format!("{}/{path}", mlflow.http_endpoint()))
        .json(body);
    if let Some(experiment) = experiment {
        request = request.header("x-mlflow-experiment-id", experiment);
    }
    let answer = request.send().await?;
    let status = answer.status().as_u16();
    Ok((status, answer.json().await.unwrap_or_default()))
}

/// Make an experiment; returned is its id.
pub(crate) async fn experiment(mlflow: &Mlflow, name: &str) -> Result<String> {
    let body = json!({ "name": name });
    let (_, answer) = post(mlflow, "api/2.0/mlflow/experiments/create", &body).await?;
    let id = answer["experiment_id"].as_str();
    Ok(id.context("no id in MLflow's answer")?.to_owned())
}

/// A span for [`send`]: its ids in hexadecimal digits, its parent's empty for a root.
pub(crate) fn span(ids: (&str, &str, &str), name: &str, start: u64, end: u64) -> Value {
    let (trace, span, parent) = ids;
    json!({
        "traceId": trace, "spanId": span, "parentSpanId": parent, "name": name,
        "startTimeUnixNano": start.to_string(), "endTimeUnixNano": end.to_string(),
    })
}

/// Store spans over OTLP; whatever `experiment` is, it is sent in the header.
pub(crate) async fn send(mlflow: &Mlflow, experiment: &str, spans: &[Value]) -> Result<u16> {
    let body = json!({ "resourceSpans": [{ "scopeSpans": [{ "spans": spans }] }] });
    let (status, _) = post_with(mlflow, "v1/traces", Some(experiment), &body).await?;
    Ok(status)
}
