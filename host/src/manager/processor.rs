//! For applications that have an OpenTelemetry SDK: a processor that takes its spans.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use lru::LruCache;
use opentelemetry::baggage::BaggageExt as _;
use opentelemetry::trace::{
    Span as _, SpanBuilder, SpanContext, SpanId, TraceFlags, TraceId, TraceState,
};
use opentelemetry::{Context, Key, KeyValue};
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};
use sha2::{Digest, Sha256};

use super::TelemetryManager;
use super::tracer::scope_attributes;
use crate::export::{FlushReport, Project, RecordingSpan};

/// How long a flush without a timeout of its own may take.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(30);
/// Of how many spans it is remembered whose they are; those that are forgotten are long over.
const MAX_SPANS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(9_999);
/// The attribute that tells whose a span is.
const TENANT_ATTRIBUTE: &str = "tenant.id";

impl TelemetryManager {
    /// A processor for a tracer provider of the OpenTelemetry SDK, whose spans then leave
    /// through this manager. See [`TenantSpanProcessor`].
    #[must_use]
    pub fn span_processor(&self) -> TenantSpanProcessor {
        let tenant = &self.config().telemetry.default_tenant_id;
        TenantSpanProcessor {
            manager: self.clone(),
            tenant: tenant.as_str().into(),
            service: None,
            attribute: Key::from_static_str(TENANT_ATTRIBUTE),
            baggage: None,
            tenants: Mutex::new(LruCache::new(MAX_SPANS)),
        }
    }
}

/// Takes the spans of an OpenTelemetry SDK and sends them to the projects of their tenants.
///
/// The tenant of a span is what its attribute `tenant.id` says; else, where
/// [`with_baggage`](Self::with_baggage) names an entry, what the baggage says where the span
/// begins; else [the one of the processor](Self::with_tenant). The SDK's sampler decides which
/// spans there are. Of its `Resource` nothing is taken: what is on every span is configured in
/// Roost.
///
/// Backends file a whole trace under one project. A span of another project than the one its
/// trace was first seen with therefore gets the id of a trace of its own, the same for all of
/// that project. A span below one of another tenant is a root of its tenant's trace.
///
/// ```
/// use opentelemetry::trace::{Tracer, TracerProvider};
/// use opentelemetry::KeyValue;
/// use opentelemetry_sdk::trace::SdkTracerProvider;
///
/// # let telemetry = roost::TelemetryManager::disabled();
/// let provider = SdkTracerProvider::builder()
///     .with_span_processor(telemetry.span_processor().with_baggage("tenant"))
///     .build();
/// let tracer = provider.tracer("shop");
/// let span = tracer.span_builder("order").with_attributes([KeyValue::new("tenant.id", "acme")]);
/// tracer.build(span);
/// ```
pub struct TenantSpanProcessor {
    manager: TelemetryManager,
    tenant: Arc<str>,
    service: Option<Arc<str>>,
    attribute: Key,
    baggage: Option<String>,
    /// Whose spans are, for those below them.
    tenants: Mutex<LruCache<SpanId, Arc<str>>>,
}

impl TenantSpanProcessor {
    /// The tenant of spans that tell of none; without this, the configured
    /// `default_tenant_id`.
    #[must_use]
    pub fn with_tenant(mut self, tenant: impl Into<Arc<str>>) -> Self {
        self.tenant = tenant.into();
        self
    }

    /// The service whose projects the spans belong to; without one the configured
    /// `service_name`.
    #[must_use]
    pub fn with_service(mut self, service: impl Into<Arc<str>>) -> Self {
        self.service = Some(service.into());
        self
    }

    /// The attribute that tells the tenant, instead of `tenant.id`.
    #[must_use]
    pub fn with_attribute(mut self, key: impl Into<Key>) -> Self {
        self.attribute = key.into();
        self
    }

    /// The entry of the baggage that tells the tenant. Baggage comes with requests: name one
    /// only where the callers may choose.
    #[must_use]
    pub fn with_baggage(mut self, key: impl Into<String>) -> Self {
        self.baggage = Some(key.into());
        self
    }

    fn tenant_of(&self, attributes: &[KeyValue]) -> Option<String> {
        let mut found = attributes.iter().rev();
        let found = found.find(|attribute| attribute.key == self.attribute)?;
        Some(found.value.as_str().into_owned())
    }

