//! Where spans come from: one service of one tenant.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, OnceLock};

use opentelemetry::KeyValue;

use super::account::{Account, SpanStats};

/// One service of one tenant, whose spans share a resource and a destination.
///
/// It is cheap: names, a few attributes and counters. A cache may drop it and make it again
/// while spans of it are still on their way; those keep theirs. Making it anew is also how a
/// changed destination takes effect at once.
#[derive(Debug)]
pub struct Project {
    id: u64,
    tenant_id: String,
    service: String,
    name: String,
    resource: Vec<KeyValue>,
    sync_export: Option<bool>,
    tenant_key: u64,
    /// Set by the first pipeline that has a span of it.
    account: OnceLock<Arc<Account>>,
}

impl Project {
    /// The project that the backend knows as `name`. Its spans carry `service.name` and
    /// `tenant.id`.
    #[must_use]
    pub fn new(
        tenant_id: impl Into<String>,
        service: impl Into<String>,
        name: impl Into<String>,
    ) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        static KEYS: LazyLock<RandomState> = LazyLock::new(RandomState::new);
        let (tenant_id, service) = (tenant_id.into(), service.into());
        Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            resource: vec![
                KeyValue::new("service.name", service.clone()),
                KeyValue::new("tenant.id", tenant_id.clone()),
            ],
            tenant_key: KEYS.hash_one(&tenant_id),
            tenant_id,
            service,
            name: name.into(),
            sync_export: None,
            account: OnceLock::new(),
        }
    }

    /// The project that the backend knows as `name`, for spans that come with a resource of their
    /// own: nothing is added to it.
    #[must_use]
    pub fn of_foreign_spans(name: impl Into<String>) -> Self {
        let mut project = Self::new("", "", name);
        project.resource.clear();
        project
    }

    /// Adds attributes to the resource, such as `service.version` and
    /// `deployment.environment`; one with a key that is there already replaces it.
    #[must_use]
    pub fn with_resource(mut self, attributes: impl IntoIterator<Item = KeyValue>) -> Self {
        merge(&mut self.resource, attributes);
        self
    }

    /// Overrides `use_sync_export` for this project.
    #[must_use]
    pub fn with_sync_export(mut self, sync: bool) -> Self {
        self.sync_export = Some(sync);
        self
    }

    /// The tenant.
    #[must_use]
    pub fn tenant_id(&self) -> &str {
        &self.tenant_id
    }

    /// The tenant's service.
    #[must_use]
    pub fn service(&self) -> &str {
        &self.service
    }

    /// The name the backend files its spans under.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What became of its spans, and of those of earlier values with the same name.
    #[must_use]
    pub fn stats(&self) -> SpanStats {
        self.account
            .get()
            .map(|account| account.stats())
            .unwrap_or_default()
    }

    pub(super) fn account(&self) -> &Arc<Account> {
        self.account_or(Arc::default)
    }

    pub(super) fn account_or(&self, open: impl FnOnce() -> Arc<Account>) -> &Arc<Account> {
        self.account.get_or_init(open)
    }

    /// Stands for the tenant in maps, at the price of a number. Two tenants of which it is the
    /// same would have their share of the queue together, and nothing else.
    pub(super) fn tenant_key(&self) -> u64 {
        self.tenant_key
    }

    /// Different for each value made in this process.
    pub(super) fn id(&self) -> u64 {
        self.id
    }

    pub(super) fn resource(&self) -> &[KeyValue] {
        &self.resource
    }

    pub(super) fn sync_export(&self) -> Option<bool> {
        self.sync_export
    }
}

/// Adds attributes to a list in which a key occurs once: the later value wins.
pub(super) fn merge(list: &mut Vec<KeyValue>, attributes: impl IntoIterator<Item = KeyValue>) {
    for attribute in attributes {
        match list.iter_mut().find(|known| known.key == attribute.key) {
            Some(known) => *known = attribute,
            None => list.push(attribute),
        }
    }
}
