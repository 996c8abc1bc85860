//! Fairness on disk: how much of it each tenant may hold.

use std::collections::HashMap;
use std::sync::Arc;

use super::super::record::Record;
use super::super::segment::Disk;
use super::Log;
use crate::export::lane::SHARE;

/// How many bytes each tenant has in the log.
#[derive(Debug, Default)]
pub(super) struct Shares {
    tenants: HashMap<Arc<str>, u64>,
    bytes: u64,
}

impl Shares {
    /// The tenant holds so much more.
    pub(super) fn add(&mut self, tenant: &str, bytes: u64) -> Arc<str> {
        self.bytes += bytes;
        let known = self.tenants.get_key_value(tenant);
        let tenant = known.map_or_else(|| tenant.into(), |(tenant, _)| Arc::clone(tenant));
        *self.tenants.entry(Arc::clone(&tenant)).or_default() += bytes;
        tenant
    }

    pub(super) fn remove(&mut self, tenant: &str, bytes: u64) {
        self.bytes = self.bytes.saturating_sub(bytes);
        if let Some(held) = self.tenants.get_mut(tenant) {
            *held = held.saturating_sub(bytes);
            if *held == 0 {
                self.tenants.remove(tenant);
            }
        }
    }
}

impl<D: Disk> Log<D> {
    /// Whether so much is taken that it is no single tenant's doing, nor that of two.
    pub(in crate::export) fn is_nearly_full(&self) -> bool {
        self.shares.bytes > self.limits.bytes / 8 * 7
    }

    /// Of each of these records, if they come together, whether its tenant may have it here: a
    /// tenant may hold three times as many bytes as are still free, as in the queue.
    pub(in crate::export) fn allows(&self, records: &[Record]) -> Vec<bool> {
        let mut free = self.limits.bytes.saturating_sub(self.shares.bytes);
        let mut more: HashMap<&str, u64> = HashMap::new();
        let mut allowed = Vec::with_capacity(records.len());
        for record in records {
            let len = record.len() as u64;
            let tenant = record.tenant.as_str();
            let more = more.entry(tenant).or_default();
            let held = *more + self.shares.tenants.get(tenant).copied().unwrap_or_default();
            let left = free.saturating_sub(len);
            // The first of a tenant may have any size that there is room for.
            let fits = len <= free && (held == 0 || held + len <= SHARE as u64 * (left + 1));
            if fits {
                *more += len;
                free = left;
            }
            allowed.push(fits);
        }
        allowed
    }
}
