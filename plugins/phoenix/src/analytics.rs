//! `analytics-store`, over GraphQL: what Phoenix counts itself.
//!
//! Only what means exactly the contract's number is answered. The rest is `unsupported`, for
//! the host to compute: Phoenix has no mean of latencies, counts tokens only of LLM spans
//! without an LLM span below them, and takes costs from its own price list.
//!
//! Phoenix remembers the answers to these questions for an hour and does not always notice
//! that spans were deleted. So every question carries a condition that no other has.

use std::collections::BTreeMap;

use roost_provider::{Error, time};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::bindings::analytics_store::{DataPoint, Guest, MetricName, MetricsQuery};
use crate::condition::instant;
use crate::phoenix::phoenix;
use crate::{Provider, Result, projects};

impl Guest for Provider {
    fn get_metrics(query: MetricsQuery) -> Result<Vec<DataPoint>> {
        if query.bucket.is_some() || !query.group_by.is_empty() {
            return Err(unsupported("buckets and groups"));
        }
        let (start, end) = (instant(query.window.start), instant(query.window.end));
        let all = format!(
            "start_time >= {start} and start_time < {end} and span_id != \"{}\"",
            nonce()
        );
        let mut conditions = BTreeMap::from([("all", all.clone())]);
        // The count is needed for every rate.
        let mut fields = vec![count("spans", "all")];
        for metric in &query.metrics {
            match metric {
                MetricName::SpanCount => {}
                MetricName::TraceCount => {
                    fields.push("traces: traceCount(filterCondition: $all)".to_owned());
                }
                MetricName::ErrorRate => {
                    conditions.insert("failed", format!("{all} and status_code == \"ERROR\""));
                    fields.push(count("errors", "failed"));
                }
                MetricName::LatencyP50 | MetricName::LatencyP95 | MetricName::LatencyP99 => {
                    let (name, probability) = percentile(*metric);
                    fields.push(format!(
                        "{name}: spanLatencyMsQuantile(probability: {probability}, filterCondition: $all)"
                    ));
                    conditions.insert("backwards", format!("{all} and latency_ms < 0"));
                    fields.push(count("backwards", "backwards"));
                }
                _ => return Err(unsupported("this metric")),
            }
        }
        fields.sort_unstable();
        fields.dedup();
        let found = ask(&query.project, &conditions, &fields)?;
        if found.number("backwards").is_some_and(|count| count > 0.0) {
            return Err(unsupported("spans that end before they begin"));
        }
        let points = query.metrics.iter().map(|metric| DataPoint {
            metric: *metric,
            time: query.window.start,
            group: Vec::new(),
            value: found.value(*metric),
        });
        Ok(points.collect())
    }
}

/// What Phoenix counted, by the names it was asked under.
#[derive(Deserialize)]
struct Found(BTreeMap<String, Option<f64>>);

impl Found {
    fn number(&self, name: &str) -> Option<f64> {
        self.0.get(name).copied().flatten()
    }

    fn value(&self, metric: MetricName) -> Option<f64> {
        let spans = self.number("spans").filter(|count| *count > 0.0);
        match metric {
            MetricName::SpanCount => self.number("spans"),
            MetricName::TraceCount => self.number("traces"),
            MetricName::ErrorRate => Some(self.number("errors")? / spans?),
            metric => self.number(percentile(metric).0),
        }
    }
}

fn ask(project: &str, conditions: &BTreeMap<&str, String>, fields: &[String]) -> Result<Found> {
    #[derive(Deserialize)]
    struct Data {
        #[serde(rename = "getProjectByName")]
        project: Option<Found>,
    }

    let declared: Vec<String> = conditions
        .keys()
        .map(|name| format!("${name}: String!"))
        .collect();
    let document = format!(
        "query ($name: String!, {}) {{ getProjectByName(name: $name) {{ {} }} }}",
        declared.join(", "),
        fields.join(" ")
    );
    let mut variables = json!({ "name": project });
    if let Value::Object(variables) = &mut variables {
        for (name, condition) in conditions {
            variables.insert((*name).to_owned(), json!(condition));
        }
    }
    let data: Data = phoenix()?.graphql(&document, variables)?;
    data.project.ok_or_else(|| projects::unknown(project))
}

fn count(name: &str, condition: &str) -> String {
    format!("{name}: recordCount(filterCondition: ${condition})")
}

fn percentile(metric: MetricName) -> (&'static str, f64) {
    match metric {
        MetricName::LatencyP50 => ("p50", 0.5),
        MetricName::LatencyP95 => ("p95", 0.95),
        _ => ("p99", 0.99),
    }
}

/// An id that no span has, another one at every question.
fn nonce() -> String {
    format!("{:x}-{:x}", time::now(), time::monotonic())
}

fn unsupported(what: &str) -> Error {
    Error::Unsupported(format!(
        "Phoenix does not aggregate {what} as the contract means it"
    ))
}
