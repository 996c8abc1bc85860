//! The practice service: a backend small enough to know by heart, for the providers that `roost
//! new` writes. It keeps spans in memory, answers plain HTTP with JSON, and listens on loopback.
//!
//! | request | answer |
//! |---|---|
//! | `GET /health` | `{"version": "1.0"}` |
//! | `POST /projects/P/spans` with `{"spans": [...]}` | `{"accepted": 2}`; a span that is there already stays |
//! | `GET /projects/P/spans?start=&end=&roots=&limit=&after=` | `{"spans": [...], "next": "7"}`, oldest arrival first |
//! | `GET /projects/P/spans/ID` | the span |
//! | `GET /projects/P/traces/ID?limit=&after=` | as the listing |
//!
//! What is not there is answered 404, and what cannot be understood 400, with `{"error": "..."}`.
//! Times are nanoseconds in texts, as in OTLP's JSON.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use url::form_urlencoded;

/// How many spans an answer has at most.
const MOST: usize = 1_000;
/// The largest request, in bytes.
const LARGEST: usize = 16 << 20;

/// A practice service that runs. It ends when dropped.
pub(super) struct Practice {
    address: SocketAddr,
    serving: JoinHandle<()>,
}

/// The spans of each project, in the order in which they came.
type Projects = BTreeMap<String, Vec<Value>>;

/// A status and what is said with it.
type Answer = Result<Value, (StatusCode, String)>;

impl Practice {
    /// Begin to serve on a free port of loopback.
    pub(super) async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await;
        let listener = listener.context("the practice service finds no free port")?;
        let address = listener.local_addr()?;
        let serving = tokio::spawn(serve(listener));
        Ok(Self { address, serving })
    }

    /// Its scheme, host and port.
    pub(super) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Practice {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(listener: TcpListener) {
    let projects = Arc::<Mutex<Projects>>::default();
    // Connections go with the service.
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        let projects = Arc::clone(&projects);
        connections.spawn(async move {
            let answer = service_fn(move |request| respond(Arc::clone(&projects), request));
            let server = auto::Builder::new(TokioExecutor::new());
            // A client that hangs up is no concern of ours.
            let _ = server.serve_connection(TokioIo::new(stream), answer).await;
        });
    }
}

async fn respond(
    projects: Arc<Mutex<Projects>>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = http_body_util::Limited::new(body, LARGEST).collect().await;
    let answer = match body {
        Ok(body) => {
            let mut projects = projects.lock().unwrap_or_else(PoisonError::into_inner);
            answer(&mut projects, &head.method, &head.uri, &body.to_bytes())
        }
        Err(error) => bad(format!("the body cannot be read: {error}")),
    };
    let (status, body) = match answer {
        Ok(body) => (StatusCode::OK, body),
        Err((status, error)) => (status, json!({ "error": error })),
    };
    let mut response = Response::new(Full::from(body.to_string()));
    *response.status_mut() = status;
    let json = http::HeaderValue::from_static("application/json");
    response
        .headers_mut()
        .insert(http::header::CONTENT_TYPE, json);
    Ok(response)
}

