//! What is traced, under which names, and where it goes.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use url::Url;

use super::endpoint::{self, InvalidEndpoint};
use super::project::{InvalidTemplate, ProjectNameError, ProjectNames};
use super::{BatchExportConfig, SamplingConfig, SpoolConfig, TelemetryLevel, TenantId};

/// Where spans go when nobody says.
pub(super) const DEFAULT_OTLP_ENDPOINT: &str = "localhost:4317";

/// `[telemetry]`: what is traced, under which names, and where it goes.
///
/// It goes to a dictionary and back by serde, for instance with `serde_json::to_value` and
/// `serde_json::from_value`: every key is written, absent ones are read as their defaults,
/// unknown ones are refused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TelemetryConfig {
    /// Whether anything is traced at all. Default true.
    pub enabled: bool,
    /// How much is traced. Default [`TelemetryLevel::Detailed`].
    pub level: TelemetryLevel,
    /// Where the application runs, such as `development` or `production`; on every span.
    /// Default `development`.
    pub environment: String,
    /// The application's name, and the service of spans that name no other; it keeps the
    /// rules of tenant ids. Default `video-search`.
    pub service_name: String,
    /// The application's version. Default `1.0.0`.
    pub service_version: String,
    /// The tenant of what belongs to none. Default `default`.
    pub default_tenant_id: TenantId,
    /// The name of a tenant's own project, with `{tenant_id}` in it. Default
    /// `cogniverse-{tenant_id}`.
    pub tenant_project_template: String,
    /// The name of the project of a tenant's service, with `{tenant_id}` and `{service}` in
    /// it. Default `cogniverse-{tenant_id}-{service}`.
    pub tenant_service_template: String,
    /// How many tenants are remembered at once. 1 to 1,000,000; default 100.
    pub max_cached_tenants: usize,
    /// How long a tenant is remembered before it is looked up anew. Seconds, 1 to 31,536,000; default 3,600.
    pub tenant_cache_ttl_seconds: u64,
    /// Whether spans leave the process. Default true.
    pub otlp_enabled: bool,
    /// Where spans go: `host:port`, or a URL with `http` or `https`. Default
    /// `localhost:4317`.
    pub otlp_endpoint: String,
    /// Whether `host:port` is reached over TLS; a URL says so itself. Default false.
    pub otlp_use_tls: bool,
    /// Attributes of the resource, on top of the service's name, version and environment.
    pub extra_resource_attributes: BTreeMap<String, String>,
    /// Which traces are recorded.
    pub sampling: SamplingConfig,
    /// How spans are gathered before they leave.
    pub batch_config: BatchExportConfig,
    /// Where spans wait on disk.
    pub spool: SpoolConfig,
}

impl Default for TelemetryConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            level: TelemetryLevel::default(),
            environment: "development".to_owned(),
            service_name: "video-search".to_owned(),
            service_version: "1.0.0".to_owned(),
            default_tenant_id: TenantId::default(),
            tenant_project_template: "cogniverse-{tenant_id}".to_owned(),
            tenant_service_template: "cogniverse-{tenant_id}-{service}".to_owned(),
            max_cached_tenants: 100,
            tenant_cache_ttl_seconds: 3_600,
            otlp_enabled: true,
            otlp_endpoint: DEFAULT_OTLP_ENDPOINT.to_owned(),
            otlp_use_tls: false,
            extra_resource_attributes: BTreeMap::new(),
            sampling: SamplingConfig::default(),
            batch_config: BatchExportConfig::default(),
            spool: SpoolConfig::default(),
        }
    }
}

impl TelemetryConfig {
    /// Whether a component is traced: never when telemetry is off, else by the level.
    #[must_use]
    pub fn should_instrument_level(&self, component: &str) -> bool {
        self.enabled && self.level.instruments(component)
    }

    /// The project of a tenant's service; without a service, of `service_name`.
    ///
    /// # Errors
    /// The service breaks the rules of ids, or a template those of [`ProjectNames`].
    ///
    /// ```
    /// use roost::config::{TelemetryConfig, TenantId};
    ///
    /// let config = TelemetryConfig::default();
    /// let acme = TenantId::new("acme-corp")?;
    /// assert_eq!(config.get_project_name(&acme, Some("routing"))?, "cogniverse-acme-corp-routing");
    /// assert_eq!(config.get_project_name(&acme, None)?, "cogniverse-acme-corp-video-search");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn get_project_name(
        &self,
        tenant: &TenantId,
        service: Option<&str>,
    ) -> Result<String, ProjectNameError> {
        let service = service.unwrap_or(&self.service_name);
        Ok(self.project_names()?.service(tenant, service)?)
    }

    /// The project of a tenant as a whole, which is the project of none of its services.
    ///
    /// # Errors
    /// A template breaks the rules of [`ProjectNames`].
    pub fn get_tenant_project_name(&self, tenant: &TenantId) -> Result<String, ProjectNameError> {
        Ok(self.project_names()?.tenant(tenant))
    }

    /// The tenant and the service a project is of; none where
    /// [`get_project_name`](Self::get_project_name) gives no such name.
    #[must_use]
    pub fn parse_project_name(&self, name: &str) -> Option<(TenantId, String)> {
        self.project_names().ok()?.parse_service(name)
    }

    /// The tenant a project is of; none where
    /// [`get_tenant_project_name`](Self::get_tenant_project_name) gives no such name.
    #[must_use]
    pub fn parse_tenant_project_name(&self, name: &str) -> Option<TenantId> {
        self.project_names().ok()?.parse_tenant(name)
    }

    /// Both templates, read once; for whoever makes many names.
    ///
    /// # Errors
    /// A template breaks the rules of [`ProjectNames`].
    pub fn project_names(&self) -> Result<ProjectNames, InvalidTemplate> {
        ProjectNames::new(&self.tenant_project_template, &self.tenant_service_template)
    }

    /// `otlp_endpoint` as a URL, `http` or `https` by `otlp_use_tls` where it names none.
    ///
    /// # Errors
    /// It is no endpoint, or it says `http` where TLS is asked for.
    pub fn otlp_url(&self) -> Result<Url, InvalidEndpoint> {
        endpoint::otlp(&self.otlp_endpoint, self.otlp_use_tls)
    }

    /// `tenant_cache_ttl_seconds` as a duration.
    #[must_use]
    pub const fn tenant_cache_ttl(&self) -> Duration {
        Duration::from_secs(self.tenant_cache_ttl_seconds)
    }
}
