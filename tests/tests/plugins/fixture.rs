//! A host, a provider and a question: what each of these tests begins with.

use std::time::Duration;

use anyhow::{Context, Result};
use roost::config::{ConnectionLimits, LimitsConfig, PluginsConfig};
use roost::contract::{AttributeValue, Error, Span, TimeWindow};
use roost::plugin::{ConnectionSpec, DatabaseSpec, Host, ProviderStatus, Refusal};
use roost::provider::{Provider, SpanQuery};
use roost_tests::{PluginFolder, echo, span_id, trace_id};
use serde_json::{Map, Value, json};

pub(crate) const SOON: Duration = Duration::from_secs(30);

/// A host of its own for a test.
pub(crate) async fn host(folder: &PluginFolder, limits: LimitsConfig) -> Result<Host> {
    let plugins = PluginsConfig {
        folder: folder.path().to_owned(),
        ..PluginsConfig::default()
    };
    Ok(Host::start(&plugins, &limits).await?)
}

pub(crate) async fn with_echo() -> Result<(PluginFolder, Host)> {
    let folder = PluginFolder::new()?;
    folder.install("echo", &echo()?)?;
    let host = host(&folder, LimitsConfig::default()).await?;
    Ok((folder, host))
}

pub(crate) fn spec(config: Value) -> ConnectionSpec {
    let Value::Object(provider_config) = config else {
        return spec(Value::Object(Map::new()));
    };
    ConnectionSpec {
        name: "default".to_owned(),
        provider: "echo".to_owned(),
        provider_config,
        secrets: [].into(),
        secrets_refresh: Duration::from_secs(300),
        allow_hosts: Vec::new(),
        limits: ConnectionLimits::default(),
        database: DatabaseSpec::default(),
    }
}

pub(crate) fn one_span() -> Value {
    json!({ "spans": [{ "trace_id": trace_id(), "span_id": span_id(), "name": "one" }] })
}

pub(crate) fn query(project: &str) -> SpanQuery {
    SpanQuery::new(project, TimeWindow::all())
}

pub(crate) fn status(host: &Host, name: &str) -> Result<ProviderStatus> {
    let found = host.providers().into_iter().find(|p| p.name == name);
    found.with_context(|| format!("no provider {name}"))
}

pub(crate) fn refusal(host: &Host, name: &str) -> Result<Refusal> {
    status(host, name)?.refusal.context("it was not refused")
}

pub(crate) fn text<'a>(span: &'a Span, key: &str) -> &'a str {
    match span.attribute(key) {
        Some(AttributeValue::Text(text)) => text,
        other => panic!("{key} is {other:?}"),
    }
}

/// The status that the provider was answered, asking for `url`.
pub(crate) async fn status_of(provider: &Provider, url: &str) -> Result<u16> {
    let project = format!("forbidden:{url}");
    let error = provider
        .traces()
        .get_spans(&query(&project))
        .await
        .unwrap_err();
    match error.kind() {
        Error::Backend(failure) => Ok(failure.status),
        _ => Err(error.into()),
    }
}
