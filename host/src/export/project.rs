//! Where spans come from: one service of one tenant.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, OnceLock};

use opentelemetry::{KeyValue, StringValue};

use super::account::{Account, SpanStats};
use super::encode::Preset;

/// Tells projects apart, at the price of a number. Those that are made anew by the same
/// application have the same one, so that what is known of them holds.
pub(super) type ProjectId = u128;

/// One service of one tenant, whose spans share a resource and a destination.
///
/// It is cheap: names and counters. A cache may drop it and make it again while spans of it are
/// still on their way.
// What each span asks for comes first, which `repr` keeps there: where there are many projects,
// little of each is in the processor's caches.
#[derive(Debug)]
#[repr(C)]
pub struct Project {
    id: ProjectId,
    service: Arc<str>,
    preset: Preset,
    tenant_key: u64,
    /// Set by the first pipeline that has a span of it.
    account: OnceLock<Arc<Account>>,
    sync_export: Option<bool>,
    /// Whether its spans come with a resource of their own.
    is_foreign: bool,
    tenant_id: Box<str>,
    name: Box<str>,
    house: Option<Arc<House>>,
    resource: Vec<KeyValue>,
}

/// What all projects of an application have in common.
#[derive(Debug)]
pub(crate) struct House {
    resource: Vec<KeyValue>,
    environment: StringValue,
    /// Of the service that most projects are of: what each span is compared with is then in memory
    /// once.
    service: Arc<str>,
    preset: Preset,
    keys: [RandomState; 2],
}

impl House {
    /// `resource` is added to the resource of each project, and each span says the environment.
    /// `service` is the one of most projects.
    pub(crate) fn new(
        resource: Vec<KeyValue>,
        environment: impl Into<StringValue>,
        service: &str,
    ) -> Arc<Self> {
        Arc::new(Self {
            resource,
            environment: environment.into(),
            service: service.into(),
            preset: Preset::new(&marks("", "", "".into())),
            keys: [RandomState::new(), RandomState::new()],
        })
    }

    /// The project of a tenant's service, whose spans say so. Where its destination is another
    /// than before, so must be its `revision`.
    pub(crate) fn project(
        self: &Arc<Self>,
        tenant_id: &str,
        service: &str,
        name: String,
        revision: u64,
    ) -> Project {
        let identity = (tenant_id, service, &name, revision);
        let [high, low] = self.keys.each_ref().map(|key| key.hash_one(identity));
        let marks = marks(tenant_id, service, self.environment.clone());
        Project {
            id: u128::from(high) << 64 | u128::from(low),
            house: Some(Arc::clone(self)),
            preset: self.preset.with_values(&marks),
            ..Project::new(tenant_id, self.service(service), name)
        }
    }

    fn service(&self, service: &str) -> Arc<str> {
        if *self.service == *service {
            Arc::clone(&self.service)
        } else {
            service.into()
        }
    }
}

/// By what each span says whose it is.
fn marks(tenant_id: &str, service: &str, environment: StringValue) -> [KeyValue; 3] {
    [
        KeyValue::new("tenant.id", tenant_id.to_owned()),
        KeyValue::new("service.name", service.to_owned()),
        KeyValue::new("environment", environment),
    ]
}

impl Project {
    /// The project that the backend knows as `name`. Its spans carry `service.name` and
    /// `tenant.id`.
    #[must_use]
    pub fn new(
        tenant_id: impl Into<Box<str>>,
        service: impl Into<Arc<str>>,
        name: impl Into<Box<str>>,
    ) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        static KEYS: LazyLock<RandomState> = LazyLock::new(RandomState::new);
        let (tenant_id, service) = (tenant_id.into(), service.into());
        Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed).into(),
            tenant_key: KEYS.hash_one(&tenant_id),
            tenant_id,
            service,
            name: name.into(),
            is_foreign: false,
            house: None,
            resource: Vec::new(),
            preset: Preset::default(),
            sync_export: None,
            account: OnceLock::new(),
        }
    }

    /// The project that the backend knows as `name`, for spans that come with a resource of their
    /// own: nothing is added to it.
    #[must_use]
    pub fn of_foreign_spans(name: impl Into<Box<str>>) -> Self {
        Self {
            is_foreign: true,
            ..Self::new("", "", name)
        }
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

    /// Different for different projects.
    pub(super) fn id(&self) -> ProjectId {
        self.id
    }

    /// The attributes of its resource.
    pub(super) fn resource(&self) -> Vec<KeyValue> {
        if self.is_foreign {
            return Vec::new();
        }
        let mut resource = vec![
            KeyValue::new("service.name", Arc::clone(&self.service)),
            KeyValue::new("tenant.id", self.tenant_id.to_string()),
        ];
        let house = self.house.iter().flat_map(|house| &house.resource);
        merge(&mut resource, house.chain(&self.resource).cloned());
        resource
    }

    /// What its spans say by themselves, where they are an application's.
    pub(super) fn preset(&self) -> &Preset {
        &self.preset
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
