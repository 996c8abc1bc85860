//! Roost runs the telemetry of LLM applications: one multi-tenant API for spans,
//! annotations, datasets, experiments and metrics, and behind it *providers*, which are
//! WebAssembly components dropped into a folder, one for each observability backend.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use roost::contract::TimeWindow;
//! use roost::provider::SpanQuery;
//! use roost::{Config, TelemetryManager};
//!
//! let telemetry = TelemetryManager::start(Config::load(None)?).await?;
//!
//! // Spans out: to the project of the tenant, whatever the backend.
//! telemetry
//!     .span("search", "acme")
//!     .in_scope(|span| span.set_attribute("query", "machine learning"));
//!
//! // Questions in: through the provider of the tenant's connection.
//! let project = telemetry.project_name("acme", None)?;
//! let provider = telemetry.get_provider("acme", None)?;
//! let spans = provider
//!     .traces()
//!     .get_spans(&SpanQuery::new(project, TimeWindow::all()))
//!     .await?;
//! # Ok(())
//! # }
//! ```
//!
//! The rooms, from the top; each uses only those below it:
//!
//! | module | holds |
//! |---|---|
//! | `serve` | the OTLP gateway (feature `serve`) |
//! | [`copy`] | what a backend holds, copied into another |
//! | `check` | what the contract asks of a provider, tried from outside (feature `check`) |
//! | [`manager`] | [`TelemetryManager`]: tenants, spans, sessions, statistics |
//! | `query` | frames, filters, SQL, files (feature `query`) |
//! | [`export`] | how spans leave: one pipeline, OTLP over gRPC and HTTP |
//! | [`provider`] | the stores of a provider, typed |
//! | `distribution` | providers from registries and addresses, and into them (feature `distribution`) |
//! | [`plugin`] | [`Host`]: loads, swaps and fences components |
//! | [`config`], [`contract`] | `roost.toml` and the environment; the types of `wit/` |
//!
//! # Features
//!
//! | feature | default | adds |
//! |---|---|---|
//! | `check` | through `cli` | module `check`: the rules of the contract, to try a provider on |
//! | `cli` | yes | the binary `roost`; includes `check`, `distribution`, `query` and `serve` |
//! | `distribution` | through `cli` | module `distribution`: fetches providers, and publishes them |
//! | `otel-sdk` | no | `manager::TenantSpanProcessor`: the spans of an OpenTelemetry SDK |
//! | `query` | through `cli` | module `query`: Arrow frames, filters in SQL, SQL over spans, Parquet and CSV |
//! | `serve` | through `cli` | module `serve`: the OTLP gateway |
//! | `tracing-layer` | no | `tracing_layer`: the spans of `tracing` |

#[cfg(feature = "check")]
pub mod check;
pub mod config;
pub mod contract;
pub mod copy;
#[cfg(feature = "distribution")]
pub mod distribution;
pub mod export;
#[cfg(fuzzing)]
pub mod fuzzing;
pub mod manager;
pub mod plugin;
pub mod provider;
#[cfg(feature = "query")]
pub mod query;
#[cfg(feature = "serve")]
pub mod serve;

pub use config::{Config, TenantId};
pub use contract::ProviderError;
pub use manager::{TelemetryManager, global, init, reset};
#[cfg(feature = "tracing-layer")]
pub use manager::{TracingLayer, tracing_layer};
pub use plugin::Host;
pub use provider::Provider;

/// The blocks of the pages compile.
#[cfg(doctest)]
mod pages {
    #[doc = include_str!("../../docs/analytics.md")]
    mod analytics {}
    #[doc = include_str!("../../docs/embed.md")]
    mod embed {}
    #[doc = include_str!("../../docs/experiments.md")]
    mod experiments {}
    #[doc = include_str!("../../docs/hot-reload.md")]
    mod hot_reload {}
    #[cfg(all(feature = "otel-sdk", feature = "tracing-layer"))]
    #[doc = include_str!("../../docs/instrument.md")]
    mod instrument {}
    #[cfg(feature = "query")]
    #[doc = include_str!("../../docs/query.md")]
    mod query {}
    #[doc = include_str!("../../README.md")]
    mod readme {}
}
