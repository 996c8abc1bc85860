//! How many requests a connection may make, and how many bytes it may move, in a minute.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::config::LimitsConfig;

const MINUTE: f64 = 60.0;

/// What a connection has left. Both fill up evenly, to a minute's worth at the most.
#[derive(Debug)]
pub(super) struct Quota {
    requests: Mutex<Bucket>,
    bytes: Mutex<Bucket>,
}

/// A quota is used up.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct QuotaSpent {
    /// What is used up.
    pub(super) what: &'static str,
    /// How much of it there is in a minute.
    pub(super) per_minute: f64,
    /// The setting of that.
    pub(super) setting: &'static str,
    /// When there will be some again.
    pub(super) retry_after: Duration,
}

#[derive(Debug)]
struct Bucket {
    per_minute: f64,
    left: f64,
    at: Instant,
}

impl Quota {
    pub(super) fn new(limits: &LimitsConfig) -> Self {
        Self::at(limits, Instant::now())
    }

    fn at(limits: &LimitsConfig, now: Instant) -> Self {
        let bucket = |per_minute: u64| {
            // Exact up to 2^53, which is more than may be configured.
            let per_minute = per_minute as f64;
            Mutex::new(Bucket {
                per_minute,
                left: per_minute,
                at: now,
            })
        };
        Self {
            requests: bucket(limits.requests_per_minute),
            bytes: bucket(limits.bytes_per_minute),
        }
    }

    /// Counts a request, if it may be made.
    pub(super) fn request(&self) -> Result<(), QuotaSpent> {
        self.request_at(Instant::now())
    }

    fn request_at(&self, now: Instant) -> Result<(), QuotaSpent> {
        let spent = |what, bucket: &mut Bucket, setting| {
            let retry_after = bucket.wait_for(1.0, now)?;
            Some(QuotaSpent {
                what,
                per_minute: bucket.per_minute,
                setting,
                retry_after,
            })
        };
        // Bytes are counted as they come, so what a request needs is that any are left.
        let bytes = spent("bytes", &mut lock(&self.bytes), "bytes_per_minute");
        let mut requests = lock(&self.requests);
        let spent = bytes.or_else(|| spent("requests", &mut requests, "requests_per_minute"));
        if let Some(spent) = spent {
            return Err(spent);
        }
        requests.left -= 1.0;
        Ok(())
    }

    /// Counts bytes of a body. Being more than are left, they are owed.
    pub(super) fn bytes(&self, count: usize) {
        lock(&self.bytes).left -= count as f64;
    }
}

impl Bucket {
    /// How long it takes until there is `wanted`; none when it is there.
    fn wait_for(&mut self, wanted: f64, now: Instant) -> Option<Duration> {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.left = (self.left + passed * self.per_minute / MINUTE).min(self.per_minute);
        self.at = now;
        let missing = wanted - self.left;
        (missing > 0.0).then(|| Duration::from_secs_f64(missing * MINUTE / self.per_minute))
    }
}

fn lock(bucket: &Mutex<Bucket>) -> std::sync::MutexGuard<'_, Bucket> {
    bucket.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn quota(requests_per_minute: u64, bytes_per_minute: u64, now: Instant) -> Quota {
        let limits = LimitsConfig {
            requests_per_minute,
            bytes_per_minute,
            ..LimitsConfig::default()
        };
        Quota::at(&limits, now)
    }

    #[test]
    fn requests_come_back_evenly() {
        let now = Instant::now();
        let quota = quota(2, 1_000, now);
        assert_eq!(quota.request_at(now), Ok(()));
        assert_eq!(quota.request_at(now), Ok(()));
        let spent = quota.request_at(now).unwrap_err();
        assert_eq!(spent.retry_after, Duration::from_secs(30));
        assert_eq!((spent.what, spent.per_minute), ("requests", 2.0));
        assert_eq!(spent.setting, "requests_per_minute");
        let later = now + Duration::from_secs(30);
        assert_eq!(quota.request_at(later), Ok(()));
        assert!(quota.request_at(later).is_err());
        // Idle for an hour, it has a minute's worth.
        let much_later = later + Duration::from_secs(3_600);
        assert_eq!(quota.request_at(much_later), Ok(()));
        assert_eq!(quota.request_at(much_later), Ok(()));
        assert!(quota.request_at(much_later).is_err());
    }

    #[test]
    fn bytes_that_were_owed_are_waited_for() {
        let now = Instant::now();
        let quota = quota(1_000, 600, now);
        quota.bytes(1_199);
        let spent = quota.request_at(now).unwrap_err();
        assert_eq!(spent.retry_after, Duration::from_secs(60));
        assert_eq!(spent.setting, "bytes_per_minute");
        assert_eq!(quota.request_at(now + Duration::from_secs(60)), Ok(()));
    }
}
