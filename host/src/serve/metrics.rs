//! What the gateway counts, and how Prometheus reads it.

mod pipeline;
mod providers;

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::TelemetryManager;
use crate::config::TenantId;
use pipeline::PipelineNumbers;
use providers::ProviderNumbers;

/// How many tenants, and how many projects, have numbers of their own. Whoever may name tenants could otherwise fill the
/// memory of this process, and of Prometheus.
const MAX_LABELS: usize = 1_000;
/// The label of all others, which no tenant can have as its id.
const OTHERS: &str = "(others)";
/// The label of spans that were refused before their tenant was known.
const UNKNOWN: &str = "(unknown)";

/// The type of what `/metrics` answers.
pub(super) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    protocol: &'static str,
    status: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ProtocolLabels {
    protocol: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SpanLabels {
    tenant: String,
    outcome: &'static str,
}

/// What became of spans at the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The pipeline has them.
    Taken,
    /// Nobody will want them.
    Refused,
    /// The sender has to send them again.
    Later,
}

impl Outcome {
    fn label(self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::Refused => "refused",
            Self::Later => "later",
        }
    }
}

/// The counters, and the registry that writes them.
pub(super) struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    seconds: Family<ProtocolLabels, Histogram>,
    bytes: Counter,
    spans: Family<SpanLabels, Counter>,
    unnamed: Counter,
    /// Those of the spans of each tenant that were taken, at hand.
    taken: Mutex<HashMap<TenantId, Counter>>,
    pub(super) connections: Gauge,
    pub(super) in_flight: Gauge,
}

impl Metrics {
    pub(super) fn new(telemetry: TelemetryManager) -> Self {
        let buckets = || {
            Histogram::new([
                0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
            ])
        };
        let mut metrics = Self {
            registry: Registry::with_prefix("roost"),
            requests: Family::default(),
            seconds: Family::new_with_constructor(buckets),
            bytes: Counter::default(),
            spans: Family::default(),
            unnamed: Counter::default(),
            taken: Mutex::default(),
            connections: Gauge::default(),
            in_flight: Gauge::default(),
        };
        let registry = &mut metrics.registry;
        registry.register(
            "gateway_requests",
            "Export requests by how they ended",
            metrics.requests.clone(),
        );
        registry.register_with_unit(
            "gateway_request_duration",
            "How long export requests took",
            Unit::Seconds,
            metrics.seconds.clone(),
        );
        registry.register_with_unit(
            "gateway_received",
            "Bodies of export requests, as they came",
            Unit::Bytes,
            metrics.bytes.clone(),
        );
        registry.register(
            "gateway_spans",
            "Spans by tenant and what became of them at the gateway",
            metrics.spans.clone(),
        );
        registry.register(
            "gateway_unnamed_services",
            "Groups of spans that were filed under the configured service for want of a name",
            metrics.unnamed.clone(),
        );
        registry.register(
            "gateway_connections",
            "Connections that are open",
            metrics.connections.clone(),
        );
        registry.register(
            "gateway_requests_in_flight",
            "Export requests that are not answered yet",
            metrics.in_flight.clone(),
        );
        registry.register_collector(Box::new(PipelineNumbers::new(telemetry.clone())));
        registry.register_collector(Box::new(ProviderNumbers::new(telemetry)));
        metrics
    }

    pub(super) fn request(&self, protocol: &'static str, status: &'static str, took: Duration) {
        let labels = RequestLabels { protocol, status };
        self.requests.get_or_create(&labels).inc();
        let labels = ProtocolLabels { protocol };
        self.seconds
            .get_or_create(&labels)
            .observe(took.as_secs_f64());
    }

    pub(super) fn received(&self, bytes: usize) {
        self.bytes.inc_by(bytes as u64);
    }

    pub(super) fn unnamed_service(&self) {
        self.unnamed.inc();
    }

    pub(super) fn spans(&self, tenant: Option<&TenantId>, outcome: Outcome, spans: u64) {
        if spans == 0 {
            return;
        }
        match (tenant.map(|tenant| (tenant, self.taken(tenant))), outcome) {
            (Some((_, Some(taken))), Outcome::Taken) => taken.inc_by(spans),
            (Some((tenant, Some(_))), _) => self.counter(tenant.as_str(), outcome).inc_by(spans),
            (Some((_, None)), _) => self.counter(OTHERS, outcome).inc_by(spans),
            (None, _) => self.counter(UNKNOWN, outcome).inc_by(spans),
        };
    }

    /// How many spans of a tenant were taken, if it has numbers of its own.
    fn taken(&self, tenant: &TenantId) -> Option<Counter> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = taken.get(tenant) {
            return Some(known.clone());
        }
        (taken.len() < MAX_LABELS).then(|| {
            let counter = self.counter(tenant.as_str(), Outcome::Taken);
            taken.insert(tenant.clone(), counter.clone());
            counter
        })
    }

    fn counter(&self, tenant: &str, outcome: Outcome) -> Counter {
        let labels = SpanLabels {
            tenant: tenant.to_owned(),
            outcome: outcome.label(),
        };
        self.spans.get_or_create_owned(&labels)
    }

    /// Everything, as Prometheus reads it.
    pub(super) fn text(&self) -> Result<String, std::fmt::Error> {
        let mut out = String::new();
        text::encode(&mut out, &self.registry)?;
        Ok(out)
    }
}
