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
use crate::config::ConnectionConfig;
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
        "/readyz" => {
            let (status, said) = readiness(&gate.telemetry, &stop);
            text(status, TEXT, said)
        }
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

/// Whether spans should be sent here now: not while it stops, nor where none of them has a way
/// out. One tenant's trouble is no other's, and what it is, is not for everybody.
fn readiness(telemetry: &TelemetryManager, stop: &CancellationToken) -> (StatusCode, String) {
    const NOT_NOW: StatusCode = StatusCode::SERVICE_UNAVAILABLE;
    if stop.is_cancelled() {
        return (NOT_NOW, "the gateway is stopping\n".to_owned());
    }
    if !telemetry.spool_is_good() {
        // Another replica may have room.
        return (NOT_NOW, "the spool cannot take spans\n".to_owned());
    }
    let connections = telemetry.config().connections.iter();
    let usable: Vec<_> = connections
        .map(|(name, connection)| is_usable(telemetry, name, connection))
        .collect();
    let all = usable.len();
    match usable.into_iter().filter(|usable| !usable).count() {
        0 => (StatusCode::OK, "ready\n".to_owned()),
        bad if bad == all => (NOT_NOW, format!("none of {all} connections can be used\n")),
        bad => (
            StatusCode::OK,
            format!("ready, but {bad} of {all} connections cannot be used\n"),
        ),
    }
}

fn is_usable(telemetry: &TelemetryManager, name: &str, connection: &ConnectionConfig) -> bool {
    match telemetry.connection_provider(name) {
        Ok(provider) => provider.describe().is_ok(),
        // Without a provider, spans go to `telemetry.otlp_endpoint`.
        Err(TenantError::Connection(
            ConnectionError::NoHost | ConnectionError::NoProvider { .. },
        )) => connection.provider.is_none(),
        Err(_) => false,
    }
}

fn text(status: StatusCode, kind: &'static str, body: String) -> Response<AnswerBody> {
    let mut response = Response::new(Full::new(body.into()).boxed_unsync());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
