//! The example service on a real Phoenix, as its users see it: over HTTP.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use reqwest::{RequestBuilder, StatusCode};
use roost::{Config, TelemetryManager};
use roost_example_axum::{router, telemetry};
use roost_tests::{Phoenix, PluginFolder, eventually, phoenix_provider, unique};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// How long a server that has other tests to serve as well may take.
const SOON: Duration = Duration::from_secs(60);

/// The service on a free port. It ends with the test's runtime.
struct Service {
    client: reqwest::Client,
    address: String,
    telemetry: TelemetryManager,
    _folder: PluginFolder,
}

impl Service {
    async fn start() -> Result<Self> {
        let phoenix = Phoenix::shared().await?;
        let folder = PluginFolder::new()?;
        folder.install("phoenix", &phoenix_provider()?)?;
        let toml = format!(
            "[telemetry]\nservice_name = \"search\"\n\
             [telemetry.batch_config]\nschedule_delay_millis = 50\n\
             [plugins]\nfolder = \"{}\"\n\
             [connections.default]\nprovider = \"phoenix\"\nprovider_config = {{ \
             http_endpoint = \"{}\", grpc_endpoint = \"{}\" }}\n",
            folder.path().display(),
            phoenix.http_endpoint(),
            phoenix.grpc_endpoint(),
        );
        let telemetry = TelemetryManager::start(Config::from_toml(&toml, "/roost.toml")?).await?;
        Self::serve(telemetry, folder).await
    }

    async fn serve(telemetry: TelemetryManager, folder: PluginFolder) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = format!("http://{}", listener.local_addr()?);
        let app = router(telemetry.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Ok(Self {
            client: reqwest::Client::builder().no_proxy().build()?,
            address,
            telemetry,
            _folder: folder,
        })
    }

    fn get(&self, tenant: &str, path: &str) -> RequestBuilder {
        let request = self.client.get(format!("{}{path}", self.address));
        request.header("x-tenant-id", tenant)
    }

    fn post(&self, tenant: &str, path: &str, body: &Value) -> RequestBuilder {
        let request = self.client.post(format!("{}{path}", self.address));
        request.header("x-tenant-id", tenant).json(body)
    }

    async fn search(&self, tenant: &str, query: &str) -> Result<(StatusCode, Value)> {
        let request = self.post(tenant, "/search", &json!({ "query": query }));
        answer(request.header("x-session-id", "chat-1")).await
    }

    /// The tenant's spans as the service shows them, once there are `count`.
    async fn spans(&self, tenant: &str, count: usize) -> Result<Vec<Value>> {
        self.telemetry.force_flush(SOON).await;
        eventually("the spans are there", SOON, async || {
            let (status, spans) = answer(self.get(tenant, "/spans")).await?;
            ensure!(status == StatusCode::OK, "{status}: {spans}");
            let spans = spans.as_array().context("no list")?.clone();
            ensure!(spans.len() == count, "{} of {count}", spans.len());
            Ok(spans)
        })
        .await
    }
}

async fn answer(request: RequestBuilder) -> Result<(StatusCode, Value)> {
    let response = request.send().await?;
    Ok((response.status(), response.json().await?))
}

fn named<'a>(spans: &'a [Value], name: &str) -> &'a Value {
    let mut spans = spans.iter();
    let found = spans.find(|span| span["name"] == name);
    found.unwrap_or_else(|| panic!("there is no span {name}"))
}

#[tokio::test]
async fn the_spans_of_a_request_are_one_tree_in_the_project_of_its_tenant() -> Result<()> {
    let service = Service::start().await?;
    let (acme, globex) = (unique("acme"), unique("globex"));
    for (tenant, query) in [(&acme, "owls"), (&globex, "anvils")] {
        let (status, found) = service.search(tenant, query).await?;
        assert_eq!(status, StatusCode::OK, "{found}");
        assert_eq!(
            found["documents"][0]["content"],
            format!("All about {query}")
        );
    }
    for (tenant, query) in [(&acme, "owls"), (&globex, "anvils")] {
        let spans = service.spans(tenant, 4).await?;
        let request = named(&spans, "POST /search");
        assert_eq!(request["parent_id"], Value::Null);
        assert_eq!(request["attributes"]["http.response.status_code"], 200);
        for (name, kind) in [
            ("embed", "EMBEDDING"),
            ("retrieve", "RETRIEVER"),
            ("answer", "LLM"),
        ] {
            let step = named(&spans, name);
            assert_eq!(step["parent_id"], request["span_id"], "{name}");
            assert_eq!(step["trace_id"], request["trace_id"], "{name}");
            assert_eq!(step["kind"], kind);
            assert_eq!(step["attributes"]["tenant.id"], *tenant);
            assert_eq!(step["attributes"]["session.id"], "chat-1");
        }
        // Nothing of the other tenant's.
        assert_eq!(named(&spans, "answer")["attributes"]["input.value"], query);
    }
    Ok(())
}

