//! The telemetry of a service: spans out and questions in, for many tenants at once.
//!
//! A [`TelemetryManager`] makes spans and sends them through one pipeline for all tenants,
//! and hands out the [`Provider`]s that read them back. Telemetry never fails the
//! application: what cannot be traced is counted and runs untraced.

mod begin;
mod connection_resolver;
mod connections;
mod error;
mod global;
mod inner;
mod owners;
#[cfg(feature = "otel-sdk")]
mod processor;
mod projects;
mod propagation;
mod resolver;
mod sampler;
mod search;
mod session;
mod sink;
mod span;
mod stats;
mod tracer;
#[cfg(feature = "tracing-layer")]
mod tracing_layer;

pub use connections::ConnectionError;
pub use error::{ForwardError, ManagerError, TenantError};
pub use global::{global, init, reset};
#[cfg(feature = "otel-sdk")]
pub use processor::TenantSpanProcessor;
pub use search::{BackendSearch, Encode, Search, SearchResult};
pub use session::SessionScope;
pub use span::{Span, SpanBuilder};
pub use stats::{StatsConfig, TelemetryStats};
pub use tracer::{TenantTracer, TenantTracerProvider, TracerSpan};
#[cfg(feature = "tracing-layer")]
pub use tracing_layer::{TracingLayer, tracing_layer};

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use crate::config::{Config, ProjectNames, TelemetryLevel, TenantId};
use crate::export::{EncodedSpans, FlushReport, PackedSpans, Pipeline, Project, Receipt};
use crate::plugin::Host;
use crate::provider::{Provider, ReadCache, Scope};
use inner::Inner;
use resolver::ManagerResolver;

/// What a project has of its own instead of what is configured for all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProjectOverrides {
    /// Where its spans go, as `otlp_endpoint` is written.
    pub otlp_endpoint: Option<String>,
    /// Where its spans are read from: the `http_endpoint` of the provider's configuration.
    pub http_endpoint: Option<String>,
    /// Whether each span is sent as it ends.
    pub use_sync_export: Option<bool>,
}

/// The telemetry of a service. A clone is another handle to the same manager.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
/// use roost::{Config, TelemetryManager};
/// use roost::contract::TimeWindow;
/// use roost::provider::SpanQuery;
///
/// let telemetry = TelemetryManager::start(Config::load(None)?).await?;
/// telemetry.span("search", "acme").in_scope(|span| span.set_attribute("query", "owls"));
/// telemetry.force_flush(Duration::from_secs(10)).await;
///
/// let project = telemetry.project_name("acme", None)?;
/// let provider = telemetry.get_provider("acme", None)?;
/// let spans = provider.traces().get_spans(&SpanQuery::new(project, TimeWindow::all())).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct TelemetryManager {
    inner: Arc<Inner>,
}

impl TelemetryManager {
    /// Start with the providers of the configured plugins folder.
    ///
    /// # Errors
    ///
    /// When the configuration has problems, or the folder cannot be read.
    pub async fn start(config: Config) -> Result<Self, ManagerError> {
        config.validate()?;
        let host = Host::start(&config.plugins, &config.limits).await?;
        Self::build(config, Some(host))
    }

    /// Start with the providers of a host that runs already.
    ///
    /// # Errors
    ///
    /// When the configuration has problems.
    pub fn with_host(config: Config, host: Host) -> Result<Self, ManagerError> {
        config.validate()?;
        Self::build(config, Some(host))
    }

    /// Start without providers: spans go to the configured OTLP endpoint, and nothing can be
    /// read back.
    ///
    /// # Errors
    ///
    /// When the configuration has problems.
    pub fn export_only(config: Config) -> Result<Self, ManagerError> {
        config.validate()?;
        Self::build(config, None)
    }

    /// A manager that does nothing, for when there is no telemetry to be had.
    #[must_use]
    pub fn disabled() -> Self {
        let mut config = Config::default();
        config.telemetry.enabled = false;
        Self {
            inner: Arc::new(Inner::new(config, ProjectNames::default(), None)),
        }
    }

    fn build(config: Config, host: Option<Host>) -> Result<Self, ManagerError> {
        let names = config.telemetry.project_names()?;
        let inner = Arc::new(Inner::new(config, names, host));
        let telemetry = &inner.config.telemetry;
        if telemetry.enabled
            && telemetry.otlp_enabled
            && telemetry.level != TelemetryLevel::Disabled
        {
            let resolver = Arc::new(ManagerResolver(Arc::downgrade(&inner)));
            let pipeline = Pipeline::start(&telemetry.batch_config, &telemetry.spool, resolver)?;
            inner.pipeline.get_or_init(|| pipeline);
        }
        Ok(Self { inner })
    }

