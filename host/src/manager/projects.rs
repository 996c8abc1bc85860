//! The projects that spans were lately made for, and what they need at hand.
//!
//! A tenant is a few map entries: forgetting one costs nothing and blocks nothing, because
//! spans on their way keep what they need of it.

use std::hash::Hash;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use lru::LruCache;

use crate::config::TenantId;
use crate::export::Project;

/// Services of one tenant that are remembered at once.
const MAX_SERVICES: usize = 256;

/// Projects by tenant and service, the least recently used forgotten first.
#[derive(Debug)]
pub(super) struct ProjectCache {
    tenants: Mutex<LruCache<TenantId, Tenant>>,
    time_to_live: Duration,
}

#[derive(Debug)]
struct Tenant {
    since: Instant,
    projects: LruCache<String, Arc<Project>>,
}

/// How much is remembered.
#[derive(Debug, Clone, Copy)]
pub(super) struct CacheSize {
    pub(super) tenants: usize,
    pub(super) projects: usize,
}

impl ProjectCache {
    pub(super) fn new(max_tenants: usize, time_to_live: Duration) -> Self {
        Self {
            tenants: Mutex::new(lru_cache(max_tenants)),
            time_to_live,
        }
    }

    /// The project of a tenant's service, if it is remembered.
    pub(super) fn get(&self, tenant: &TenantId, service: &str) -> Option<Arc<Project>> {
        let mut tenants = self.lock();
        let entry = tenants.get_mut(tenant)?;
        if entry.since.elapsed() >= self.time_to_live {
            tenants.pop(tenant);
            return None;
        }
        entry.projects.get(service).cloned()
    }

    /// Remember a project. Where two threads made the same one, the first stays.
    pub(super) fn insert(
        &self,
        tenant: &TenantId,
        service: &str,
        project: Project,
    ) -> Arc<Project> {
        let mut tenants = self.lock();
        let entry = tenants.get_or_insert_mut(tenant.clone(), || Tenant {
            since: Instant::now(),
            projects: lru_cache(MAX_SERVICES),
        });
        let project = entry
            .projects
            .get_or_insert(service.to_owned(), || Arc::new(project));
        Arc::clone(project)
    }

    /// Forget a tenant's service, so that its project is made anew.
    pub(super) fn forget(&self, tenant: &TenantId, service: &str) {
        if let Some(entry) = self.lock().peek_mut(tenant) {
            entry.projects.pop(service);
        }
    }

    pub(super) fn size(&self) -> CacheSize {
        let tenants = self.lock();
        CacheSize {
            tenants: tenants.len(),
            projects: tenants.iter().map(|(_, entry)| entry.projects.len()).sum(),
        }
    }

    /// Every project that is remembered.
    pub(super) fn all(&self) -> Vec<Arc<Project>> {
        let tenants = self.lock();
        let projects = tenants.iter().flat_map(|(_, entry)| entry.projects.iter());
        projects.map(|(_, project)| Arc::clone(project)).collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, LruCache<TenantId, Tenant>> {
        self.tenants.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn lru_cache<K: Hash + Eq, V>(most: usize) -> LruCache<K, V> {
    LruCache::new(NonZeroUsize::new(most).unwrap_or(NonZeroUsize::MIN))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn tenant(id: &str) -> TenantId {
        TenantId::new(id).unwrap()
    }

    fn remember(cache: &ProjectCache, id: &str) -> Arc<Project> {
        cache.insert(&tenant(id), "search", Project::new(id, "search", id))
    }

    #[test]
    fn the_tenant_that_was_not_used_for_longest_is_forgotten() {
        let cache = ProjectCache::new(2, Duration::from_secs(3600));
        remember(&cache, "one");
        remember(&cache, "two");
        assert!(cache.get(&tenant("one"), "search").is_some());
        remember(&cache, "three");
        assert!(cache.get(&tenant("one"), "search").is_some());
        assert!(cache.get(&tenant("two"), "search").is_none());
        assert_eq!(cache.size().tenants, 2);
    }

    #[test]
    fn a_tenant_is_forgotten_when_its_time_is_over() {
        let cache = ProjectCache::new(2, Duration::ZERO);
        remember(&cache, "one");
        assert!(cache.get(&tenant("one"), "search").is_none());
        assert_eq!(cache.size().tenants, 0);
    }

    #[test]
    fn a_project_is_made_once() {
        let cache = ProjectCache::new(2, Duration::from_secs(3600));
        let first = remember(&cache, "one");
        assert!(Arc::ptr_eq(&first, &remember(&cache, "one")));
        cache.forget(&tenant("one"), "search");
        assert!(!Arc::ptr_eq(&first, &remember(&cache, "one")));
    }
}
