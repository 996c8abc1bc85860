//! One content of a provider's file, from the moment it serves to the end of its last
//! call.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::component::ProviderComponent;
use super::connection::Settings;
use super::meter::Meter;
use super::pool::Pool;
use super::runtime::Runtime;
use super::secrets::Held;
use super::status::Quarantine;

/// How many calls a new generation is on probation.
const PROBATION: u64 = 20;

pub(crate) struct Generation {
    /// Counts the contents that served under this provider's name, from 1.
    pub(crate) number: u64,
    pub(crate) component: Arc<ProviderComponent>,
    /// What is remembered of it when it is gone.
    pub(super) record: Arc<Record>,
    /// The calls that run now.
    pub(super) running: TaskTracker,
    /// Another generation serves, or none: calls that have no instance yet go there.
    pub(super) retired: CancellationToken,
    /// Ends the calls that outlast the draining.
    pub(super) given_up: CancellationToken,
    pools: Mutex<HashMap<u64, Arc<Pool>>>,
    /// Calls that the guest answered, or failed.
    ended: AtomicU64,
    /// Those that it failed: by a trap, a limit, or by not coming to an end.
    faults: AtomicU64,
    is_unsound: AtomicBool,
}

/// What is remembered of a generation.
pub(super) struct Record {
    pub(super) provider: Arc<str>,
    pub(super) number: u64,
    pub(super) version: String,
    pub(super) digest: String,
    pub(super) since: SystemTime,
    pub(super) until: OnceLock<SystemTime>,
    pub(super) meter: Meter,
    calls: AtomicU64,
    errors: AtomicU64,
}

impl Record {
    /// How many calls it was asked for.
    pub(super) fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    /// How many of them ended in an error.
    pub(super) fn errors(&self) -> u64 {
        self.errors.load(Ordering::Relaxed)
    }
}

impl Generation {
    pub(super) fn new(number: u64, component: Arc<ProviderComponent>) -> Self {
        let record = Record {
            provider: Arc::clone(&component.name),
            number,
            version: component.info.version.clone(),
            digest: component.digest.clone(),
            since: SystemTime::now(),
            until: OnceLock::new(),
            meter: Meter::default(),
            calls: AtomicU64::new(0),
            errors: AtomicU64::new(0),
        };
        Self {
            number,
            component,
            record: Arc::new(record),
            running: TaskTracker::new(),
            retired: CancellationToken::new(),
            given_up: CancellationToken::new(),
            pools: Mutex::default(),
            ended: AtomicU64::new(0),
            faults: AtomicU64::new(0),
            is_unsound: AtomicBool::new(false),
        }
    }

    pub(super) fn count_call(&self) {
        self.record.calls.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_error(&self) {
        self.record.errors.fetch_add(1, Ordering::Relaxed);
    }

    /// A call ended as the guest wanted it to.
    pub(super) fn answered(&self) {
        self.ended.fetch_add(1, Ordering::Relaxed);
    }

    /// A call or a start failed by what the guest did. Returned is whether these are so many
    /// of its first calls that it should not serve.
    pub(super) fn failed(&self, too_many: u32) -> bool {
        let ended = self.ended.fetch_add(1, Ordering::Relaxed) + 1;
        let faults = self.faults.fetch_add(1, Ordering::Relaxed) + 1;
        let is_unsound = too_many > 0 && faults >= u64::from(too_many) && ended <= PROBATION;
        is_unsound && !self.is_unsound.swap(true, Ordering::Relaxed)
    }

    /// Whether too many of its first calls failed.
    pub(super) fn is_unsound(&self) -> bool {
        self.is_unsound.load(Ordering::Relaxed)
    }

    /// How many of its calls ended, and how many of these it failed.
    pub(super) fn faults(&self) -> (u64, u64) {
        let ended = self.ended.load(Ordering::Relaxed);
        (ended, self.faults.load(Ordering::Relaxed))
    }

    /// The instances of a connection, which is fitted to this generation's schema the
    /// first time. The error says why it does not fit.
    pub(super) fn pool(
        &self,
        runtime: &Runtime,
        key: u64,
        settings: &Settings,
        held: &Held,
    ) -> Result<Arc<Pool>, String> {
        let mut pools = self.pools();
        if let Some(pool) = pools.get(&key) {
            return Ok(Arc::clone(pool));
        }
        let resolved = settings.resolve(&self.component, held)?;
        let pool = Arc::new(Pool::new(runtime, self, settings, resolved));
        pools.insert(key, Arc::clone(&pool));
        Ok(pool)
    }

    /// Forget the instances of a connection that is no longer used.
    pub(super) fn forget(&self, key: u64) {
        self.pools().remove(&key);
    }

    /// Drop the instances that have waited too long for a call.
    pub(super) fn drop_idle(&self) {
        let pools: Vec<_> = self.pools().values().cloned().collect();
        pools.iter().for_each(|pool| pool.drop_idle());
    }

    /// How many instances wait for a call, and how many calls run.
    pub(super) fn instances(&self) -> (usize, usize) {
        let idle = self
            .pools()
            .values()
            .map(|pool| pool.idle_instances())
            .sum();
        (idle, self.running.len())
    }

    /// The connections that are quarantined.
    pub(super) fn quarantines(&self) -> Vec<Quarantine> {
        let pools = self.pools();
        let mut found: Vec<_> = pools
            .values()
            .filter_map(|pool| pool.quarantine())
            .collect();
        found.sort_by(|one, other| one.connection.cmp(&other.connection));
        found
    }

    /// Forget what failed; how many connections were quarantined.
    pub(super) fn lift(&self) -> usize {
        self.pools().values().filter(|pool| pool.lift()).count()
    }

    /// Send the calls that wait for an instance to the generation that serves now.
    pub(super) fn retire(&self) {
        self.retired.cancel();
        let _ = self.record.until.set(SystemTime::now());
        self.running.close();
    }

    /// Let the running calls end, for `limit` at the most, then drop the instances.
    pub(super) async fn drain(&self, limit: Duration) {
        if timeout(limit, self.running.wait()).await.is_err() {
            tracing::warn!(
                provider = &*self.component.name,
                generation = self.number,
                calls = self.running.len(),
                "calls did not end while the provider was replaced, and are ended now"
            );
            self.given_up.cancel();
            self.running.wait().await;
        }
        self.pools().clear();
    }

    fn pools(&self) -> std::sync::MutexGuard<'_, HashMap<u64, Arc<Pool>>> {
        self.pools.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