    fn tenants(&self) -> MutexGuard<'_, LruCache<SpanId, Arc<str>>> {
        self.tenants.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a span hangs below another that is, as far as anybody knows, of its own tenant. In
    /// a trace that was made for its project only what is known to be there can be above it.
    fn has_parent(&self, span: &SpanData, tenant: &str, is_derived: bool) -> bool {
        let parent = span.parent_span_id;
        parent != SpanId::INVALID
            && match self.tenants().get(&parent) {
                Some(owner) => **owner == *tenant,
                None => !is_derived,
            }
    }

    /// The trace that a span is filed under.
    fn trace_for(&self, span: &SpanData, project: &Arc<Project>) -> TraceId {
        let trace = span.span_context.trace_id();
        let is_remote = span.parent_span_is_remote;
        let owner = self.manager.inner.owners.join(trace, is_remote, project);
        if owner.name() == project.name() {
            return trace;
        }
        // The same in every process that sees this trace and this project.
        let digest = Sha256::new()
            .chain_update(trace.to_bytes())
            .chain_update(project.name())
            .finalize();
        let id = digest.iter().take(16);
        TraceId::from(
            id.fold(0, |id: u128, byte| id << 8 | u128::from(*byte))
                .max(1),
        )
    }
}

impl SpanProcessor for TenantSpanProcessor {
    fn on_start(&self, span: &mut Span, context: &Context) {
        let Some(data) = span.exported_data() else {
            return;
        };
        let told = self.baggage.as_ref();
        let told = told.and_then(|key| context.baggage().get(key));
        let tenant: Arc<str> = match (self.tenant_of(&data.attributes), told) {
            (Some(tenant), _) => tenant.into(),
            (None, Some(told)) => {
                span.set_attribute(KeyValue::new(self.attribute.clone(), told.clone()));
                told.as_str().into()
            }
            (None, None) => Arc::clone(&self.tenant),
        };
        self.tenants().put(data.span_context.span_id(), tenant);
    }

    fn on_end(&self, span: SpanData) {
        if !span.span_context.is_sampled() || Context::is_current_telemetry_suppressed() {
            return;
        }
        let tenant = self.tenant_of(&span.attributes);
        let tenant = tenant.as_deref().unwrap_or(&self.tenant);
        let (service, now) = (self.service.as_deref(), SystemTime::now());
        let Some((pipeline, project)) = self.manager.recording(tenant, service, now) else {
            return;
        };
        let own = &span.span_context;
        let trace = self.trace_for(&span, &project);
        let has_parent = self.has_parent(&span, tenant, trace != own.trace_id());
        let in_trace = |span_id: SpanId, is_remote: bool, state: TraceState| {
            SpanContext::new(trace, span_id, TraceFlags::SAMPLED, is_remote, state)
        };
        let context = in_trace(own.span_id(), false, own.trace_state().clone());
        let parent = if has_parent {
            let is_remote = span.parent_span_is_remote;
            in_trace(span.parent_span_id, is_remote, TraceState::NONE)
        } else {
            SpanContext::NONE
        };
        let mut attributes = scope_attributes(&span.instrumentation_scope);
        attributes.extend(span.attributes);
        attributes.push(KeyValue::new(
            TENANT_ATTRIBUTE,
            project.tenant_id().to_owned(),
        ));
        attributes.push(KeyValue::new(
            "environment",
            self.manager.config().telemetry.environment.clone(),
        ));
        let builder = SpanBuilder::from_name(span.name)
            .with_kind(span.span_kind)
            .with_start_time(span.start_time)
            .with_attributes(attributes)
            .with_events(span.events.events)
            .with_links(span.links.links);
        let mut recording =
            RecordingSpan::start_as(context, pipeline, project, None, builder, &parent);
        recording.set_status(span.status);
        recording.end_with_timestamp(span.end_time);
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.flush(FLUSH_TIMEOUT)
    }

    /// Waits for what has ended. The manager goes on: it may have other spans, and has a
    /// shutdown of its own.
    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.flush(timeout)
    }
}

impl TenantSpanProcessor {
    fn flush(&self, timeout: Duration) -> OTelSdkResult {
        match self.manager.force_flush_blocking(timeout) {
            report if report.is_complete() => Ok(()),
            FlushReport { dropped: 0, .. } => Err(OTelSdkError::Timeout(timeout)),
            FlushReport { dropped, .. } => Err(OTelSdkError::InternalFailure(format!(
                "{dropped} spans could not be delivered"
            ))),
        }
    }
}

impl fmt::Debug for TenantSpanProcessor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TenantSpanProcessor")
            .field("tenant", &self.tenant)
            .field("service", &self.service)
            .field("attribute", &self.attribute)
            .field("baggage", &self.baggage)
            .finish_non_exhaustive()
    }
}
