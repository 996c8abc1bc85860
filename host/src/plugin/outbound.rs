//! HTTP of the guests, behind `wasi:http`.
//!
//! Every request goes through pooled native clients, which keep connections alive
//! between calls and instances; the default implementation of `wasi:http` would open one
//! a request. On its way a request passes the connection's policy and quota, is given the
//! credentials that the guest never sees, and is repeated where that is safe. Names are
//! looked up by [`resolver`](super::resolver).

mod clients;
mod failure;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use http::{HeaderValue, StatusCode};
use http_body_util::{BodyExt, Limited};
use tokio::time::{sleep, timeout};
use tracing::Instrument;
use url::Url;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

use super::generation::Record;
use super::limits::Limits;
use super::meter::{Stopwatch, Timed};
use super::policy::{Policy, Reach};
use super::quota::QuotaSpent;
use super::resolver::AddressRefused;
use super::retry::retry_delay;
use super::runtime::size;
use super::secrets::Credentials;
use crate::config::HostPattern;
use crate::contract;

pub(crate) use clients::Clients;
use failure::{cause, error_name, failure, status_error};

/// What an instance may send, and with what.
#[derive(Clone)]
pub(crate) struct Outbound {
    pub(crate) clients: Clients,
    pub(crate) policy: Arc<Policy>,
    /// Added to requests towards the backend's endpoints.
    pub(crate) credentials: Credentials,
    pub(super) limits: Arc<Limits>,
    /// Where requests are counted, if they are.
    pub(super) record: Option<Arc<Record>>,
    /// The call that runs now.
    pub(super) operation: &'static str,
    /// What that was refused, for its error.
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

    /// Say no to a request: to the guest in a word, to the operator with the reason.
    fn refuse(&self, why: contract::Error) -> Error {
        if let Some(watch) = self.watch() {
            watch.stop(Some("denied"));
        }
        *self.verdict() = Some(why);
        Error::HttpRequestDenied
    }

    fn forbid(&self, why: String) -> Error {
        tracing::warn!("{why}");
        self.refuse(contract::Error::PermissionDenied(why))
    }

    fn slow_down(&self, spent: QuotaSpent) -> Error {
        let message = format!(
            "the connection has used up its {} {} a minute; {}",
            spent.per_minute,
            spent.what,
            self.limits.raise(spent.setting)
        );
        tracing::debug!("{message}");
        self.refuse(contract::Error::RateLimited(contract::RateLimit {
            retry_after_ms: u64::try_from(spent.retry_after.as_millis()).ok(),
            message,
        }))
    }

    /// Note that the body of `what` is longer than `limit`, which is that of `setting`.
    fn too_large(&self, what: &str, limit: u64, setting: &str) {
        *self.verdict() = Some(contract::Error::Internal(format!(
            "the body of {what} is longer than {limit} bytes; {}",
            self.limits.raise(setting)
        )));
    }

    /// Check a request and read its body, which is kept to be sent again.
    async fn prepare(
        &self,
        request: http::Request<WasiBody>,
    ) -> Result<(Reach, reqwest::Request), Error> {
        let (head, body) = request.into_parts();
        let url = Url::parse(&head.uri.to_string()).map_err(|_| Error::HttpRequestUriInvalid)?;
        let reach = self.policy.check(&url).map_err(|why| self.forbid(why))?;
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
        Ok((reach, prepared))
    }

