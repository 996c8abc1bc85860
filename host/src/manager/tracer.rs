//! Spans for code that is written for OpenTelemetry's own interface.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::SystemTime;

use opentelemetry::trace::{
    Span, SpanBuilder, SpanContext, Status, TraceContextExt, Tracer, TracerProvider,
};
use opentelemetry::{Context, InstrumentationScope, KeyValue};

use super::TelemetryManager;
use super::begin::{BegunSpan, Whose};
use crate::export::RecordingSpan;

impl TelemetryManager {
    /// A tracer of a tenant, for code that is written for OpenTelemetry's `Tracer`. Its spans
    /// and those of [`span`](Self::span) nest in each other. It is cheap to make and to clone.
    ///
    /// ```
    /// use opentelemetry::trace::{SpanKind, TraceContextExt, Tracer};
    /// use opentelemetry::KeyValue;
    ///
    /// # let telemetry = roost::TelemetryManager::disabled();
    /// let tracer = telemetry.tracer("acme").with_service("routing");
    /// let request = tracer.span_builder("request").with_kind(SpanKind::Server);
    /// tracer.in_span_with_builder(request, |context| {
    ///     context.span().set_attribute(KeyValue::new("http.route", "/search"));
    ///     telemetry.span("search", "acme").service("routing").in_scope(|_| ());
    /// });
    /// ```
    #[must_use]
    pub fn tracer(&self, tenant: impl Into<Arc<str>>) -> TenantTracer {
        TenantTracer {
            manager: self.clone(),
            tenant: tenant.into(),
            service: None,
            follows_context: false,
            scope: Arc::default(),
        }
    }

    /// A provider of tracers of a tenant, for code that asks OpenTelemetry's `TracerProvider`
    /// for one, or that takes the global one. See
    /// [`following_context`](TenantTracerProvider::following_context) for the latter.
    ///
    /// ```
    /// # let telemetry = roost::TelemetryManager::disabled();
    /// let provider = telemetry.tracer_provider("shared").following_context();
    /// opentelemetry::global::set_tracer_provider(provider);
    /// ```
    #[must_use]
    pub fn tracer_provider(&self, tenant: impl Into<Arc<str>>) -> TenantTracerProvider {
        TenantTracerProvider(self.tracer(tenant))
    }
}

/// Makes the tracers of a tenant. See [`TelemetryManager::tracer_provider`].
#[derive(Clone)]
pub struct TenantTracerProvider(TenantTracer);

impl TenantTracerProvider {
    /// The service whose project the spans belong to; without one the configured
    /// `service_name`.
    #[must_use]
    pub fn with_service(self, service: impl Into<Arc<str>>) -> Self {
        Self(self.0.with_service(service))
    }

    /// See [`TenantTracer::following_context`].
    #[must_use]
    pub fn following_context(self) -> Self {
        Self(self.0.following_context())
    }
}

impl TracerProvider for TenantTracerProvider {
    type Tracer = TenantTracer;

    /// The scope's name and version become the attributes `otel.scope.name` and
    /// `otel.scope.version`.
    fn tracer_with_scope(&self, scope: InstrumentationScope) -> TenantTracer {
        TenantTracer {
            scope: scope_attributes(&scope).into(),
            ..self.0.clone()
        }
    }
}

/// Makes spans of a tenant, as OpenTelemetry's `Tracer` says. See
/// [`TelemetryManager::tracer`].
#[derive(Clone)]
pub struct TenantTracer {
    manager: TelemetryManager,
    tenant: Arc<str>,
    service: Option<Arc<str>>,
    follows_context: bool,
    scope: Arc<[KeyValue]>,
}

impl TenantTracer {
    /// The service whose project the spans belong to; without one the configured
    /// `service_name`.
    #[must_use]
    pub fn with_service(mut self, service: impl Into<Arc<str>>) -> Self {
        self.service = Some(service.into());
        self
    }

    /// Give spans that are made inside a span of Roost to that one's tenant and service: for
    /// libraries that many tenants use. The tracer's own tenant has the others.
    #[must_use]
    pub fn following_context(mut self) -> Self {
        self.follows_context = true;
        self
    }
}

