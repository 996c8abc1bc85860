//! Who sends a request, and the span around it.

use axum::extract::{FromRequestParts, MatchedPath, Request, State};
use axum::http::HeaderMap;
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use roost::{TelemetryManager, TenantId};

use crate::error::ApiError;

/// The header that names the tenant. A service on the open internet takes the tenant from
/// what it has authenticated instead.
pub const TENANT_HEADER: &str = "x-tenant-id";
/// The header that names the session, which is the conversation a request belongs to.
pub const SESSION_HEADER: &str = "x-session-id";

/// The longest session id, in bytes.
const MAX_SESSION_LENGTH: usize = 128;

/// Who sends a request.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The tenant, whose id is valid.
    pub tenant: TenantId,
    /// The session, if there is one.
    pub session: Option<String>,
}

impl Caller {
    fn of(headers: &HeaderMap) -> Result<Self, ApiError> {
        let tenant = text(headers, TENANT_HEADER)?.ok_or_else(|| {
            ApiError::bad_request(format!("the header {TENANT_HEADER} is missing"))
        })?;
        let tenant = TenantId::new(tenant)
            .map_err(|why| ApiError::bad_request(format!("{TENANT_HEADER}: {why}")))?;
        let session = text(headers, SESSION_HEADER)?.map(str::to_owned);
        if session
            .as_ref()
            .is_some_and(|id| id.is_empty() || id.len() > MAX_SESSION_LENGTH)
        {
            return Err(ApiError::bad_request(format!(
                "{SESSION_HEADER}: it has 1 to {MAX_SESSION_LENGTH} characters"
            )));
        }
        Ok(Self { tenant, session })
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<Option<&'a str>, ApiError> {
    let value = headers.get(name).map(|value| value.to_str());
    value
        .transpose()
        .map_err(|_| ApiError::bad_request(format!("{name}: it is not visible ASCII")))
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        Self::of(&parts.headers)
    }
}

/// The span around a whole request. Everything the handlers trace becomes its child, and it
/// goes on with the trace of a caller that sends one along.
pub async fn trace(
    State(telemetry): State<TelemetryManager>,
    caller: Caller,
    path: Option<MatchedPath>,
    request: Request,
    next: Next,
) -> Response {
    let method = request.method().clone();
    // The route and never the path: names are few, and ids are no names.
    let route = path.map_or_else(|| "unknown".to_owned(), |path| path.as_str().to_owned());
    let span = telemetry
        .span(format!("{method} {route}"), caller.tenant.as_str())
        .caller(request.headers())
        .kind("CHAIN")
        .attribute("http.request.method", method.to_string())
        .attribute("http.route", route);
    let work = span.instrument(async |span| {
        let response = next.run(request).await;
        let status = response.status();
        span.set_attribute("http.response.status_code", i64::from(status.as_u16()));
        if status.is_server_error() {
            span.record_error(&status);
        }
        response
    });
    match &caller.session {
        Some(session) => {
            let session = telemetry.session(caller.tenant.as_str(), session.as_str());
            session.instrument(work).await
        }
        None => work.await,
    }
    .into_response()
}
