//! One content of a provider's file, from the moment it serves to the end of its last
//! call.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::component::ProviderComponent;
use super::pool::Pool;
use super::quota::Quota;
use super::runtime::Runtime;
use super::secrets::{Held, Secrets};
use super::spec::ConnectionSpec;

pub(crate) struct Generation {
    /// Counts the contents that served under this provider's name, from 1.
    pub(crate) number: u64,
    pub(crate) component: ProviderComponent,
    pub(crate) since: SystemTime,
    calls: AtomicU64,
    errors: AtomicU64,
    /// The calls that run now.
    pub(super) running: TaskTracker,
    /// Ends the calls that outlast the draining.
    pub(super) given_up: CancellationToken,
    pools: Mutex<HashMap<u64, Arc<Pool>>>,
}

impl Generation {
    pub(super) fn new(number: u64, component: ProviderComponent) -> Self {
        Self {
            number,
            component,
            since: SystemTime::now(),
            calls: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            running: TaskTracker::new(),
            given_up: CancellationToken::new(),
            pools: Mutex::default(),
        }
    }

    /// How many calls it has served.
    pub(crate) fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    /// How many of them ended in an error.
    pub(crate) fn errors(&self) -> u64 {
        self.errors.load(Ordering::Relaxed)
    }

    pub(super) fn count_call(&self) {
        self.calls.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_error(&self) {
        self.errors.fetch_add(1, Ordering::Relaxed);
    }

    /// The instances of a connection, which is fitted to this generation's schema the
    /// first time. The error says why it does not fit.
    pub(super) fn pool(
        &self,
        runtime: &Runtime,
        key: u64,
        spec: &ConnectionSpec,
        secrets: &Arc<Secrets>,
        held: &Held,
        quota: &Arc<Quota>,
    ) -> Result<Arc<Pool>, String> {
        let mut pools = self.pools();
        if let Some(pool) = pools.get(&key) {
            return Ok(Arc::clone(pool));
        }
        let resolved = spec.resolve(&self.component, secrets, held, &runtime.limits)?;
        let pool = Arc::new(Pool::new(runtime, resolved, Arc::clone(quota)));
        pools.insert(key, Arc::clone(&pool));
        Ok(pool)
    }

    /// Forget the instances of a connection that is no longer used.
    pub(super) fn forget(&self, key: u64) {
        self.pools().remove(&key);
    }

    /// Let the running calls end, for `limit` at the most, then drop the instances.
    pub(super) async fn drain(&self, limit: Duration) {
        self.running.close();
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
