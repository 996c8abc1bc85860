//! `telemetry-provider`: what this provider is.

use std::cell::OnceCell;

use roost_provider::database::{Sql as _, parameters};
use roost_provider::types::{Attribute, AttributeValue};
use roost_provider::{Error, error, time};
use serde::Deserialize;

use crate::bindings::telemetry_provider::{
    BackendLimits, ExportOptions, Guest, Health, ProviderInfo, SpanExport,
};
use crate::database::database;
use crate::{Provider, Result};

/// The attribute that makes a span part of a session.
pub(crate) const SESSION: &str = "session.id";

/// The configuration, see `config.schema.json`.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Config {
    pub(crate) retain_days: Option<u64>,
    pub(crate) retain_spans: Option<u64>,
    pub(crate) retain_bytes: Option<u64>,
}

thread_local! {
    static CONFIG: OnceCell<Config> = const { OnceCell::new() };
}

/// What this instance was initialised with.
pub(crate) fn config() -> Config {
    CONFIG.with(|config| config.get().cloned().unwrap_or_default())
}

impl Guest for Provider {
    fn describe() -> ProviderInfo {
        ProviderInfo {
            name: "local".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            summary: "No backend at all: everything is kept in a database of Roost's own."
                .to_owned(),
            homepage: String::new(),
            config_schema: include_str!("../config.schema.json").to_owned(),
            credentials: Vec::new(),
            limits: BackendLimits {
                max_page_size: 1_000,
                max_batch_items: 1_000,
                max_batch_bytes: 8 << 20,
                mixed_projects: false,
                visibility_delay_ms: 0,
            },
        }
    }

    fn initialize(config: String) -> Result<()> {
        let config: Config = serde_json::from_str(&config)
            .map_err(|error| error::invalid_argument(format!("the configuration: {error}")))?;
        CONFIG
            .with(|cell| cell.set(config))
            .map_err(|_| Error::Internal("`initialize` was called twice".to_owned()))
    }

    fn configure_span_export(_project: String, _options: ExportOptions) -> Result<SpanExport> {
        Ok(SpanExport::Sink)
    }

    fn session_attributes(_project: String, session_id: String) -> Result<Vec<Attribute>> {
        if session_id.is_empty() {
            return Err(error::invalid_argument("a session id must not be empty"));
        }
        Ok(vec![Attribute {
            key: SESSION.to_owned(),
            value: AttributeValue::Text(session_id),
        }])
    }

    fn trace_url(_project: String, _trace_id: String) -> Result<Option<String>> {
        Ok(None)
    }

    fn check_health() -> Result<Health> {
        let begin = time::monotonic();
        let database = database()?;
        let version = "SELECT CAST(MAX(version) AS TEXT) FROM roost_schema";
        let mut version = database.rows(version, parameters![])?;
        let version = match version.first_mut() {
            Some(row) => row.text()?,
            None => String::new(),
        };
        Ok(Health {
            authenticated: true,
            backend_version: format!("{:?} schema {version}", database.dialect())
                .trim_start_matches("Dialect::")
                .to_lowercase(),
            latency_us: time::monotonic().saturating_sub(begin) / 1_000,
            backend_time: Some(time::now()),
        })
    }
}