impl Tracer for TenantTracer {
    type Span = TracerSpan;

    fn build_with_context(&self, mut builder: SpanBuilder, parent_cx: &Context) -> TracerSpan {
        if !self.scope.is_empty() {
            let given = builder.attributes.take().unwrap_or_default();
            builder.attributes = Some(self.scope.iter().cloned().chain(given).collect());
        }
        let owner = self
            .follows_context
            .then(|| self.manager.inner.owners.of(parent_cx))
            .flatten();
        let whose = match &owner {
            Some(project) => Whose {
                tenant: project.tenant_id(),
                service: Some(project.service()),
            },
            None => Whose {
                tenant: &self.tenant,
                service: self.service.as_deref(),
            },
        };
        let Some(begun) = self.manager.begin(whose, None, builder, parent_cx) else {
            return TracerSpan(Kind::Context(parent_cx.span().span_context().clone()));
        };
        let span = match begun.span {
            BegunSpan::Recorded(span) => TracerSpan(Kind::Recorded(span)),
            BegunSpan::SampledOut(context) => TracerSpan(Kind::Context(context)),
        };
        // The caller puts it into a context, which cannot tell whose it is.
        let trace = span.span_context().trace_id();
        self.manager.inner.owners.join(trace, false, &begun.project);
        span
    }
}

/// What a library says of itself, as attributes.
pub(super) fn scope_attributes(scope: &InstrumentationScope) -> Vec<KeyValue> {
    let name = Some(scope.name()).filter(|name| !name.is_empty());
    let name = name.map(|name| KeyValue::new("otel.scope.name", name.to_owned()));
    let version = scope
        .version()
        .map(|version| KeyValue::new("otel.scope.version", version.to_owned()));
    name.into_iter().chain(version).collect()
}

/// A span of a [`TenantTracer`]. One that is not recorded passes the context on: that of its
/// parent, or one that says it was not sampled.
#[derive(Debug)]
pub struct TracerSpan(Kind);

#[derive(Debug)]
enum Kind {
    Recorded(RecordingSpan),
    Context(SpanContext),
}

impl TracerSpan {
    fn recorded(&mut self) -> Option<&mut RecordingSpan> {
        match &mut self.0 {
            Kind::Recorded(span) => Some(span),
            Kind::Context(_) => None,
        }
    }
}

impl Span for TracerSpan {
    fn add_event_with_timestamp<T>(
        &mut self,
        name: T,
        timestamp: SystemTime,
        attributes: Vec<KeyValue>,
    ) where
        T: Into<Cow<'static, str>>,
    {
        if let Some(span) = self.recorded() {
            span.add_event_with_timestamp(name, timestamp, attributes);
        }
    }

    fn span_context(&self) -> &SpanContext {
        match &self.0 {
            Kind::Recorded(span) => span.span_context(),
            Kind::Context(context) => context,
        }
    }

    fn is_recording(&self) -> bool {
        match &self.0 {
            Kind::Recorded(span) => span.is_recording(),
            Kind::Context(_) => false,
        }
    }

    fn set_attribute(&mut self, attribute: KeyValue) {
        if let Some(span) = self.recorded() {
            span.set_attribute(attribute);
        }
    }

    fn set_status(&mut self, status: Status) {
        if let Some(span) = self.recorded() {
            span.set_status(status);
        }
    }

    fn update_name<T>(&mut self, new_name: T)
    where
        T: Into<Cow<'static, str>>,
    {
        if let Some(span) = self.recorded() {
            span.update_name(new_name);
        }
    }

    fn add_link(&mut self, span_context: SpanContext, attributes: Vec<KeyValue>) {
        if let Some(span) = self.recorded() {
            span.add_link(span_context, attributes);
        }
    }

    fn end_with_timestamp(&mut self, timestamp: SystemTime) {
        if let Some(span) = self.recorded() {
            span.end_with_timestamp(timestamp);
        }
    }
}
