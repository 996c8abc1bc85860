//! What the service does with its own telemetry: start it, read it back, judge it.

use std::collections::BTreeMap;
use std::path::Path as FilePath;

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use roost::contract::{
    AttributeValue, Error, NewAnnotation, Order, OrderKey, Span, StatusCode as SpanStatus, Target,
    TimeWindow,
};
use roost::manager::TelemetryStats;
use roost::provider::SpanQuery;
use roost::{Config, TelemetryManager};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::caller::Caller;
use crate::error::ApiError;

const DEFAULT_LIMIT: usize = 20;
const MAX_LIMIT: usize = 1000;

/// Start telemetry as `roost.toml` and the environment say. Where it cannot start the
/// service runs without it: that is logged, and every span does nothing.
pub async fn start(config: Option<&FilePath>) -> TelemetryManager {
    let started = async { anyhow::Ok(TelemetryManager::start(Config::load(config)?).await?) };
    started.await.unwrap_or_else(|error| {
        tracing::error!("the service runs without telemetry: {error:#}");
        TelemetryManager::disabled()
    })
}

/// A span as this service shows it.
#[derive(Debug, Serialize)]
pub struct SpanView {
    /// Its trace, 32 hexadecimal digits.
    pub trace_id: String,
    /// Its id, 16 hexadecimal digits.
    pub span_id: String,
    /// The span it is a part of; none for a request's.
    pub parent_id: Option<String>,
    /// Its name.
    pub name: String,
    /// What it is, such as `LLM`.
    pub kind: String,
    /// `ok`, `error`, or `unset` where nothing went wrong and nobody said so.
    pub status: &'static str,
    /// What went wrong, or empty.
    pub message: String,
    /// When it began, in milliseconds since the Unix epoch.
    pub started_ms: u64,
    /// How long it took, in milliseconds.
    pub duration_ms: f64,
    /// Everything else there is to say.
    pub attributes: BTreeMap<String, Value>,
}

impl From<Span> for SpanView {
    fn from(span: Span) -> Self {
        let attributes = span.attributes.iter();
        let attributes = attributes.map(|it| (it.key.clone(), value(&it.value)));
        Self {
            status: match span.status {
                SpanStatus::Unset => "unset",
                SpanStatus::Ok => "ok",
                SpanStatus::Error => "error",
            },
            started_ms: span.start_time / 1_000_000,
            duration_ms: span.latency_ms(),
            attributes: attributes.collect(),
            trace_id: span.trace_id,
            span_id: span.span_id,
            parent_id: span.parent_id,
            name: span.name,
            kind: span.kind,
            message: span.status_message,
        }
    }
}

fn value(value: &AttributeValue) -> Value {
    match value {
        AttributeValue::Text(text) => json!(text),
        AttributeValue::Boolean(boolean) => json!(boolean),
        AttributeValue::Integer(integer) => json!(integer),
        AttributeValue::Number(number) => json!(number),
        // What a backend gives as JSON and is none is shown as the text it is.
        AttributeValue::Json(text) => serde_json::from_str(text).unwrap_or_else(|_| json!(text)),
    }
}

/// What of the spans is wanted.
#[derive(Debug, Deserialize)]
pub struct SpansQuery {
    /// How many, at most 1,000; 20 if nobody says.
    pub limit: Option<usize>,
}

/// The caller's latest spans, the latest first. A tenant that was never traced has none.
///
/// # Errors
///
/// When there is no provider, or its backend does not answer.
pub async fn spans(
    State(telemetry): State<TelemetryManager>,
    caller: Caller,
    query: Result<Query<SpansQuery>, QueryRejection>,
) -> Result<Json<Vec<SpanView>>, ApiError> {
    let Query(query) = query.map_err(|why| ApiError::bad_request(why.body_text()))?;
    let tenant = caller.tenant.as_str();
    // This handle reaches the tenant's projects and no others.
    let provider = telemetry.get_provider(tenant, None)?;
    let project = telemetry.project_name(tenant, None)?;
    let latest_first = Order {
        key: OrderKey::StartTime,
        descending: true,
    };
    let query = SpanQuery::new(project, TimeWindow::all())
        .order_by(latest_first)
        .limit(query.limit.unwrap_or(DEFAULT_LIMIT).min(MAX_LIMIT));
    let spans = match provider.traces().get_spans(&query).await {
        Ok(spans) => spans,
        // The backend makes a project with its first span.
        Err(error) if matches!(error.kind(), Error::NotFound(_)) => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    Ok(Json(spans.into_iter().map(SpanView::from).collect()))
}

/// What a user thinks of an answer.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Feedback {
    /// Such as `helpful`.
    pub label: String,
    /// From 0 to 1.
    pub score: Option<f64>,
    /// Why.
    pub comment: Option<String>,
}

/// The feedback that was stored.
#[derive(Debug, Serialize)]
pub struct FeedbackStored {
    /// Its id at the backend.
    pub annotation_id: String,
}

/// Keep what a user thinks of a span; the last word counts.
///
/// # Errors
///
/// When the span is not there, as it is not for another tenant.
pub async fn feedback(
    State(telemetry): State<TelemetryManager>,
    caller: Caller,
    Path(span_id): Path<String>,
    feedback: Result<Json<Feedback>, JsonRejection>,
) -> Result<(StatusCode, Json<FeedbackStored>), ApiError> {
    let Json(feedback) = feedback.map_err(|why| ApiError::bad_request(why.body_text()))?;
    let tenant = caller.tenant.as_str();
    let provider = telemetry.get_provider(tenant, None)?;
    let project = telemetry.project_name(tenant, None)?;
    let annotation = NewAnnotation {
        score: feedback.score,
        explanation: feedback.comment,
        ..NewAnnotation::new(Target::span(span_id), "user_feedback").label(feedback.label)
    };
    let annotation_id = provider
        .annotations()
        .add_annotation(&project, annotation)
        .await?;
    Ok((StatusCode::CREATED, Json(FeedbackStored { annotation_id })))
}

/// What became of all spans. For operators: it names every tenant's projects.
pub async fn stats(State(telemetry): State<TelemetryManager>) -> Json<TelemetryStats> {
    Json(telemetry.get_stats())
}
