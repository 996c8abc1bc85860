//! What the handles of a manager share.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::SystemTime;

use opentelemetry::KeyValue;

use super::ProjectOverrides;
use super::connections::{ConnectionError, Connections};
use super::error::TenantError;
use super::owners::TraceOwners;
use super::projects::ProjectCache;
use super::sampler::Samplers;
use crate::config::{Config, ProjectNameError, ProjectNames, TenantId};
use crate::export::{House, Pipeline, Project};
use crate::plugin::Host;
use crate::provider::{Provider, Scope};

/// What projects have of their own, each with a number that no other has.
type Overrides = HashMap<(TenantId, String), (u64, ProjectOverrides)>;

pub(super) struct Inner {
    pub(super) config: Config,
    pub(super) names: Arc<ProjectNames>,
    pub(super) connections: Connections,
    /// Empty when nothing is exported.
    pub(super) pipeline: OnceLock<Pipeline>,
    pub(super) cache: ProjectCache,
    overrides: Mutex<Overrides>,
    pub(super) owners: TraceOwners,
    pub(super) samplers: Samplers,
    pub(super) house: Arc<House>,
    /// How often a project was given something of its own.
    pub(super) revision: AtomicU64,
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
            house: House::new(
                resource
                    .into_iter()
                    .chain(extra.map(|(key, value)| KeyValue::new(key.clone(), value.clone())))
                    .collect(),
                telemetry.environment.clone(),
                &telemetry.service_name,
            ),
            revision: AtomicU64::new(0),
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

    /// The project of a tenant's service, made anew where it is not remembered at this time.
    pub(super) fn project(
        &self,
        tenant: &str,
        service: Option<&str>,
        now: SystemTime,
    ) -> Result<Arc<Project>, TenantError> {
        let service = service.unwrap_or(&self.config.telemetry.service_name);
        // What is remembered was checked.
        if let Some(project) = self.cache.get(tenant, service, now) {
            self.cache_hits.fetch_add(1, Ordering::Relaxed);
            return Ok(project);
        }
        let tenant = TenantId::new(tenant)?;
        let name = self.project_name(&tenant, Some(service))?;
        self.cache_misses.fetch_add(1, Ordering::Relaxed);
        let own = self.own(&tenant, service);
        let revision = own.as_ref().map_or(0, |(revision, _)| *revision);
        let mut project = self.house.project(tenant.as_str(), service, name, revision);
        if let Some(sync) = own.and_then(|(_, overrides)| overrides.use_sync_export) {
            project = project.with_sync_export(sync);
        }
        Ok(self.cache.insert(&tenant, project, now))
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
        self.own(tenant, service).map(|(_, overrides)| overrides)
    }

    /// Gives a project something of its own, from now on.
    pub(super) fn set_overrides(
        &self,
        tenant: &TenantId,
        service: &str,
        overrides: ProjectOverrides,
    ) {
        let revision = self.revision.fetch_add(1, Ordering::SeqCst) + 1;
        self.overrides_lock()
            .insert((tenant.clone(), service.to_owned()), (revision, overrides));
        self.cache.forget(tenant, service);
    }

    /// What a project has of its own, and since when.
    fn own(&self, tenant: &TenantId, service: &str) -> Option<(u64, ProjectOverrides)> {
        let overrides = self.overrides_lock();
        if overrides.is_empty() {
            return None;
        }
        overrides
            .get(&(tenant.clone(), service.to_owned()))
            .cloned()
    }

    fn overrides_lock(&self) -> MutexGuard<'_, Overrides> {
        self.overrides
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
