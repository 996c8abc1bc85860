//! A backend that takes OTLP over HTTP, and does as the test says.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Result, ensure};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, Span};
use prost::Message;
use roost_tests::{Gateway, eventually};

/// What it does with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    Willing,
    /// It never answers.
    Silent,
    /// It answers so.
    Status(u16),
}

pub(crate) struct Backend {
    desk: Arc<Desk>,
    port: u16,
}

struct Desk {
    mood: Mutex<Mood>,
    received: Mutex<Vec<ExportTraceServiceRequest>>,
}

impl Backend {
    pub(crate) async fn start(mood: Mood) -> Result<Self> {
        let desk = Arc::new(Desk {
            mood: Mutex::new(mood),
            received: Mutex::default(),
        });
        let app = Router::new()
            .route("/v1/traces", post(take))
            .with_state(Arc::clone(&desk));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        tokio::spawn(async move { axum::serve(listener, app).await });
        Ok(Self { desk, port })
    }

    /// A gateway in front of it, with these settings on top.
    pub(crate) async fn gateway(&self, settings: &str) -> Result<Gateway> {
        let batch = "telemetry.batch_config.schedule_delay_millis";
        let delay = if settings.contains(batch) {
            String::new()
        } else {
            format!("{batch} = 20\n")
        };
        let endpoint = format!("telemetry.otlp_endpoint = \"{}\"\n", self.endpoint());
        Gateway::start(&format!("{endpoint}{delay}{settings}"), |_| Ok(())).await
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}/v1/traces", self.port)
    }

    pub(crate) fn become_(&self, mood: Mood) {
        *self.desk.mood.lock().unwrap() = mood;
    }

    /// Everything that came.
    pub(crate) fn groups(&self) -> Vec<ResourceSpans> {
        let received = self.desk.received.lock().unwrap();
        let groups = received.iter().flat_map(|request| &request.resource_spans);
        groups.cloned().collect()
    }

    /// Every span that came, with its resource.
    pub(crate) fn spans(&self) -> Vec<(BTreeMap<String, String>, Span)> {
        self.groups().iter().flat_map(spans_of).collect()
    }

    /// Waits for so many spans.
    pub(crate) async fn wait_for(
        &self,
        spans: usize,
    ) -> Result<Vec<(BTreeMap<String, String>, Span)>> {
        eventually("spans arrive", Duration::from_secs(30), async || {
            let seen = self.spans();
            ensure!(seen.len() >= spans, "{} spans of {spans}", seen.len());
            Ok(seen)
        })
        .await
    }
}

fn spans_of(group: &ResourceSpans) -> Vec<(BTreeMap<String, String>, Span)> {
    let resource = group.resource.clone().unwrap_or_default();
    let resource = texts(&resource.attributes);
    let spans = group.scope_spans.iter().flat_map(|scope| &scope.spans);
    spans.map(|span| (resource.clone(), span.clone())).collect()
}

/// The attributes that are texts.
pub(crate) fn texts(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let pairs = attributes.iter();
    pairs
        .filter_map(|pair| match pair.value.as_ref()?.value.as_ref()? {
            Value::StringValue(text) => Some((pair.key.clone(), text.clone())),
            _ => None,
        })
        .collect()
}

async fn take(State(desk): State<Arc<Desk>>, body: Bytes) -> StatusCode {
    let mood = *desk.mood.lock().unwrap();
    match mood {
        Mood::Willing => {
            let request = ExportTraceServiceRequest::decode(body).expect("protobuf");
            desk.received.lock().unwrap().push(request);
            StatusCode::OK
        }
        Mood::Silent => std::future::pending().await,
        Mood::Status(status) => StatusCode::from_u16(status).expect("a status"),
    }
}
