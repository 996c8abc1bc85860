//! Numbers over many spans: what Phoenix counts, what the host computes and what Python
//! computes from Phoenix's own client are the same.

use std::collections::BTreeMap;

use anyhow::Result;
use roost::contract::{DataPoint, Error, GroupKey, MetricName, MetricsQuery, TimeWindow};
use roost::provider::Provider;
use roost_tests::{Phoenix, trace_id, unique};
use serde_json::{Value, json};

use crate::Service;
use crate::written::{NOON, span, write};

const ALL: [MetricName; 11] = [
    MetricName::SpanCount,
    MetricName::TraceCount,
    MetricName::LatencyMean,
    MetricName::LatencyP50,
    MetricName::LatencyP95,
    MetricName::LatencyP99,
    MetricName::ErrorRate,
    MetricName::PromptTokens,
    MetricName::CompletionTokens,
    MetricName::TotalTokens,
    MetricName::Cost,
];

/// What Phoenix counts itself.
const COUNTED: [MetricName; 6] = [
    MetricName::SpanCount,
    MetricName::TraceCount,
    MetricName::LatencyP50,
    MetricName::LatencyP95,
    MetricName::LatencyP99,
    MetricName::ErrorRate,
];

const SECOND: u64 = 1_000_000_000;

/// Two an instant, four a trace, of three models and none, every seventh failed.
fn spans(count: u64) -> Vec<Value> {
    let mut trace = trace_id();
    (0..count)
        .map(|place| {
            if place % 4 == 0 {
                trace = trace_id();
            }
            let mut attributes = json!({ "openinference.span.kind": "CHAIN" });
            if place % 4 != 0 {
                let model = ["small", "medium", "large"][place as usize % 3];
                attributes = json!({
                    "openinference.span.kind": "LLM",
                    "llm.model_name": model,
                    "llm.token_count.prompt": place % 100,
                    "llm.token_count.completion": place % 7,
                    "llm.token_count.total": place % 100 + place % 7,
                    "llm.cost.total": (place % 5) as f64 / 4.0,
                });
            }
            let latency = place * 7_919 % 10_007;
            let mut span = span("work", place / 2 * 10_000, latency, attributes);
            span["context"]["trace_id"] = json!(trace);
            if place % 7 == 0 {
                span["status_code"] = json!("ERROR");
            }
            span
        })
        .collect()
}

fn values(points: &[DataPoint]) -> BTreeMap<String, Option<f64>> {
    let named = |point: &DataPoint| (name(point.metric), point.value);
    points.iter().map(named).collect()
}

/// A metric's name as `measure_spans.py` writes it.
fn name(metric: MetricName) -> String {
    format!("{metric:?}").replace("MetricName::", "")
}

fn same(left: Option<f64>, right: Option<f64>) -> bool {
    match (left, right) {
        (Some(left), Some(right)) => (left - right).abs() <= 1e-9 * right.abs().max(1.0),
        (left, right) => left == right,
    }
}

/// The backend's values, which are the host's as well.
async fn agreed(provider: &Provider, query: &MetricsQuery) -> Result<Vec<DataPoint>> {
    let analytics = provider.analytics();
    let answered = analytics.get_metrics(query).await?;
    let computed = analytics.compute_metrics(query).await?;
    assert_eq!(answered.len(), computed.len());
    for (answered, computed) in answered.iter().zip(&computed) {
        assert_eq!(answered.metric, computed.metric);
        assert_eq!(answered.time, computed.time);
        assert_eq!(answered.group, computed.group);
        assert!(
            same(answered.value, computed.value),
            "{answered:?} {computed:?}"
        );
    }
    Ok(answered)
}