fn answer(projects: &mut Projects, method: &Method, uri: &Uri, body: &[u8]) -> Answer {
    let path: Vec<String> = uri
        .path()
        .split('/')
        .skip(1)
        .map(|part| percent_decode_str(part).decode_utf8_lossy().into_owned())
        .collect();
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    let query: BTreeMap<String, String> =
        form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes())
            .into_owned()
            .collect();
    match (method.as_str(), path.as_slice()) {
        ("GET", ["health"]) => Ok(json!({ "version": "1.0" })),
        ("POST", ["projects", project, "spans"]) => {
            take(projects.entry((*project).to_owned()).or_default(), body)
        }
        ("GET", ["projects", project, "spans"]) => {
            let window = (
                number(&query, "start", 0)?,
                number(&query, "end", u64::MAX)?,
            );
            let roots = query.get("roots").is_some_and(|roots| roots == "true");
            page(known(projects, project)?, &query, |span| {
                let start = start(span);
                let is_root = span.get("parent_id").is_none_or(Value::is_null);
                window.0 <= start && start < window.1 && (!roots || is_root)
            })
        }
        ("GET", ["projects", project, "spans", id]) => {
            let mut spans = known(projects, project)?.iter();
            let span = spans.find(|span| text(span, "span_id") == *id);
            span.cloned()
                .ok_or_else(|| missing(format!("no span `{id}` in `{project}`")))
        }
        ("GET", ["projects", project, "traces", id]) => {
            let spans = known(projects, project)?;
            let is_of_trace = |span: &Value| text(span, "trace_id") == *id;
            if !spans.iter().any(is_of_trace) {
                return Err(missing(format!("no trace `{id}` in `{project}`")));
            }
            page(spans, &query, is_of_trace)
        }
        _ => Err(missing(format!("nothing answers {method} {}", uri.path()))),
    }
}

fn take(spans: &mut Vec<Value>, body: &[u8]) -> Answer {
    let body: Value = serde_json::from_slice(body).map_err(|error| {
        (
            StatusCode::BAD_REQUEST,
            format!("the body is no JSON: {error}"),
        )
    })?;
    let Some(sent) = body.get("spans").and_then(Value::as_array) else {
        return bad("the body has no list `spans`".to_owned());
    };
    for span in sent {
        let is_whole = ["trace_id", "span_id", "name"]
            .iter()
            .all(|key| !text(span, key).is_empty());
        if !is_whole || text(span, "start").parse::<u64>().is_err() {
            return bad(format!(
                "a span wants trace_id, span_id, name and start: {span}"
            ));
        }
    }
    for span in sent {
        let is_same = |other: &Value| {
            ["trace_id", "span_id"]
                .iter()
                .all(|key| text(other, key) == text(span, key))
        };
        if !spans.iter().any(is_same) {
            spans.push(span.clone());
        }
    }
    Ok(json!({ "accepted": sent.len() }))
}

/// The spans that fit, from the place `after` on. A place counts all spans of the project, which
/// only grow, so pages stand still.
fn page(
    spans: &[Value],
    query: &BTreeMap<String, String>,
    fits: impl Fn(&Value) -> bool,
) -> Answer {
    let after = usize::try_from(number(query, "after", 0)?).unwrap_or(usize::MAX);
    let limit = usize::try_from(number(query, "limit", 100)?)
        .unwrap_or(MOST)
        .clamp(1, MOST);
    let mut fitting = (1_u64..)
        .zip(spans)
        .skip(after)
        .filter(|(_, span)| fits(span))
        .peekable();
    let mut page = Vec::new();
    let mut last = 0;
    while let Some((place, span)) = fitting.next_if(|_| page.len() < limit) {
        page.push(span.clone());
        last = place;
    }
    let next = fitting.peek().map(|_| last.to_string());
    Ok(json!({ "spans": page, "next": next }))
}

fn known<'a>(projects: &'a Projects, project: &str) -> Result<&'a [Value], (StatusCode, String)> {
    let spans = projects.get(project).map(Vec::as_slice);
    spans.ok_or_else(|| missing(format!("no project `{project}`")))
}

fn text<'a>(span: &'a Value, key: &str) -> &'a str {
    span.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn start(span: &Value) -> u64 {
    text(span, "start").parse().unwrap_or(0)
}

fn number(
    query: &BTreeMap<String, String>,
    key: &str,
    absent: u64,
) -> Result<u64, (StatusCode, String)> {
    let Some(text) = query.get(key) else {
        return Ok(absent);
    };
    let wrong = |_| {
        (
            StatusCode::BAD_REQUEST,
            format!("{key}: `{text}` is no whole number"),
        )
    };
    text.parse().map_err(wrong)
}

fn missing(what: String) -> (StatusCode, String) {
    (StatusCode::NOT_FOUND, what)
}

fn bad(why: String) -> Answer {
    Err((StatusCode::BAD_REQUEST, why))
}