    /// The configuration.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.inner.config
    }

    /// The host of the providers; `None` when this manager only exports.
    #[must_use]
    pub fn host(&self) -> Option<&Host> {
        self.inner.connections.host()
    }

    /// A span of a tenant, to be given work. See [`SpanBuilder`].
    ///
    /// An id that no tenant can have is counted and logged, and the work runs untraced.
    pub fn span<'a>(
        &'a self,
        name: impl Into<Cow<'static, str>>,
        tenant: &'a str,
    ) -> SpanBuilder<'a> {
        SpanBuilder::new(self, name.into(), tenant)
    }

    /// A span of a tenant that belongs to a session.
    pub fn session_span<'a>(
        &'a self,
        name: impl Into<Cow<'static, str>>,
        tenant: &'a str,
        session_id: impl Into<Arc<str>>,
    ) -> SpanBuilder<'a> {
        self.span(name, tenant).session(session_id)
    }

    /// A session of a tenant: every span of the tenant that is made inside belongs to it.
    pub fn session(&self, tenant: &str, session_id: impl Into<Arc<str>>) -> SessionScope {
        SessionScope::new(tenant, session_id)
    }

    /// The project of a tenant's service, for spans to [`forward`](Self::forward); without a
    /// service, of the configured `service_name`.
    ///
    /// # Errors
    ///
    /// For a name that no service can have.
    pub fn project(
        &self,
        tenant: &TenantId,
        service: Option<&str>,
    ) -> Result<Arc<Project>, TenantError> {
        let now = SystemTime::now();
        self.inner.project(tenant.as_str(), service, now)
    }

    /// Forward spans that somebody else has made and encoded, of whatever projects, all or none
    /// of them. Where there is no room for all, waits at most so long for it, with tokio's timer.
    /// The receipt tells what became of them.
    ///
    /// # Errors
    ///
    /// Where the queue is full or closed; the spans are not counted then.
    pub async fn forward(
        &self,
        spans: Vec<EncodedSpans>,
        patience: Duration,
    ) -> Result<Receipt, ForwardError> {
        let pipeline = self.inner.pipeline.get().ok_or(ForwardError::Off)?;
        Ok(pipeline.ingest_within(spans, patience).await?)
    }

    /// As [`Pipeline::buffers`].
    #[must_use]
    pub fn buffers(&self, count: usize) -> Vec<PackedSpans> {
        let pipeline = self.inner.pipeline.get();
        pipeline.map_or_else(Vec::new, |pipeline| pipeline.buffers(count))
    }

    /// As [`Pipeline::spool_is_good`](crate::export::Pipeline::spool_is_good).
    #[must_use]
    pub fn spool_is_good(&self) -> bool {
        let pipeline = self.inner.pipeline.get();
        pipeline.is_none_or(Pipeline::spool_is_good)
    }

    /// Whether spans leave the process at all, by configuration.
    #[must_use]
    pub fn exports(&self) -> bool {
        self.inner.pipeline.get().is_some()
    }

    /// The name of the project of a tenant's service; without a service, of the configured
    /// `service_name`.
    ///
    /// # Errors
    ///
    /// For an id that no tenant, or a name that no service can have.
    pub fn project_name(&self, tenant: &str, service: Option<&str>) -> Result<String, TenantError> {
        let tenant = TenantId::new(tenant)?;
        Ok(self.inner.project_name(&tenant, service)?)
    }

    /// Give a project endpoints or an export mode of its own. Spans and providers that are
    /// made from now on follow it.
    ///
    /// # Errors
    ///
    /// For an id that no tenant, or a name that no service can have.
    pub fn register_project(
        &self,
        tenant: &str,
        service: &str,
        overrides: ProjectOverrides,
    ) -> Result<(), TenantError> {
        let tenant = TenantId::new(tenant)?;
        self.inner.project_name(&tenant, Some(service))?;
        self.inner.set_overrides(&tenant, service, overrides);
        Ok(())
    }

    /// The provider that a tenant's data is read from, in the scope of that tenant; with a
    /// service, as [`register_project`](Self::register_project) set it for that one.
    ///
    /// # Errors
    ///
    /// For an id that no tenant can have, and where the tenant's connection names no
    /// provider that is there.
    pub fn get_provider(
        &self,
        tenant: &str,
        service: Option<&str>,
    ) -> Result<Provider, TenantError> {
        let tenant = TenantId::new(tenant)?;
        Ok(self.inner.provider(&tenant, service)?)
    }

    /// The provider of the default tenant's connection, in the scope of everything its
    /// credential reaches. For operators.
    ///
    /// # Errors
    ///
    /// As [`get_provider`](Self::get_provider).
    pub fn operator_provider(&self) -> Result<Provider, TenantError> {
        let tenant = &self.inner.config.telemetry.default_tenant_id;
        let provider =
            self.inner
                .connections
                .provider(&self.inner.config, tenant, None, Scope::All)?;
        Ok(provider)
    }

    /// The provider of a connection by its name in `roost.toml`, in the scope of everything
    /// its credential reaches. For operators.
    ///
    /// # Errors
    ///
    /// For a connection that is not configured, and where it names no provider that is
    /// there.
    pub fn connection_provider(&self, connection: &str) -> Result<Provider, TenantError> {
        let connections = &self.inner.connections;
        let provider = connections.named(&self.inner.config, connection, Scope::All)?;
        Ok(provider)
    }

    /// Send every span that has ended, and wait for it until `timeout`. Works on any runtime
    /// and never hangs.
    pub async fn force_flush(&self, timeout: Duration) -> FlushReport {
        match self.inner.pipeline.get() {
            Some(pipeline) => pipeline.force_flush(timeout).await,
            None => FlushReport::default(),
        }
    }

    /// [`force_flush`](Self::force_flush) for threads that may block.
    pub fn force_flush_blocking(&self, timeout: Duration) -> FlushReport {
        match self.inner.pipeline.get() {
            Some(pipeline) => pipeline.force_flush_blocking(timeout),
            None => FlushReport::default(),
        }
    }

    /// Send what is left until `timeout`, then stop. Spans that end later are counted as
    /// dropped.
    pub async fn shutdown(&self, timeout: Duration) -> FlushReport {
        let report = match self.inner.pipeline.get() {
            Some(pipeline) => pipeline.shutdown(timeout).await,
            None => FlushReport::default(),
        };
        if let Some(host) = self.host() {
            // What replaced providers still do has deadlines of its own.
            let _ = tokio::time::timeout(timeout, host.shutdown()).await;
        }
        report
    }

    /// The manager in numbers.
    #[must_use]
    pub fn get_stats(&self) -> TelemetryStats {
        let Inner { config, cache, .. } = &*self.inner;
        let size = cache.size();
        let pipeline = self.inner.pipeline.get();
        let counted = pipeline.map(Pipeline::project_stats).unwrap_or_default();
        let mut projects = counted.projects;
        for project in cache.all() {
            projects.entry(project.name().to_owned()).or_default();
        }
        TelemetryStats {
            cache_hits: self.inner.cache_hits.load(Ordering::Relaxed),
            cache_misses: self.inner.cache_misses.load(Ordering::Relaxed),
            failed_initializations: self.inner.failed_initializations.load(Ordering::Relaxed),
            sampled_out: self.inner.sampled_out.load(Ordering::Relaxed),
            cached_tenants: size.tenants,
            cached_tracers: size.projects,
            spans: pipeline.map(Pipeline::stats).unwrap_or_default(),
            projects,
            other_projects: counted.others,
            read_cache: self
                .inner
                .connections
                .cache()
                .map(ReadCache::stats)
                .unwrap_or_default(),
            config: StatsConfig {
                enabled: config.telemetry.enabled,
                level: config.telemetry.level,
                environment: config.telemetry.environment.clone(),
            },
        }
    }

    /// What a span of a tenant's service needs at this time; `None` where none can be made.
    fn recording(
        &self,
        tenant: &str,
        service: Option<&str>,
        now: SystemTime,
    ) -> Option<(&Pipeline, Arc<Project>)> {
        let pipeline = self.inner.pipeline.get()?;
        match self.inner.project(tenant, service, now) {
            Ok(project) => Some((pipeline, project)),
            Err(error) => {
                let failed = self
                    .inner
                    .failed_initializations
                    .fetch_add(1, Ordering::Relaxed);
                // A caller that errs once errs often: say so ever more rarely.
                if (failed + 1).is_power_of_two() {
                    tracing::warn!(failed = failed + 1, "a span is not recorded: {error}");
                }
                None
            }
        }
    }
}