#[tokio::test]
async fn phoenix_the_host_and_python_count_the_same() -> Result<()> {
    let phoenix = Phoenix::shared().await?;
    let service = Service::shared().await?;
    let tenant = unique("acme");
    let (provider, project) = (service.provider(&tenant)?, service.project(&tenant)?);
    write(phoenix, &project, &spans(2_000)).await?;
    let input = json!({ "project": project });
    let python = phoenix.python("measure_spans.py", &input).await?;

    let query = |metrics: &[MetricName], window| {
        MetricsQuery::new(project.as_str(), metrics.to_vec(), window)
    };
    for metrics in [&COUNTED[..], &ALL] {
        let found = agreed(&provider, &query(metrics, TimeWindow::all())).await?;
        assert_eq!(found.len(), metrics.len());
        for (name, value) in values(&found) {
            assert!(
                same(value, python[&name].as_f64()),
                "{name}: {value:?} {python}"
            );
        }
    }

    let statistics = provider
        .analytics()
        .get_trace_statistics(&project, TimeWindow::all())
        .await?;
    assert_eq!(statistics.count, 2_000);
    for (value, name) in [
        (statistics.mean_latency_ms, "LatencyMean"),
        (statistics.p50_latency_ms, "LatencyP50"),
        (statistics.p95_latency_ms, "LatencyP95"),
        (statistics.p99_latency_ms, "LatencyP99"),
        (statistics.error_rate, "ErrorRate"),
    ] {
        assert!(
            same(value, python[name].as_f64()),
            "{statistics:?} {python}"
        );
    }

    // Windows that cut instants and traces in two; one without a span, and one of a span.
    for (start, end, count) in [
        (0, 10_000_000, 2),
        (10_000_000, 20_000_001, 4),
        (5_000_001, 123_456_789, 24),
        (3_600 * SECOND, 7_200 * SECOND, 0),
        (0, 0, 0),
    ] {
        let window = TimeWindow::new(NOON + start, NOON + end);
        let found = agreed(&provider, &query(&COUNTED, window)).await?;
        let found = values(&found);
        assert_eq!(found["SpanCount"], Some(f64::from(count)), "{window:?}");
        if count == 0 {
            assert_eq!(found["TraceCount"], Some(0.0));
            assert_eq!(found["LatencyP95"], None);
            assert_eq!(found["ErrorRate"], None);
        }
    }

    // A bucket of a second has 200 spans; every fourth span has no model.
    let mut bucketed = query(&ALL, TimeWindow::new(NOON, NOON + 60 * SECOND));
    bucketed.bucket = Some(SECOND);
    bucketed.group_by = vec![GroupKey::Attribute("llm.model_name".to_owned())];
    let points = agreed(&provider, &bucketed).await?;
    assert_eq!(points.len(), 10 * 4 * ALL.len());
    let sum = |metric, group: Option<&str>| -> f64 {
        let fits = |point: &&DataPoint| {
            point.metric == metric && (point.group[0].as_deref() == group || group == Some("all"))
        };
        points.iter().filter(fits).filter_map(|it| it.value).sum()
    };
    assert_eq!(sum(MetricName::SpanCount, None), 500.0);
    assert_eq!(sum(MetricName::TotalTokens, None), 0.0);
    for name in [
        "SpanCount",
        "PromptTokens",
        "CompletionTokens",
        "TotalTokens",
        "Cost",
    ] {
        let metric = ALL.into_iter().find(|it| self::name(*it) == name).unwrap();
        assert!(
            same(Some(sum(metric, Some("all"))), python[name].as_f64()),
            "{name}"
        );
    }
    assert!(
        points
            .iter()
            .all(|point| (point.time - NOON).is_multiple_of(SECOND))
    );

    let mut grouped = query(&[MetricName::SpanCount], TimeWindow::all());
    grouped.group_by = vec![GroupKey::Status, GroupKey::Kind, GroupKey::Name];
    let groups = agreed(&provider, &grouped).await?;
    let groups: Vec<String> = groups
        .iter()
        .map(|point| {
            point
                .group
                .iter()
                .flatten()
                .cloned()
                .collect::<Vec<_>>()
                .join(" ")
        })
        .collect();
    assert_eq!(
        groups,
        [
            "ERROR CHAIN work",
            "ERROR LLM work",
            "OK CHAIN work",
            "OK LLM work"
        ]
    );
    Ok(())
}

