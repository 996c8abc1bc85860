//! A small Langfuse that keeps what it takes, for tests of the provider. It is no Langfuse: what it
//! does was written from the API that Langfuse publishes, and, where that says nothing (what
//! becomes of a span's attributes, in which order lists come), from Langfuse's documentation and
//! source.
//!
//! Every request and every answer is held against the published document (`oracle`). A request
//! that does not fit is answered `400`, an answer that does not `500`, both with the reason.

mod datasets;
mod observations;
mod oracle;
mod otlp;
mod scores;
mod store;

use std::future::IntoFuture;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Result;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, Response, StatusCode};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use self::oracle::ORACLE;
use self::store::{Reply, Store};

/// The keys of its one project, as `public:secret`.
const API_KEYS: &str = "pk-lf-roost-tests:sk-lf-roost-tests-1";

/// More than any test sends.
const LARGEST: usize = 64 << 20;

/// The longest address, in bytes: what web servers take unless they are told otherwise.
const LONGEST_ADDRESS: usize = 8_000;

/// The small Langfuse, on loopback. It ends when dropped.
#[derive(Debug)]
pub struct Langfuse {
    http_endpoint: String,
    state: Arc<Mutex<State>>,
    serving: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct State {
    store: Store,
    refusals: Vec<Refusal>,
    seen: Vec<String>,
}

/// An answer that is given instead of another, as what stands in front of a server does.
#[derive(Debug)]
struct Refusal {
    path: String,
    status: u16,
    retry_after: Option<String>,
    times: usize,
}

impl Langfuse {
    /// Start an empty one.
    ///
    /// # Errors
    /// When no port is free, or the document cannot be read.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let http_endpoint = format!("http://{}", listener.local_addr()?);
        // Read at the first request, it would look as if that had hung.
        ORACLE.as_ref().map_err(|why| anyhow::anyhow!("{why}"))?;
        let state = Arc::<Mutex<State>>::default();
        let shared = Arc::clone(&state);
        let serve = move |request: Request| {
            let state = Arc::clone(&shared);
            async move { serve(&state, request).await }
        };
        let server = axum::serve(listener, Router::new().fallback(serve)).into_future();
        let serving = tokio::spawn(async move {
            let _ = server.await;
        });
        Ok(Self {
            http_endpoint,
            state,
            serving,
        })
    }

    /// Where it takes HTTP, such as `http://127.0.0.1:20006`.
    #[must_use]
    pub fn http_endpoint(&self) -> &str {
        &self.http_endpoint
    }

    /// The keys it wants, as `public:secret`.
    #[must_use]
    pub fn api_keys(&self) -> &'static str {
        API_KEYS
    }

    /// Answer the next requests to addresses that hold `path` with this status, and with this
    /// `retry-after`.
    pub fn refuse(&self, path: &str, status: u16, retry_after: Option<&str>, times: usize) {
        lock(&self.state).refusals.push(Refusal {
            path: path.to_owned(),
            status,
            retry_after: retry_after.map(str::to_owned),
            times,
        });
    }

    /// The methods and addresses of the requests it has seen.
    #[must_use]
    pub fn seen(&self) -> Vec<String> {
        lock(&self.state).seen.clone()
    }

    /// How many scores it has.
    #[must_use]
    pub fn scores(&self) -> usize {
        lock(&self.state).store.scores.len()
    }

    /// Ask it, with its keys. Returned are the status, and the body where it is JSON.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn ask(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<(u16, Value)> {
        let client = reqwest::Client::builder().no_proxy().build()?;
        let url = format!("{}{path}", self.http_endpoint);
        let (user, password) = API_KEYS.split_once(':').unwrap_or_default();
        let mut request = client
            .request(method.parse()?, url)
            .basic_auth(user, Some(password))
            .header("x-langfuse-ingestion-version", "4");
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await?;
        let status = answer.status().as_u16();
        Ok((status, answer.json().await.unwrap_or_default()))
    }
}

impl Drop for Langfuse {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn serve(state: &Mutex<State>, request: Request) -> Response<Body> {
    let (head, body) = request.into_parts();
    let Ok(body) = to_bytes(body, LARGEST).await else {
        return response(&Reply::refusal(413, "the body is too large"), None);
    };
    let mut state = lock(state);
    let address = head.uri.to_string();
    state.seen.push(format!("{} {address}", head.method));
    if let Some(refusal) = state.refusal(&address) {
        return refusal;
    }
    if address.len() > LONGEST_ADDRESS {
        return response(&Reply::refusal(414, "the address is too long"), None);
    }
    let reply = answer(
        &mut state.store,
        head.method.as_str(),
        &address,
        &head.headers,
        &body,
    );
    response(&reply, None)
}

impl State {
    fn refusal(&mut self, address: &str) -> Option<Response<Body>> {
        let open = |it: &&mut Refusal| it.times > 0 && address.contains(&it.path);
        let refusal = self.refusals.iter_mut().find(open)?;
        refusal.times -= 1;
        let reply = Reply::refusal(refusal.status, "not now");
        Some(response(&reply, refusal.retry_after.as_deref()))
    }
}

/// Answer a request, between two looks at the document.
fn answer(
    store: &mut Store,
    method: &str,
    address: &str,
    headers: &HeaderMap,
    body: &[u8],
) -> Reply {
    let oracle = match ORACLE.as_ref() {
        Ok(oracle) => oracle,
        Err(why) => return Reply::refusal(500, why),
    };
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let expected = format!("Basic {}", BASE64_STANDARD.encode(API_KEYS));
    if !address.ends_with("/health") && header("authorization") != Some(&expected) {
        return Reply::refusal(
            401,
            "Invalid credentials. Confirm that you've configured the correct host.",
        );
    }
    let body = match otlp::json(header("content-type").unwrap_or_default(), body) {
        Ok(body) => body,
        Err(why) => return Reply::refusal(400, &why),
    };
    let call = match oracle.call(method, address, body) {
        Ok(call) => call,
        Err(why) => return Reply::refusal(400, &format!("against the published API: {why}")),
    };
    if call.path.contains("/otel/") && header("x-langfuse-ingestion-version") != Some("4") {
        return Reply::refusal(
            400,
            "spans without x-langfuse-ingestion-version: 4 come late",
        );
    }
    let reply = store.answer(&call);
    match oracle.check(&call, reply.status, reply.body.as_ref()) {
        Ok(()) => reply,
        Err(why) => Reply::refusal(500, &format!("the tests' Langfuse answers wrongly: {why}")),
    }
}

fn response(reply: &Reply, retry_after: Option<&str>) -> Response<Body> {
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let body = reply
        .body
        .as_ref()
        .map(Value::to_string)
        .unwrap_or_default();
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    if reply.body.is_some()
        && let Ok(json) = "application/json; charset=utf-8".parse()
    {
        headers.insert("content-type", json);
    }
    if let Some(Ok(seconds)) = retry_after.map(str::parse) {
        headers.insert("retry-after", seconds);
    }
    response
}

impl Reply {
    /// An answer that is none, as Langfuse words it.
    fn refusal(status: u16, message: &str) -> Self {
        Self {
            status,
            body: Some(json!({ "message": message, "error": "Refused" })),
        }
    }
}
