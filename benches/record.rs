//! What a span costs the application's thread: ten attributes, an end, and into the queue.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use opentelemetry::trace::{TraceContextExt, Tracer, TracerProvider};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{BatchSpanProcessor, SdkTracerProvider, SpanData, SpanExporter};
use roost::{Config, TelemetryManager};

use crate::replay::Replay;
use crate::report::{Comparison, Report, Target};
use crate::service::TENANT;

/// Less than a batch in both pipelines, so that nothing is sent while spans are made.
const TURN: u64 = 256;

const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) fn compare(report: &mut Report) -> Result<()> {
    let backend = Replay::start("application/x-protobuf", b"")?;
    let telemetry = TelemetryManager::export_only(Config::from_toml(
        &format!(
            "[telemetry]\notlp_endpoint = \"{}/v1/traces\"",
            backend.endpoint()
        ),
        "/roost.toml",
    )?)?;
    let sdk = SdkTracerProvider::builder()
        .with_span_processor(BatchSpanProcessor::builder(Nowhere).build())
        .build();
    let tracer = sdk.tracer("bench");

    report.compare(
        Comparison {
            name: "a span with ten attributes, made, ended and queued",
            baseline: "opentelemetry-rust, batch processor",
            target: Target::None,
            turn: TURN,
            samples: 100,
            time: Duration::from_secs(5),
        },
        |times| {
            let began = Instant::now();
            for _ in 0..times {
                let span = telemetry
                    .span("ChatCompletion", TENANT)
                    .attributes(attributes())
                    .start();
                span.end();
            }
            let took = began.elapsed();
            assert!(telemetry.force_flush_blocking(PATIENCE).is_complete());
            took
        },
        |times| {
            let began = Instant::now();
            for _ in 0..times {
                let span = tracer
                    .span_builder("ChatCompletion")
                    .with_attributes(attributes().into_iter().chain(automatic()))
                    .start(&tracer);
                let context = Context::current_with_span(span);
                context.span().end();
            }
            let took = began.elapsed();
            sdk.force_flush().unwrap();
            took
        },
    );
    let dropped = telemetry.get_stats().spans.dropped.total();
    ensure!(dropped == 0, "{dropped} spans were dropped");
    Ok(())
}

fn attributes() -> [KeyValue; 10] {
    [
        KeyValue::new("openinference.span.kind", "LLM"),
        KeyValue::new("llm.provider", "openai"),
        KeyValue::new("llm.model_name", "gpt-4o-mini"),
        KeyValue::new("llm.token_count.prompt", 180),
        KeyValue::new("llm.token_count.completion", 74),
        KeyValue::new("llm.token_count.total", 254),
        KeyValue::new(
            "input.value",
            "Where does the owl fly home at night?".to_owned(),
        ),
        KeyValue::new(
            "output.value",
            "Clip 4711 at 00:12:35 fits best.".to_owned(),
        ),
        KeyValue::new("score", 0.5),
        KeyValue::new("cached", false),
    ]
}

/// What Roost adds by itself: whose span it is.
fn automatic() -> [KeyValue; 3] {
    [
        KeyValue::new("tenant.id", TENANT.to_owned()),
        KeyValue::new("service.name", "video-search".to_owned()),
        KeyValue::new("environment", "development".to_owned()),
    ]
}

/// An exporter that has nowhere to send spans to.
#[derive(Debug)]
struct Nowhere;

impl SpanExporter for Nowhere {
    async fn export(&self, _batch: Vec<SpanData>) -> OTelSdkResult {
        Ok(())
    }
}
