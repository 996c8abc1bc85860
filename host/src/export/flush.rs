//! Flushing: waiting for the spans that ended before, and saying what became of them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use tokio::time::Instant;

use super::account::Fate;
use super::queue::Position;

/// What became of the spans that had ended, and were not settled, when a flush or the shutdown
/// began.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FlushReport {
    /// The backend has them.
    pub delivered: u64,
    /// They are on disk, and will be sent when their backend answers.
    pub spooled: u64,
    /// They are lost, for any reason.
    pub dropped: u64,
    /// Time was up before they were settled; they are still being sent. Always 0 after a
    /// shutdown, which gives them up.
    pub left: u64,
    /// The same for each tenant of which there were such spans.
    pub tenants: BTreeMap<String, TenantFlush>,
}

/// The part of a [`FlushReport`] that is one tenant's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TenantFlush {
    /// As [`FlushReport::delivered`].
    pub delivered: u64,
    /// As [`FlushReport::spooled`].
    pub spooled: u64,
    /// As [`FlushReport::dropped`].
    pub dropped: u64,
    /// As [`FlushReport::left`].
    pub left: u64,
}

impl FlushReport {
    /// Whether every span was delivered.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.dropped == 0 && self.left == 0 && self.spooled == 0
    }

    /// The report before anything is settled.
    pub(super) fn of_unsettled(tenants: BTreeMap<String, u64>) -> Self {
        let tenants: BTreeMap<_, _> = tenants
            .into_iter()
            .map(|(tenant, left)| {
                let report = TenantFlush {
                    left,
                    ..TenantFlush::default()
                };
                (tenant, report)
            })
            .collect();
        Self {
            left: tenants.values().map(|report| report.left).sum(),
            tenants,
            ..Self::default()
        }
    }

    fn settled(&mut self, tenant: &str, fate: Fate, spans: u64) {
        let (total, part) = match fate {
            Fate::Delivered => (&mut self.delivered, TenantFlush::delivered as Part),
            Fate::Spooled => (&mut self.spooled, TenantFlush::spooled as Part),
            Fate::Dropped(_) => (&mut self.dropped, TenantFlush::dropped as Part),
        };
        *total += spans;
        self.left = self.left.saturating_sub(spans);
        if let Some(report) = self.tenants.get_mut(tenant) {
            *part(report) += spans;
            report.left = report.left.saturating_sub(spans);
        }
    }

    fn give_up(&mut self) {
        self.dropped += std::mem::take(&mut self.left);
        for report in self.tenants.values_mut() {
            report.dropped += std::mem::take(&mut report.left);
        }
    }
}

type Part = fn(&mut TenantFlush) -> &mut u64;

impl TenantFlush {
    fn delivered(&mut self) -> &mut u64 {
        &mut self.delivered
    }

    fn spooled(&mut self) -> &mut u64 {
        &mut self.spooled
    }

    fn dropped(&mut self) -> &mut u64 {
        &mut self.dropped
    }
}

/// Carries a report to whoever asked, in whatever way they wait.
pub(super) type Reply = Box<dyn FnOnce(FlushReport) + Send>;

/// The flushes that are under way.
#[derive(Default)]
pub(super) struct Flushes {
    /// Lets the way of spans pass by without the lock while nobody flushes.
    under_way: AtomicUsize,
    list: Mutex<Vec<Flush>>,
}

struct Flush {
    /// Spans of this epoch and later ones are not waited for.
    before: u64,
    deadline: Instant,
    report: FlushReport,
    reply: Reply,
}

impl Flushes {
    /// Waits for the spans that are not settled at this position. Called on the export thread,
    /// where spans are settled, so that none can slip through in between.
    pub(super) fn begin(&self, position: Position, deadline: Instant, reply: Reply) {
        let report = FlushReport::of_unsettled(position.unsettled);
        if report.left == 0 {
            reply(report);
            return;
        }
        self.lock().push(Flush {
            before: position.epoch,
            deadline,
            report,
            reply,
        });
        self.under_way.fetch_add(1, Ordering::SeqCst);
    }

    pub(super) fn are_under_way(&self) -> bool {
        self.under_way.load(Ordering::SeqCst) > 0
    }

    /// So many spans of a tenant are settled, which ended in this epoch.
    pub(super) fn settled(&self, epoch: u64, tenant: &str, fate: Fate, spans: u64) {
        if !self.are_under_way() {
            return;
        }
        let mut list = self.lock();
        for flush in list.iter_mut().filter(|flush| epoch < flush.before) {
            flush.report.settled(tenant, fate, spans);
        }
        self.answer(list, |flush| flush.report.left == 0);
    }

    /// Answers those whose time is up.
    pub(super) fn expire(&self, now: Instant) {
        self.answer(self.lock(), |flush| flush.deadline <= now);
    }

    /// Answers all of them: what is left is given up, whoever has it.
    pub(super) fn end(&self) {
        let mut list = self.lock();
        for flush in list.iter_mut() {
            flush.report.give_up();
        }
        self.answer(list, |_| true);
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.lock().iter().map(|flush| flush.deadline).min()
    }

    fn answer(&self, mut list: MutexGuard<'_, Vec<Flush>>, done: impl Fn(&Flush) -> bool) {
        let answered: Vec<_> = list.extract_if(.., |flush| done(flush)).collect();
        drop(list);
        self.under_way.fetch_sub(answered.len(), Ordering::SeqCst);
        for flush in answered {
            (flush.reply)(flush.report);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Flush>> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Flushes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flushes")
            .field("under_way", &self.under_way)
            .finish_non_exhaustive()
    }
}
