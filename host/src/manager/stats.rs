//! The manager in numbers.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::config::TelemetryLevel;
use crate::export::SpanStats;
use crate::provider::ReadCacheStats;

/// The manager in numbers, since it was started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TelemetryStats {
    /// Spans whose project was remembered.
    pub cache_hits: u64,
    /// Spans whose project had to be made.
    pub cache_misses: u64,
    /// Spans that could not be made, for want of a valid tenant or service, and do nothing.
    pub failed_initializations: u64,
    /// Spans that no sampler wanted, and that were not recorded.
    pub sampled_out: u64,
    /// Tenants that are remembered.
    pub cached_tenants: usize,
    /// Projects that are remembered: a tenant has one a service.
    pub cached_tracers: usize,
    /// What became of all spans: `created = delivered + queued + spooled + dropped`.
    pub spans: SpanStats,
    /// What became of the spans of each project, by its name, also of those that are not
    /// remembered any more, unless there are very many.
    pub projects: BTreeMap<String, SpanStats>,
    /// What became of the spans of all other projects together.
    pub other_projects: SpanStats,
    /// The answers of backends that are kept.
    pub read_cache: ReadCacheStats,
    /// How it is configured.
    pub config: StatsConfig,
}

/// What of the configuration [`TelemetryStats`] repeats.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StatsConfig {
    /// Whether spans are made at all.
    pub enabled: bool,
    /// What is instrumented.
    pub level: TelemetryLevel,
    /// The environment spans are marked with.
    pub environment: String,
}