/// Phoenix remembers numbers and does not notice every change.
#[tokio::test]
async fn numbers_are_not_those_of_before() -> Result<()> {
    let phoenix = Phoenix::shared().await?;
    let service = Service::shared().await?;
    let tenant = unique("acme");
    // What others write is none of Roost's own memory's business.
    let provider = service.provider(&tenant)?.uncached();
    let project = service.project(&tenant)?;
    let written = spans(3);
    write(phoenix, &project, &written).await?;
    let query = MetricsQuery::new(project.as_str(), COUNTED.to_vec(), TimeWindow::all());
    assert_eq!(
        values(&agreed(&provider, &query).await?)["SpanCount"],
        Some(3.0)
    );
    let id = written[0]["context"]["span_id"].as_str().unwrap();
    let address = format!("{}/v1/spans/{id}", phoenix.http_endpoint());
    let client = reqwest::Client::builder().no_proxy().build()?;
    client.delete(address).send().await?.error_for_status()?;
    assert_eq!(
        values(&agreed(&provider, &query).await?)["SpanCount"],
        Some(2.0)
    );
    write(phoenix, &project, &[span("late", 1, 1, json!({}))]).await?;
    let found = values(&agreed(&provider, &query).await?);
    assert!(found["SpanCount"] == Some(3.0), "{found:?}");
    // One that ends before it begins took no time, whoever counts.
    let mut backwards = span("backwards", 5_000_000, 0, json!({}));
    backwards["end_time"] = json!(crate::written::time(1_000_000));
    write(phoenix, &project, &[backwards]).await?;
    let found = values(&agreed(&provider, &query).await?);
    assert_eq!(found["SpanCount"], Some(4.0));
    Ok(())
}

#[tokio::test]
async fn questions_that_cannot_be_answered_say_why() -> Result<()> {
    let service = Service::shared().await?;
    let tenant = unique("acme");
    let (provider, project) = (service.provider(&tenant)?, service.project(&tenant)?);
    let analytics = provider.analytics();
    for metrics in [&COUNTED[..], &ALL] {
        let query = MetricsQuery::new(project.as_str(), metrics.to_vec(), TimeWindow::all());
        let error = analytics.get_metrics(&query).await.unwrap_err();
        assert!(matches!(error.kind(), Error::NotFound(_)), "{error}");
    }

    let good = MetricsQuery::new(
        project.as_str(),
        vec![MetricName::SpanCount],
        TimeWindow::new(NOON, NOON + 86_400 * SECOND),
    );
    for (query, hint) in [
        (
            MetricsQuery {
                metrics: vec![],
                ..good.clone()
            },
            "at least one",
        ),
        (
            MetricsQuery {
                bucket: Some(SECOND - 1),
                ..good.clone()
            },
            "at least a second",
        ),
        (
            MetricsQuery {
                bucket: Some(SECOND),
                ..good.clone()
            },
            "86400 buckets",
        ),
        (
            MetricsQuery {
                window: TimeWindow::new(2, 1),
                ..good.clone()
            },
            "before that",
        ),
    ] {
        let error = analytics.get_metrics(&query).await.unwrap_err();
        assert!(matches!(error.kind(), Error::InvalidArgument(_)), "{error}");
        assert!(error.to_string().contains(hint), "{error}");
    }
    let foreign = service.project(&unique("other"))?;
    let query = MetricsQuery {
        project: foreign,
        ..good
    };
    let error = analytics.get_metrics(&query).await.unwrap_err();
    assert!(
        matches!(error.kind(), Error::PermissionDenied(_)),
        "{error}"
    );
    Ok(())
}
