//! HTTP of the guests, behind `wasi:http`.
//!
//! Every request goes through one pooled native client, which keeps connections alive
//! between calls and instances; the default implementation of `wasi:http` would open one
//! a request. On its way a request passes the connection's policy, is given the
//! credentials that the guest never sees, and is repeated where that is safe.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use http_body_util::{BodyExt, Limited};
use rand::RngExt;
use tokio::time::{sleep, timeout};
use tracing::Instrument;
use url::Url;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

use super::generation::Record;
use super::limits::Limits;
use super::meter::{Stopwatch, Timed};
use super::policy::{Origin, Policy};
use super::runtime::size;
use crate::contract;

/// How long a connection may take to open.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How often one request is sent at the most.
const MAX_ATTEMPTS: u32 = 3;
/// The mean delay before the first repetition; it doubles with each.
const RETRY_DELAY: Duration = Duration::from_millis(100);
/// The longest delay a backend may ask for; with a longer one its answer is handed over.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(5);

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The client that all guests of a host share.
pub(crate) fn client() -> reqwest::Result<reqwest::Client> {
    reqwest::Client::builder()
        .user_agent(concat!("roost/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT_TIMEOUT)
        // The guest sees a redirect, and the policy sees the request that follows it.
        .redirect(reqwest::redirect::Policy::none())
        .tcp_nodelay(true)
        .build()
}

/// What an instance may send, and with what.
#[derive(Clone)]
pub(crate) struct Outbound {
    pub(crate) client: reqwest::Client,
    pub(crate) policy: Arc<Policy>,
    /// Added to requests towards the backend's endpoints. Marked sensitive.
    pub(crate) credentials: HeaderMap,
    pub(super) limits: Arc<Limits>,
    /// Where requests are counted, if they are.
    pub(super) record: Option<Arc<Record>>,
    /// What the call that runs now was refused, for its error.
    pub(super) verdict: Arc<Mutex<Option<contract::Error>>>,
    /// Requests that have no answer yet, or not all of it.
    pub(super) waiting: Arc<AtomicUsize>,
}

/// A request that is not answered to its end.
struct Waiting(Arc<AtomicUsize>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Outbound {
    /// The same for another instance, which has refusals and requests of its own.
    pub(crate) fn for_instance(&self) -> Self {
        Self {
            verdict: Arc::default(),
            waiting: Arc::default(),
            ..self.clone()
        }
    }

    /// What was refused last since this was asked before.
    pub(super) fn take_verdict(&self) -> Option<contract::Error> {
        self.verdict().take()
    }

    /// Whether a backend has to answer.
    pub(super) fn is_waiting(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }

    fn wait(&self) -> Waiting {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        Waiting(Arc::clone(&self.waiting))
    }

    fn verdict(&self) -> std::sync::MutexGuard<'_, Option<contract::Error>> {
        self.verdict.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn watch(&self) -> Option<Stopwatch> {
        let record = self.record.as_ref()?;
        Some(Stopwatch::start(record, Timed::Request, Instant::now()))
    }

    fn refuse(&self, why: String) -> Error {
        tracing::warn!("{why}");
        if let Some(watch) = self.watch() {
            watch.stop(Some("denied"));
        }
        *self.verdict() = Some(contract::Error::PermissionDenied(why));
        Error::HttpRequestDenied
    }

    /// Note that the body of `what` is longer than `limit`, which is that of `setting`.
    fn too_large(&self, what: &str, limit: u64, setting: &str) {
        *self.verdict() = Some(contract::Error::Internal(format!(
            "the body of {what} is longer than {limit} bytes; {}",
            self.limits.raise(setting)
        )));
    }

    /// Check a request, add the credentials and read its body, which is kept to be sent
    /// again.
    async fn prepare(&self, request: http::Request<WasiBody>) -> Result<reqwest::Request, Error> {
        let (head, body) = request.into_parts();
        let url = Url::parse(&head.uri.to_string()).map_err(|_| Error::HttpRequestUriInvalid)?;
        self.policy.check(&url).map_err(|why| self.refuse(why))?;
        let limit = self.limits.request_bytes;
        let body = Limited::new(body, size(limit))
            .collect()
            .await
            .map_err(|_| {
                self.too_large("a request", limit, "request_bytes");
                Error::HttpRequestBodySize(Some(limit))
            })?
            .to_bytes();
        let mut prepared = reqwest::Request::new(head.method, url);
        *prepared.headers_mut() = head.headers;
        if self.policy.is_endpoint(prepared.url()) {
            for (name, value) in &self.credentials {
                prepared.headers_mut().insert(name, value.clone());
            }
        }
        if is_loopback(prepared.url()) {
            // Compression towards this machine costs more than it saves.
            prepared
                .headers_mut()
                .entry(http::header::ACCEPT_ENCODING)
                .or_insert(HeaderValue::from_static("identity"));
        }
        if !body.is_empty() {
            *prepared.body_mut() = Some(body.into());
        }
        Ok(prepared)
    }

    async fn send(
        self,
        request: http::Request<WasiBody>,
        options: RequestOptions,
    ) -> Result<http::Response<WasiBody>, Error> {
        let request = self.prepare(request).await?;
        let waiting = self.wait();
        let mut attempt = 1;
        let response = loop {
            let outcome = match request.try_clone() {
                Some(copy) => self.attempt(copy, options).await,
                None => return Err(Error::InternalError(None)),
            };
            let Some(delay) = retry_delay(&request, &outcome, attempt) else {
                break outcome?;
            };
            tracing::debug!(attempt, ?delay, url = %request.url(), "the request is sent again");
            sleep(delay).await;
            attempt += 1;
        };
        let limit = self.limits.response_bytes;
        Ok(http::Response::from(response).map(|body| {
            Limited::new(body, size(limit))
                .map_err(move |reason| {
                    // It waits as long as there is a body to read.
                    let _ = &waiting;
                    if reason.is::<http_body_util::LengthLimitError>() {
                        self.too_large("an answer", limit, "response_bytes");
                        Error::HttpResponseBodySize(Some(limit))
                    } else {
                        Error::HttpResponseIncomplete
                    }
                })
                .boxed_unsync()
        }))
    }

    async fn attempt(
        &self,
        request: reqwest::Request,
        options: RequestOptions,
    ) -> Result<reqwest::Response, Error> {
        let watch = self.watch();
        let span = tracing::debug_span!(
            "provider request",
            otel.kind = "client",
            http.request.method = %request.method(),
            server.address = request.url().host_str(),
            server.port = request.url().port_or_known_default(),
            http.response.status_code = tracing::field::Empty,
            error.type = tracing::field::Empty,
        );
        let answer = self.client.execute(request).instrument(span.clone());
        let outcome = match options.first_byte_timeout {
            Some(limit) => timeout(limit, answer)
                .await
                .map_err(|_| Error::ConnectionReadTimeout),
            None => Ok(answer.await),
        }
        .and_then(|answer| answer.map_err(|error| failure(&error)));
        let error = match &outcome {
            Ok(response) => {
                span.record("http.response.status_code", response.status().as_u16());
                status_error(response.status())
            }
            Err(error) => Some(error_name(error)),
        };
        if let Some(error) = error {
            span.record("error.type", error);
        }
        if let Some(watch) = watch {
            watch.stop(error);
        }
        outcome
    }
}

/// What a status is counted as, unless all is well.
fn status_error(status: StatusCode) -> Option<&'static str> {
    match status.as_u16() {
        429 => Some("http-429"),
        400..500 => Some("http-4xx"),
        500.. => Some("http-5xx"),
        _ => None,
    }
}

/// What a failure is counted as.
fn error_name(error: &Error) -> &'static str {
    match error {
        Error::DnsError { .. } => "dns",
        Error::ConnectionRefused => "refused",
        Error::ConnectionTimeout | Error::ConnectionReadTimeout => "timeout",
        Error::ConnectionTerminated => "terminated",
        Error::TlsCertificateError => "certificate",
        _ => "other",
    }
}

impl WasiHttpHooks for Outbound {
    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        _response_error: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<
        dyn Future<
                Output = Result<
                    (
                        http::Response<WasiBody>,
                        Box<dyn Future<Output = Result<(), Error>> + Send>,
                    ),
                    Error,
                >,
            > + Send,
    > {
        let outbound = self.clone();
        Box::new(async move {
            let response = outbound.send(request, options.unwrap_or_default()).await?;
            let no_more: Box<dyn Future<Output = Result<(), Error>> + Send> =
                Box::new(async { Ok(()) });
            Ok((response, no_more))
        })
    }

    // The native client derives it from the address.
    fn set_host_header(&mut self) -> bool {
        false
    }
}

/// How long to wait before sending `request` again; `None` when its outcome stands.
///
/// A connection that was refused, or an answer `429`, has done nothing: any request may
/// be repeated. After a connection that broke, or an answer `502`, `503` or `504`, only
/// one that does no harm when done twice.
fn retry_delay(
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

fn is_loopback(url: &Url) -> bool {
    Origin::of(url).is_some_and(|origin| origin.is_loopback())
}

/// The contract's word for a failure of the native client.
fn failure(error: &reqwest::Error) -> Error {
    let says = |text: &str| {
        std::iter::successors(std::error::Error::source(error), |e| e.source())
            .any(|source| source.to_string().contains(text))
    };
    if error.is_connect() {
        return if says("dns error") {
            Error::DnsError {
                rcode: None,
                info_code: None,
            }
        } else if error.is_timeout() {
            Error::ConnectionTimeout
        } else if says("certificate") {
            Error::TlsCertificateError
        } else {
            Error::ConnectionRefused
        };
    }
    if error.is_timeout() {
        return Error::ConnectionReadTimeout;
    }
    if error.is_request() || error.is_body() {
        return Error::ConnectionTerminated;
    }
    Error::InternalError(Some(error.to_string()))
}
