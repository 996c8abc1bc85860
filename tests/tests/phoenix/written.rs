//! Spans whose times and attributes a test chooses, written over Phoenix's own REST: an
//! application's spans take the time they take.

use anyhow::{Result, ensure};
use roost_tests::{Phoenix, eventually, span_id, trace_id};
use serde_json::{Value, json};

use crate::SOON;

/// 2026-11-18T12:00:00Z, in nanoseconds since the epoch.
pub(crate) const NOON: u64 = 1_795_003_200_000_000_000;

/// A root span of its own trace that began some microseconds after noon and took some.
pub(crate) fn span(name: &str, start: u64, latency: u64, attributes: Value) -> Value {
    json!({
        "name": name,
        "context": { "trace_id": trace_id(), "span_id": span_id() },
        "span_kind": attributes.get("openinference.span.kind").unwrap_or(&json!("CHAIN")),
        "start_time": time(start),
        "end_time": time(start + latency),
        "status_code": "OK",
        "attributes": attributes,
    })
}

/// Some microseconds after noon, at most some hours.
pub(crate) fn time(after_noon: u64) -> String {
    let (seconds, fraction) = (after_noon / 1_000_000, after_noon % 1_000_000);
    let (hour, minute, second) = (12 + seconds / 3_600, seconds / 60 % 60, seconds % 60);
    format!("2026-11-18T{hour:02}:{minute:02}:{second:02}.{fraction:06}+00:00")
}

/// Write the spans to a project, which need not be there, in this order, and wait until
/// Phoenix has stored all.
pub(crate) async fn write(phoenix: &Phoenix, project: &str, spans: &[Value]) -> Result<()> {
    let client = reqwest::Client::builder().no_proxy().build()?;
    let address = format!("{}/v1/projects/{project}/spans", phoenix.http_endpoint());
    for spans in spans.chunks(500) {
        let answer = client
            .post(&address)
            .json(&json!({ "data": spans }))
            .send()
            .await?;
        ensure!(answer.status().is_success(), "{}", answer.text().await?);
    }
    let ids: Vec<&Value> = spans
        .iter()
        .map(|span| &span["context"]["span_id"])
        .collect();
    let ids = json!(ids);
    let query = "query ($name: String!, $condition: String!) { getProjectByName(name: $name) {
        recordCount(filterCondition: $condition) } }";
    eventually("the spans are stored", 3 * SOON, async || {
        // Phoenix remembers the answer to a question it has seen.
        let condition = format!("span_id in {ids} and span_id != '{}'", span_id());
        let answer: Value = client
            .post(format!("{}/graphql", phoenix.http_endpoint()))
            .json(&json!({ "query": query, "variables": { "name": project, "condition": condition } }))
            .send()
            .await?
            .json()
            .await?;
        let count = answer.pointer("/data/getProjectByName/recordCount");
        let count = count.and_then(Value::as_u64);
        ensure!(count == Some(spans.len() as u64), "{answer}");
        Ok(())
    })
    .await
}
