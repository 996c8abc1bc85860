//! Numbers over many spans: what the backend counts and what the host computes are the same.

use std::time::{Duration, UNIX_EPOCH};

use anyhow::Result;
use opentelemetry::KeyValue;
use opentelemetry::trace::{Span as _, Status, TraceContextExt as _, Tracer as _};
use opentelemetry::{Context, Value};
use roost::contract::{DataPoint, Error, GroupKey, MetricName, MetricsQuery, TimeWindow};
use roost::provider::Provider;
use roost_tests::unique;

use crate::{Backend, Service, Settings, on_every_backend};

on_every_backend! {
    the_backend_and_the_host_count_the_same,
    numbers_of_a_project_that_is_not_there_are_not_found,
}

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

const SECOND: u64 = 1_000_000_000;
/// 2026-11-18T12:00:00Z.
const NOON: u64 = 1_795_003_200 * SECOND;

/// Ten milliseconds apart, four a trace, of three models and none, every seventh failed.
fn send(service: &Service, tenant: &str, count: u64) {
    let tracer = service.telemetry.tracer(tenant);
    let mut parent = Context::new();
    for place in 0..count {
        if place % 4 == 0 {
            parent = Context::new();
        }
        let start = UNIX_EPOCH + Duration::from_nanos(NOON + place / 2 * 10_000_000);
        let latency = Duration::from_micros(place * 7_919 % 10_007);
        let mut attributes = vec![KeyValue::new("openinference.span.kind", "CHAIN")];
        if place % 4 != 0 {
            let model = ["small", "medium \"one\"", "large"][place as usize % 3];
            attributes = vec![
                KeyValue::new("openinference.span.kind", "LLM"),
                KeyValue::new("llm.model_name", model),
                KeyValue::new("llm.token_count.prompt", (place % 100) as i64),
                KeyValue::new("llm.token_count.completion", (place % 7) as i64),
                KeyValue::new("llm.token_count.total", (place % 100 + place % 7) as i64),
                KeyValue::new("llm.cost.total", Value::F64((place % 5) as f64 / 4.0)),
            ];
        }
        let name = ["plan", "retrieve", "answer"][place as usize % 3];
        let builder = tracer.span_builder(name).with_start_time(start);
        let mut span = builder
            .with_attributes(attributes)
            .start_with_context(&tracer, &parent);
        if place % 7 == 0 {
            span.set_status(Status::error("unlucky"));
        }
        let context = span.span_context().clone();
        span.end_with_timestamp(start + latency);
        if place % 4 == 0 {
            parent = Context::new().with_remote_span_context(context);
        }
    }
}

fn same(left: Option<f64>, right: Option<f64>) -> bool {
    match (left, right) {
        (Some(left), Some(right)) => (left - right).abs() <= 1e-9 * right.abs().max(1.0),
        (left, right) => left == right,
    }
}

/// The backend's values, which are the host's as well.
async fn agreed(provider: &Provider, query: &MetricsQuery) -> Result<Vec<DataPoint>> {
    let answered = provider.analytics().get_metrics(query).await?;
    let computed = provider.analytics().compute_metrics(query).await?;
    assert_eq!(answered.len(), computed.len(), "{query:?}");
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

async fn the_backend_and_the_host_count_the_same(backend: Backend) -> Result<()> {
    let service = Service::start(
        backend,
        Settings {
            batch: "max_queue_size = 4096",
            ..Settings::default()
        },
    )
    .await?;
    let tenant = unique("acme");
    send(&service, &tenant, 800);
    service.delivered().await?;
    service.spans(&tenant, 800).await?;
    let (provider, project) = (service.provider(&tenant)?, service.project(&tenant)?);
    let provider = provider.uncached();
    let question = |window, bucket, group_by: &[GroupKey]| {
        let mut query = MetricsQuery::new(project.as_str(), ALL.to_vec(), window);
        query.bucket = bucket;
        query.group_by = group_by.to_vec();
        query
    };
    let model = GroupKey::Attribute("llm.model_name".to_owned());
    let tokens = GroupKey::Attribute("llm.token_count.completion".to_owned());
    let minute = TimeWindow::new(NOON, NOON + 60 * SECOND);
    for (window, bucket, group_by, points) in [
        (TimeWindow::all(), None, &[][..], 1),
        (minute, None, &[GroupKey::Name], 3),
        (
            TimeWindow::all(),
            None,
            &[GroupKey::Status, GroupKey::Kind],
            4,
        ),
        (minute, Some(SECOND), &[], 4),
        (minute, Some(SECOND), &[GroupKey::Name], 12),
        (minute, Some(2 * SECOND), &[model], 8),
        (minute, None, &[tokens], 8),
        // A small part of the project, one that cuts an instant in two, and one without a span.
        (
            TimeWindow::new(NOON, NOON + SECOND / 10),
            None,
            &[GroupKey::Name],
            3,
        ),
        (TimeWindow::new(NOON + 1, NOON + 10_000_001), None, &[], 1),
        (TimeWindow::new(0, 1), None, &[], 1),
        (TimeWindow::new(0, 1), None, &[GroupKey::Name], 0),
    ] {
        let found = agreed(&provider, &question(window, bucket, group_by)).await?;
        assert_eq!(found.len(), points * ALL.len(), "{window:?} {group_by:?}");
    }
    Ok(())
}

async fn numbers_of_a_project_that_is_not_there_are_not_found(backend: Backend) -> Result<()> {
    let service = Service::on(backend).await?;
    let tenant = unique("acme");
    let (provider, project) = (service.provider(&tenant)?, service.project(&tenant)?);
    let query = MetricsQuery::new(project, ALL.to_vec(), TimeWindow::all());
    let error = provider.analytics().get_metrics(&query).await.unwrap_err();
    assert!(matches!(error.kind(), Error::NotFound(_)), "{error}");
    Ok(())
}
