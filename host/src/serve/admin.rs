//! What operators and their machines ask: is it alive, is it ready, what has it done.

use std::sync::Arc;

use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use tokio_util::sync::CancellationToken;

use super::gate::Gate;
use super::metrics;
use super::otlp::AnswerBody;
use crate::TelemetryManager;
use crate::manager::{ConnectionError, TenantError};

const TEXT: &str = "text/plain; charset=utf-8";

/// Answers a request to the admin port.
pub(super) async fn answer(
    gate: Arc<Gate>,
    stop: CancellationToken,
    request: Request<Incoming>,
) -> Response<AnswerBody> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return text(
            StatusCode::METHOD_NOT_ALLOWED,
            TEXT,
            "only GET\n".to_owned(),
        );
    }
    match request.uri().path() {
        "/healthz" => text(StatusCode::OK, TEXT, "ok\n".to_owned()),
        "/readyz" => match reasons(&gate.telemetry, &stop) {
            reasons if reasons.is_empty() => text(StatusCode::OK, TEXT, "ready\n".to_owned()),
            reasons => text(
                StatusCode::SERVICE_UNAVAILABLE,
                TEXT,
                reasons.join("\n") + "\n",
            ),
        },
        "/metrics" => match gate.metrics.text() {
            Ok(metrics) => text(StatusCode::OK, metrics::CONTENT_TYPE, metrics),
            Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, TEXT, error.to_string()),
        },
        _ => text(
            StatusCode::NOT_FOUND,
            TEXT,
            "there are /healthz, /readyz and /metrics\n".to_owned(),
        ),
    }
}

/// Why no spans should be sent here now.
fn reasons(telemetry: &TelemetryManager, stop: &CancellationToken) -> Vec<String> {
    let mut reasons = Vec::new();
    if stop.is_cancelled() {
        reasons.push("the gateway is stopping".to_owned());
    }
    for (name, connection) in telemetry.config().connections.iter() {
        let provider = match telemetry.connection_provider(name) {
            // Without a provider, spans go to `telemetry.otlp_endpoint`.
            Err(TenantError::Connection(
                ConnectionError::NoHost | ConnectionError::NoProvider { .. },
            )) if connection.provider.is_none() => continue,
            Err(error) => {
                reasons.push(format!("connection {name}: {error}"));
                continue;
            }
            Ok(provider) => provider,
        };
        if let Err(error) = provider.describe() {
            reasons.push(format!("connection {name}: {error}"));
        }
    }
    reasons
}

fn text(status: StatusCode, kind: &'static str, body: String) -> Response<AnswerBody> {
    let mut response = Response::new(Full::new(body.into()).boxed_unsync());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
