//! What the handles of a manager share.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use opentelemetry::{KeyValue, StringValue};

use super::ProjectOverrides;
use super::connections::{ConnectionError, Connections};
use super::error::TenantError;
use super::owners::TraceOwners;
use super::projects::ProjectCache;
use super::sampler::Samplers;
use crate::config::{Config, ProjectNameError, ProjectNames, TenantId};
use crate::export::{Pipeline, Project};
use crate::plugin::Host;
use crate::provider::{Provider, Scope};

pub(super) struct Inner {
    pub(super) config: Config,
    pub(super) names: Arc<ProjectNames>,
    pub(super) connections: Connections,
    /// Empty when nothing is exported.
    pub(super) pipeline: OnceLock<Pipeline>,
    pub(super) cache: ProjectCache,
    pub(super) overrides: Mutex<HashMap<(TenantId, String), ProjectOverrides>>,
    pub(super) owners: TraceOwners,
    pub(super) samplers: Samplers,
    pub(super) environment: StringValue,
    pub(super) resource: Vec<KeyValue>,
    pub(super) cache_hits: AtomicU64,
    pub(super) cache_misses: AtomicU64,
    pub(super) failed_initializations: AtomicU64,
    pub(super) sampled_out: AtomicU64,
    pub(super) told_of_endpoint: AtomicBool,
}

impl Inner {
    pub(super) fn new(config: Config, names: ProjectNames, host: Option<Host>) -> Self {
        let telemetry = &config.telemetry;
        let extra = telemetry.extra_resource_attributes.iter();
        let resource = [
            KeyValue::new("service.version", telemetry.service_version.clone()),
            KeyValue::new("deployment.environment", telemetry.environment.clone()),
        ];
        Self {
            names: Arc::new(names),
            connections: Connections::new(host, &config.cache),
            pipeline: OnceLock::new(),
            cache: ProjectCache::new(telemetry.max_cached_tenants, telemetry.tenant_cache_ttl()),
            overrides: Mutex::default(),
            owners: TraceOwners::new(),
            samplers: Samplers::new(&config),
            environment: telemetry.environment.clone().into(),
            resource: resource
                .into_iter()
                .chain(extra.map(|(key, value)| KeyValue::new(key.clone(), value.clone())))
                .collect(),
            cache_hits: AtomicU64::new(0),
            cache_misses: AtomicU64::new(0),
            failed_initializations: AtomicU64::new(0),
            sampled_out: AtomicU64::new(0),
            told_of_endpoint: AtomicBool::new(false),
            config,
        }
    }

    pub(super) fn project_name(
        &self,
        tenant: &TenantId,
        service: Option<&str>,
    ) -> Result<String, ProjectNameError> {
        let service = service.unwrap_or(&self.config.telemetry.service_name);
        Ok(self.names.service(tenant, service)?)
    }

    /// The project of a tenant's service, made the first time.
    pub(super) fn project(
        &self,
        tenant: &str,
        service: Option<&str>,
    ) -> Result<Arc<Project>, TenantError> {
        let tenant = TenantId::new(tenant)?;
        let service = service.unwrap_or(&self.config.telemetry.service_name);
        if let Some(project) = self.cache.get(&tenant, service) {
            self.cache_hits.fetch_add(1, Ordering::Relaxed);
            return Ok(project);
        }
        let name = self.project_name(&tenant, Some(service))?;
        self.cache_misses.fetch_add(1, Ordering::Relaxed);
        let mut project = Project::new(tenant.as_str(), service, name)
            .with_resource(self.resource.iter().cloned());
        if let Some(sync) = self
            .overrides(&tenant, service)
            .and_then(|overrides| overrides.use_sync_export)
        {
            project = project.with_sync_export(sync);
        }
        Ok(self.cache.insert(&tenant, service, project))
    }

    pub(super) fn provider(
        &self,
        tenant: &TenantId,
        service: Option<&str>,
    ) -> Result<Provider, ConnectionError> {
        let service = service.unwrap_or(&self.config.telemetry.service_name);
        let overrides = self.overrides(tenant, service);
        let http_endpoint = overrides.and_then(|overrides| overrides.http_endpoint);
        let scope = Scope::Tenant {
            tenant: tenant.clone(),
            names: Arc::clone(&self.names),
        };
        self.connections
            .provider(&self.config, tenant, http_endpoint.as_deref(), scope)
    }

    pub(super) fn overrides(&self, tenant: &TenantId, service: &str) -> Option<ProjectOverrides> {
        let overrides = self.overrides_lock();
        overrides
            .get(&(tenant.clone(), service.to_owned()))
            .cloned()
    }

    pub(super) fn overrides_lock(
        &self,
    ) -> MutexGuard<'_, HashMap<(TenantId, String), ProjectOverrides>> {
        self.overrides
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
