//! When a request is sent again.

use std::time::Duration;

use http::{HeaderName, Method, StatusCode};
use rand::RngExt;
use wasmtime_wasi_http::Error;

/// How often one request is sent at the most.
const MAX_ATTEMPTS: u32 = 3;
/// The mean delay before the first repetition; it doubles with each.
const RETRY_DELAY: Duration = Duration::from_millis(100);
/// The longest delay a backend may ask for; with a longer one its answer is handed over.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(5);

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// How long to wait before sending `request` again; `None` when its outcome stands.
///
/// A connection that was refused, or an answer `429`, has done nothing: any request may
/// be repeated. After a connection that broke, or an answer `502`, `503` or `504`, only
/// one that does no harm when done twice.
pub(super) fn retry_delay(
    request: &reqwest::Request,
    outcome: &Result<reqwest::Response, Error>,
    attempt: u32,
) -> Option<Duration> {
    if attempt >= MAX_ATTEMPTS {
        return None;
    }
    let repeatable = match outcome {
        Ok(response) => match response.status() {
            StatusCode::TOO_MANY_REQUESTS => true,
            StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT => is_idempotent(request),
            _ => false,
        },
        Err(Error::ConnectionRefused) => true,
        Err(Error::ConnectionTerminated) => is_idempotent(request),
        Err(_) => false,
    };
    if !repeatable {
        return None;
    }
    match outcome.as_ref().ok().and_then(retry_after) {
        Some(asked) => (asked <= MAX_RETRY_AFTER).then_some(asked),
        None => {
            let most = RETRY_DELAY * 2_u32.pow(attempt);
            Some(most.mul_f64(rand::rng().random()))
        }
    }
}

fn is_idempotent(request: &reqwest::Request) -> bool {
    matches!(
        *request.method(),
        Method::GET | Method::HEAD | Method::OPTIONS | Method::PUT | Method::DELETE
    ) || request.headers().contains_key(IDEMPOTENCY_KEY)
}

/// The delay of a `Retry-After` in seconds; dates are not used by the backends we know.
fn retry_after(response: &reqwest::Response) -> Option<Duration> {
    let seconds = response.headers().get(http::header::RETRY_AFTER)?;
    Some(Duration::from_secs(seconds.to_str().ok()?.parse().ok()?))
}