#[tokio::test]
async fn feedback_is_kept_with_its_span_and_never_with_another_tenants() -> Result<()> {
    let service = Service::start().await?;
    let (acme, globex) = (unique("acme"), unique("globex"));
    service.search(&globex, "anvils").await?;
    let (_, found) = service.search(&acme, "owls").await?;
    let span_id = found["span_id"].as_str().context("nothing was traced")?;
    service.spans(&acme, 4).await?;
    service.spans(&globex, 4).await?;

    let path = format!("/feedback/{span_id}");
    let feedback = json!({ "label": "helpful", "score": 0.9, "comment": "I like owls" });
    let (status, refused) = answer(service.post(&globex, &path, &feedback)).await?;
    assert_eq!(status, StatusCode::NOT_FOUND, "{refused}");
    let (status, stored) = answer(service.post(&acme, &path, &feedback)).await?;
    assert_eq!(status, StatusCode::CREATED, "{stored}");

    let provider = service.telemetry.get_provider(&acme, None)?;
    let project = service.telemetry.project_name(&acme, None)?;
    let targets = [roost::contract::Target::span(span_id)];
    let store = provider.annotations();
    let kept = store.get_annotations(&project, &targets, None).await?;
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].id, stored["annotation_id"].as_str().unwrap());
    assert_eq!(kept[0].name, "user_feedback");
    assert_eq!(kept[0].label.as_deref(), Some("helpful"));
    assert_eq!(kept[0].score, Some(0.9));
    assert_eq!(kept[0].explanation.as_deref(), Some("I like owls"));
    Ok(())
}

#[tokio::test]
async fn an_error_is_told_to_the_caller_and_recorded_on_the_span_it_happened_in() -> Result<()> {
    let service = Service::start().await?;
    let tenant = unique("acme");
    let (status, refused) = service.search(&tenant, &"owl ".repeat(65)).await?;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    let message = refused["error"].as_str().unwrap();
    assert!(message.contains("65 words"), "{message}");

    let spans = service.spans(&tenant, 4).await?;
    assert_eq!(named(&spans, "answer")["status"], "error");
    assert_eq!(named(&spans, "answer")["message"], message);
    assert_eq!(named(&spans, "embed")["status"], "unset");
    let request = named(&spans, "POST /search");
    assert_eq!(request["attributes"]["http.response.status_code"], 422);
    let (_, stats) = answer(service.get(&tenant, "/stats")).await?;
    assert_eq!(stats["spans"]["created"], 4);
    assert_eq!(stats["spans"]["delivered"], 4);
    Ok(())
}

#[tokio::test]
async fn a_caller_without_a_proper_tenant_or_body_is_told_what_is_wrong() -> Result<()> {
    let service = Service::start().await?;
    let query = json!({ "query": "owls" });
    let url = format!("{}/search", service.address);
    let nobody = answer(service.client.post(url).json(&query)).await?;
    let bad = answer(service.post("../acme", "/search", &query)).await?;
    let no_query = answer(service.post("acme", "/search", &json!({}))).await?;
    let session = service.post("acme", "/search", &query);
    let session = answer(session.header("x-session-id", "s".repeat(129))).await?;
    let limit = answer(service.get("acme", "/spans?limit=many")).await?;
    for ((status, body), reason) in [
        (nobody, "x-tenant-id is missing"),
        (bad, "x-tenant-id: "),
        (no_query, "missing field `query`"),
        (session, "1 to 128 characters"),
        (limit, "limit: invalid digit"),
    ] {
        assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");
        let message = body["error"].as_str().unwrap();
        assert!(message.contains(reason), "{message}");
    }
    // A tenant that was never traced has no spans, which is no error.
    assert!(service.spans(&unique("new"), 0).await?.is_empty());
    Ok(())
}

/// No file, no plugins, no backend: the service answers all the same.
#[tokio::test]
async fn the_service_works_without_telemetry() -> Result<()> {
    let telemetry = telemetry::start(Some(Path::new("/nowhere/roost.toml"))).await;
    assert!(!telemetry.config().telemetry.enabled);
    let service = Service::serve(telemetry, PluginFolder::new()?).await?;
    let (status, found) = service.search("acme", "owls").await?;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(found["answer"], "2 documents are about owls.");
    assert_eq!(found["span_id"], Value::Null);
    let (status, why) = answer(service.get("acme", "/spans")).await?;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{why}");
    assert!(service.telemetry.shutdown(SOON).await.is_complete());
    Ok(())
}
