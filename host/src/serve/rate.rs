//! How many requests a tenant may make.

use std::collections::BTreeSet;
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use lru::LruCache;

use super::answer::{Refusal, RefusalKind};
use crate::config::TenantId;

/// How many tenants' rates are remembered. One that was forgotten begins anew.
const MAX_TENANTS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(9_999);

/// A token bucket for each tenant: a second's worth may come at once.
#[derive(Debug)]
pub(super) struct Rate {
    per_second: f64,
    tenants: Mutex<LruCache<TenantId, Bucket>>,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    tokens: f64,
    at: Instant,
}

impl Rate {
    pub(super) fn new(per_second: NonZeroU32) -> Self {
        Self {
            per_second: per_second.get().into(),
            tenants: Mutex::new(LruCache::new(MAX_TENANTS)),
        }
    }

    /// Counts a request for each of these tenants, or for none where one may make no more: it
    /// will come again whole.
    pub(super) fn charge(&self, tenants: &BTreeSet<&TenantId>) -> Result<(), Refusal> {
        self.charge_at(tenants, Instant::now())
    }

    fn charge_at(&self, charged: &BTreeSet<&TenantId>, now: Instant) -> Result<(), Refusal> {
        let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        let mut longest: Option<(f64, &TenantId)> = None;
        for tenant in charged {
            let missing = 1.0 - self.bucket(&mut tenants, tenant, now).tokens;
            if missing > 0.0 && longest.is_none_or(|(most, _)| missing > most) {
                longest = Some((missing, tenant));
            }
        }
        if let Some((missing, tenant)) = longest {
            let message = format!(
                "tenant {tenant} may make {} requests a second",
                self.per_second
            );
            return Err(Refusal {
                retry_after: Some(Duration::from_secs_f64(missing / self.per_second)),
                ..Refusal::new(RefusalKind::TooMany, message)
            });
        }
        for tenant in charged {
            self.bucket(&mut tenants, tenant, now).tokens -= 1.0;
        }
        Ok(())
    }

    /// The bucket of a tenant, filled up to now.
    fn bucket<'a>(
        &self,
        tenants: &'a mut LruCache<TenantId, Bucket>,
        tenant: &TenantId,
        now: Instant,
    ) -> &'a mut Bucket {
        let bucket = tenants.get_or_insert_mut(tenant.clone(), || Bucket {
            tokens: self.per_second,
            at: now,
        });
        let since = now.saturating_duration_since(bucket.at).as_secs_f64();
        bucket.tokens = (bucket.tokens + since * self.per_second).min(self.per_second);
        bucket.at = now;
        bucket
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_tenant_has_its_rate_and_others_have_theirs() {
        let rate = Rate::new(NonZeroU32::new(2).unwrap());
        let (acme, other) = (TenantId::new("acme").unwrap(), TenantId::new("b").unwrap());
        let (acme, other) = (BTreeSet::from([&acme]), BTreeSet::from([&other]));
        let start = Instant::now();
        assert!(rate.charge_at(&acme, start).is_ok());
        assert!(rate.charge_at(&acme, start).is_ok());
        let refusal = rate.charge_at(&acme, start).unwrap_err();
        assert_eq!(refusal.retry_after, Some(Duration::from_millis(500)));
        assert!(rate.charge_at(&other, start).is_ok());

        let later = start + Duration::from_millis(500);
        assert!(rate.charge_at(&acme, later).is_ok());
        assert!(rate.charge_at(&acme, later).is_err());
        let much_later = start + Duration::from_secs(3_600);
        assert!(rate.charge_at(&acme, much_later).is_ok());
        assert!(rate.charge_at(&acme, much_later).is_ok());
        assert!(
            rate.charge_at(&acme, much_later).is_err(),
            "no more is saved up"
        );
    }

    #[test]
    fn who_sends_along_with_one_that_may_not_is_not_charged() {
        let rate = Rate::new(NonZeroU32::MIN);
        let (acme, busy) = (TenantId::new("acme").unwrap(), TenantId::new("b").unwrap());
        let now = Instant::now();
        assert!(rate.charge_at(&BTreeSet::from([&busy]), now).is_ok());
        let both = BTreeSet::from([&acme, &busy]);
        assert!(rate.charge_at(&both, now).is_err());
        assert!(rate.charge_at(&BTreeSet::from([&acme]), now).is_ok());
    }
}