    async fn send(
        self,
        request: http::Request<WasiBody>,
        options: RequestOptions,
    ) -> Result<http::Response<WasiBody>, Error> {
        let (reach, mut request) = self.prepare(request).await?;
        let waiting = self.wait();
        let presented = self.present(&mut request).await?;
        let mut response = self.repeat(reach, &request, options).await?;
        // Nothing was done, so it may be done again; once, with a secret that is newer.
        if response.status() == StatusCode::UNAUTHORIZED
            && let Some(version) = presented
            && self.credentials.renew(version).await
        {
            self.present(&mut request).await?;
            response = self.repeat(reach, &request, options).await?;
        }
        let limit = self.limits.response_bytes;
        let counting = Arc::clone(&self.limits);
        Ok(http::Response::from(response).map(|body| {
            let counted = body.map_frame(move |frame| {
                counting.quota.bytes(frame.data_ref().map_or(0, Bytes::len));
                frame
            });
            Limited::new(counted, size(limit))
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

    /// Add the credentials to a request, if it goes to an endpoint. Returned is their version.
    async fn present(&self, request: &mut reqwest::Request) -> Result<Option<u64>, Error> {
        if !self.policy.is_endpoint(request.url()) {
            return Ok(None);
        }
        let headers = self.credentials.headers().await;
        let (headers, version) =
            headers.map_err(|why| self.refuse(contract::Error::Unavailable(why)))?;
        for (name, value) in &headers {
            request.headers_mut().insert(name, value.clone());
        }
        Ok(Some(version))
    }

    /// Send a request, again where that is safe.
    async fn repeat(
        &self,
        reach: Reach,
        request: &reqwest::Request,
        options: RequestOptions,
    ) -> Result<reqwest::Response, Error> {
        let mut attempt = 1;
        loop {
            let outcome = match request.try_clone() {
                Some(copy) => self.attempt(reach, copy, options).await,
                None => return Err(Error::InternalError(None)),
            };
            let Some(delay) = retry_delay(request, &outcome, attempt) else {
                return outcome;
            };
            tracing::debug!(attempt, ?delay, url = %request.url(), "the request is sent again");
            sleep(delay).await;
            attempt += 1;
        }
    }

    async fn attempt(
        &self,
        reach: Reach,
        request: reqwest::Request,
        options: RequestOptions,
    ) -> Result<reqwest::Response, Error> {
        let quota = &self.limits.quota;
        quota.request().map_err(|spent| self.slow_down(spent))?;
        let asked = request.body().and_then(reqwest::Body::as_bytes);
        quota.bytes(asked.map_or(0, <[u8]>::len));
        let watch = self.watch();
        let span = tracing::debug_span!(
            "provider request",
            provider = self.record.as_ref().map(|record| &*record.provider),
            generation = self.record.as_ref().map(|record| record.number),
            operation = self.operation,
            otel.kind = "client",
            http.request.method = %request.method(),
            server.address = request.url().host_str(),
            server.port = request.url().port_or_known_default(),
            http.response.status_code = tracing::field::Empty,
            error.type = tracing::field::Empty,
        );
        let answer = self
            .clients
            .get(reach)
            .execute(request)
            .instrument(span.clone());
        let outcome = match options.first_byte_timeout {
            Some(limit) => timeout(limit, answer)
                .await
                .map_err(|_| Error::ConnectionReadTimeout),
            None => Ok(answer.await),
        }
        .and_then(|answer| answer.map_err(|error| self.failed(&error)));
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

    fn failed(&self, error: &reqwest::Error) -> Error {
        let Some(refused) = cause::<AddressRefused>(error) else {
            return failure(error);
        };
        let why = format!("[connections.{}]: {refused}", self.policy.connection());
        tracing::warn!("{why}");
        *self.verdict() = Some(contract::Error::PermissionDenied(why));
        Error::HttpRequestDenied
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
        let sending = async move {
            let response = outbound.send(request, options.unwrap_or_default()).await?;
            let no_more: Box<dyn Future<Output = Result<(), Error>> + Send> =
                Box::new(async { Ok(()) });
            Ok((response, no_more))
        };
        // It goes on in a task of its own, and belongs to the call all the same.
        Box::new(sending.in_current_span())
    }

    // The native client derives it from the address.
    fn set_host_header(&mut self) -> bool {
        false
    }
}

fn is_loopback(url: &Url) -> bool {
    HostPattern::of(url).is_some_and(|host| host.is_this_machine())
}
