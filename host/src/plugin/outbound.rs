//! HTTP of the guests, behind `wasi:http`.
//!
//! Every request goes through one pooled native client, which keeps connections alive
//! between calls and instances; the default implementation of `wasi:http` would open one
//! a request. On its way a request passes the connection's policy, is given the
//! credentials that the guest never sees, and is repeated where that is safe.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use http_body_util::{BodyExt, Limited};
use rand::RngExt;
use tokio::time::{sleep, timeout};
use url::Url;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

use super::policy::{Origin, Policy};

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
    pub(crate) request_bytes: usize,
    pub(crate) response_bytes: usize,
    /// What was refused during the call that runs now, for its error.
    pub(crate) refusal: Arc<Mutex<Option<String>>>,
}

impl Outbound {
    /// The same for another instance, which has refusals of its own.
    pub(crate) fn for_instance(&self) -> Self {
        Self {
            refusal: Arc::default(),
            ..self.clone()
        }
    }

    /// The last refusal since this was asked before.
    pub(crate) fn take_refusal(&self) -> Option<String> {
        self.refusal
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    fn refuse(&self, why: String) -> Error {
        tracing::warn!("{why}");
        *self.refusal.lock().unwrap_or_else(PoisonError::into_inner) = Some(why);
        Error::HttpRequestDenied
    }

    /// Check a request, add the credentials and read its body, which is kept to be sent
    /// again.
    async fn prepare(&self, request: http::Request<WasiBody>) -> Result<reqwest::Request, Error> {
        let (head, body) = request.into_parts();
        let url = Url::parse(&head.uri.to_string()).map_err(|_| Error::HttpRequestUriInvalid)?;
        self.policy.check(&url).map_err(|why| self.refuse(why))?;
        let body = Limited::new(body, self.request_bytes)
            .collect()
            .await
            .map_err(|_| Error::HttpRequestBodySize(u64::try_from(self.request_bytes).ok()))?
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
        let limit = self.response_bytes;
        Ok(http::Response::from(response).map(|body| {
            Limited::new(body, limit)
                .map_err(move |reason| {
                    if reason.is::<http_body_util::LengthLimitError>() {
                        Error::HttpResponseBodySize(u64::try_from(limit).ok())
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
        let answer = self.client.execute(request);
        match options.first_byte_timeout {
            Some(limit) => timeout(limit, answer)
                .await
                .map_err(|_| Error::ConnectionReadTimeout)?,
            None => answer.await,
        }
        .map_err(|error| failure(&error))
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
