//! Counting every span: `created = delivered + queued + spooled + dropped`.

use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam_utils::CachePadded;
use serde::Serialize;

/// Why a span never reached its backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DropReason {
    /// It ended while the queue was full, or its tenant's share of it.
    QueueFull,
    /// The backend does not want it and never will.
    Rejected,
    /// The backend could not be reached, or not be found, within the export timeout.
    ExportFailed,
    /// It ended after shutdown, or shutdown's time was up before it was sent.
    Shutdown,
    /// It had to go to disk, and the spool has no room or cannot be written.
    SpoolFull,
    /// It lay on disk for longer than `max_age_seconds`.
    Expired,
}

impl DropReason {
    /// The reason in words, to follow "spans were dropped: ".
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::QueueFull => "the queue is full",
            Self::Rejected => "the backend rejected them",
            Self::ExportFailed => "they could not be delivered in time",
            Self::Shutdown => "the pipeline was shut down",
            Self::SpoolFull => "the spool cannot take them",
            Self::Expired => "they lay in the spool for too long",
        }
    }
}

/// How many spans were lost, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Dropped {
    /// [`DropReason::QueueFull`].
    pub queue_full: u64,
    /// [`DropReason::Rejected`].
    pub rejected: u64,
    /// [`DropReason::ExportFailed`].
    pub export_failed: u64,
    /// [`DropReason::Shutdown`].
    pub shutdown: u64,
    /// [`DropReason::SpoolFull`].
    pub spool_full: u64,
    /// [`DropReason::Expired`].
    pub expired: u64,
}

impl Dropped {
    /// All of them.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.by_reason().iter().map(|(_, spans)| spans).sum()
    }

    /// Each reason with how many spans it cost.
    #[must_use]
    pub fn by_reason(&self) -> [(DropReason, u64); 6] {
        [
            (DropReason::QueueFull, self.queue_full),
            (DropReason::Rejected, self.rejected),
            (DropReason::ExportFailed, self.export_failed),
            (DropReason::Shutdown, self.shutdown),
            (DropReason::SpoolFull, self.spool_full),
            (DropReason::Expired, self.expired),
        ]
    }
}

/// What became of the spans so far, of one project or of all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SpanStats {
    /// Spans that have ended, and those that an earlier run of the process left in the spool.
    pub created: u64,
    /// Spans the backend has acknowledged.
    pub delivered: u64,
    /// Spans in between: waiting, or in a request that is not answered yet.
    pub queued: u64,
    /// Spans on disk, to be sent when their backend answers.
    pub spooled: u64,
    /// Spans that are lost.
    pub dropped: Dropped,
}

/// How a span's way through memory ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Delivered,
    Spooled,
    Dropped(DropReason),
}

/// The counters behind [`SpanStats`].
#[derive(Debug, Default)]
pub(super) struct Account {
    /// Written by those who make spans, and the rest by who settles them: they would hand one line
    /// of memory to and fro.
    created: CachePadded<AtomicU64>,
    delivered: AtomicU64,
    spooled: AtomicU64,
    queue_full: AtomicU64,
    rejected: AtomicU64,
    export_failed: AtomicU64,
    shutdown: AtomicU64,
    spool_full: AtomicU64,
    expired: AtomicU64,
}

impl Account {
    pub(super) fn created(&self, spans: u64) {
        self.created.fetch_add(spans, Ordering::Relaxed);
    }

    pub(super) fn settled(&self, fate: Fate, spans: u64) {
        self.add(fate, spans);
    }

    /// Spans were found on disk that an earlier run left there.
    pub(super) fn recovered(&self, spans: u64) {
        self.created(spans);
        self.add(Fate::Spooled, spans);
    }

    /// Spans have left the disk.
    pub(super) fn unspooled(&self, fate: Fate, spans: u64) {
        self.add(fate, spans);
        // A gauge never goes below nothing, whatever was counted elsewhere.
        let less = |spooled: u64| Some(spooled.saturating_sub(spans));
        let _ = self
            .spooled
            .fetch_update(Ordering::Release, Ordering::Relaxed, less);
    }

    /// Counts what another account has counted.
    pub(super) fn absorb(&self, other: &SpanStats) {
        self.created(other.created);
        self.add(Fate::Delivered, other.delivered);
        self.add(Fate::Spooled, other.spooled);
        for (reason, spans) in other.dropped.by_reason() {
            self.add(Fate::Dropped(reason), spans);
        }
    }

    fn add(&self, fate: Fate, spans: u64) {
        let counter = match fate {
            Fate::Delivered => &self.delivered,
            Fate::Spooled => &self.spooled,
            Fate::Dropped(DropReason::QueueFull) => &self.queue_full,
            Fate::Dropped(DropReason::Rejected) => &self.rejected,
            Fate::Dropped(DropReason::ExportFailed) => &self.export_failed,
            Fate::Dropped(DropReason::Shutdown) => &self.shutdown,
            Fate::Dropped(DropReason::SpoolFull) => &self.spool_full,
            Fate::Dropped(DropReason::Expired) => &self.expired,
        };
        counter.fetch_add(spans, Ordering::Release);
    }

    pub(super) fn stats(&self) -> SpanStats {
        // Spans go from here to delivered or dropped, so it is read before those.
        let spooled = self.spooled.load(Ordering::Acquire);
        let dropped = Dropped {
            queue_full: self.queue_full.load(Ordering::Acquire),
            rejected: self.rejected.load(Ordering::Acquire),
            export_failed: self.export_failed.load(Ordering::Acquire),
            shutdown: self.shutdown.load(Ordering::Acquire),
            spool_full: self.spool_full.load(Ordering::Acquire),
            expired: self.expired.load(Ordering::Acquire),
        };
        let delivered = self.delivered.load(Ordering::Acquire);
        // Read last: a span is created before it settles, so this is never too small.
        let created = self.created.load(Ordering::Relaxed);
        SpanStats {
            created,
            delivered,
            queued: created.saturating_sub(delivered + spooled + dropped.total()),
            spooled,
            dropped,
        }
    }
}
