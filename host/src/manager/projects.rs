//! The projects that spans were lately made for, and what they need at hand.
//!
//! A tenant is a few map entries: forgetting one costs nothing and blocks nothing, because
//! spans on their way keep what they need of it.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lru::LruCache;
use smallvec::SmallVec;

use crate::config::TenantId;
use crate::export::Project;

/// Services of one tenant that are remembered at once.
const MAX_SERVICES: usize = 256;

/// How soon it is noted again that a tenant is used. To note it is to write to its neighbours in the
/// order of use, wherever they are in memory.
const NOTED_AGAIN: Duration = Duration::from_secs(1);

/// Projects by tenant and service, those of the least recently used tenant forgotten first; to the
/// second.
#[derive(Debug)]
pub(super) struct ProjectCache {
    tenants: Mutex<LruCache<TenantId, Tenant>>,
    /// In nanoseconds, as all times here: there are many tenants.
    time_to_live: u64,
}

#[derive(Debug)]
struct Tenant {
    since: u64,
    /// When it was last noted that it is used.
    used: u64,
    /// The one that was used last first. Few tenants have more than one.
    projects: SmallVec<[Arc<Project>; 1]>,
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
            tenants: Mutex::new(LruCache::new(
                NonZeroUsize::new(max_tenants).unwrap_or(NonZeroUsize::MIN),
            )),
            time_to_live: nanos(time_to_live),
        }
    }

    /// The project of a tenant's service, if it is remembered at this time. That is the clock on
    /// the wall, which is read for each span anyway; where it was put back, nobody knows how old
    /// an entry is, so that it is too old.
    pub(super) fn get(&self, tenant: &str, service: &str, now: SystemTime) -> Option<Arc<Project>> {
        let now = since_epoch(now);
        let mut tenants = self.lock();
        let entry = tenants.peek_mut(tenant)?;
        let age = now.checked_sub(entry.since);
        if age.is_none_or(|age| age >= self.time_to_live) {
            tenants.pop(tenant);
            return None;
        }
        let of_service = |project: &Arc<Project>| project.service() == service;
        let place = entry.projects.iter().position(of_service)?;
        if place > 0 {
            entry.projects.get_mut(..=place)?.rotate_right(1);
        }
        let project = entry.projects.first().cloned();
        if now.saturating_sub(entry.used) >= nanos(NOTED_AGAIN) {
            entry.used = now;
            tenants.promote(tenant);
        }
        project
    }

    /// Remember a project. Where two threads made the same one, the first stays.
    pub(super) fn insert(
        &self,
        tenant: &TenantId,
        project: Project,
        now: SystemTime,
    ) -> Arc<Project> {
        let mut tenants = self.lock();
        let now = since_epoch(now);
        let entry = tenants.get_or_insert_mut(tenant.clone(), || Tenant {
            since: now,
            used: now,
            projects: SmallVec::new(),
        });
        let of_service = |known: &&Arc<Project>| known.service() == project.service();
        if let Some(known) = entry.projects.iter().find(of_service) {
            return Arc::clone(known);
        }
        entry.projects.truncate(MAX_SERVICES - 1);
        let project = Arc::new(project);
        entry.projects.insert(0, Arc::clone(&project));
        project
    }

    /// Forget a tenant's service, so that its project is made anew.
    pub(super) fn forget(&self, tenant: &TenantId, service: &str) {
        if let Some(entry) = self.lock().peek_mut(tenant) {
            entry
                .projects
                .retain(|project| project.service() != service);
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
        projects.map(Arc::clone).collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, LruCache<TenantId, Tenant>> {
        self.tenants.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Nanoseconds since the Unix epoch; 0 before it.
fn since_epoch(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, nanos)
}

/// The largest number is 584 years.
fn nanos(time: Duration) -> u64 {
    time.as_nanos().try_into().unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn tenant(id: &str) -> TenantId {
        TenantId::new(id).unwrap()
    }

    const NOW: SystemTime = SystemTime::UNIX_EPOCH;

    fn remember(cache: &ProjectCache, id: &str) -> Arc<Project> {
        cache.insert(&tenant(id), Project::new(id, "search", id), NOW)
    }

    fn known(cache: &ProjectCache, id: &str, now: SystemTime) -> bool {
        cache.get(id, "search", now).is_some()
    }

    #[test]
    fn the_tenant_that_was_not_used_for_longest_is_forgotten() {
        let cache = ProjectCache::new(2, Duration::from_secs(3600));
        remember(&cache, "one");
        remember(&cache, "two");
        assert!(known(&cache, "one", NOW + NOTED_AGAIN));
        remember(&cache, "three");
        assert!(known(&cache, "one", NOW));
        assert!(!known(&cache, "two", NOW));
        assert_eq!(cache.size().tenants, 2);
    }

    #[test]
    fn a_tenant_is_forgotten_when_its_time_is_over() {
        let hour = Duration::from_secs(3600);
        let cache = ProjectCache::new(2, hour);
        remember(&cache, "one");
        assert!(known(&cache, "one", NOW + hour / 2));
        assert!(!known(&cache, "one", NOW + hour));
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

    /// A clock that is put back makes no entry live for ever.
    #[test]
    fn an_entry_from_the_future_is_made_anew() {
        let hour = Duration::from_secs(3600);
        let cache = ProjectCache::new(2, hour);
        cache.insert(
            &tenant("one"),
            Project::new("one", "search", "one"),
            NOW + hour,
        );
        assert!(!known(&cache, "one", NOW));
        remember(&cache, "one");
        assert!(known(&cache, "one", NOW));
    }

    #[test]
    fn the_service_that_was_not_used_for_longest_is_forgotten() {
        let cache = ProjectCache::new(2, Duration::from_secs(3600));
        let service = |n: usize| format!("service-{n}");
        for n in 0..=MAX_SERVICES {
            cache.insert(&tenant("one"), Project::new("one", service(n), "one"), NOW);
            assert!(cache.get("one", &service(0), NOW).is_some());
        }
        assert_eq!(cache.size().projects, MAX_SERVICES);
        assert!(cache.get("one", &service(1), NOW).is_none());
    }
}
