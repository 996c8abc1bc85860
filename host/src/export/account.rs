//! Counting every span: `created = delivered + queued + dropped`.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

/// Why a span never reached its backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DropReason {
    /// It ended while the queue was full.
    QueueFull,
    /// The backend does not want it and never will.
    Rejected,
    /// The backend could not be reached, or not be found, within the export timeout.
    ExportFailed,
    /// It ended after shutdown, or shutdown's time was up before it was sent.
    Shutdown,
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
}

impl Dropped {
    /// All of them.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.queue_full + self.rejected + self.export_failed + self.shutdown
    }
}

/// What became of the spans so far, of one project or of all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SpanStats {
    /// Spans that have ended.
    pub created: u64,
    /// Spans the backend has acknowledged.
    pub delivered: u64,
    /// Spans in between: waiting, or in a request that is not answered yet.
    pub queued: u64,
    /// Spans that are lost.
    pub dropped: Dropped,
}

/// How a span's way ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Delivered,
    Dropped(DropReason),
}

/// The counters behind [`SpanStats`].
#[derive(Debug, Default)]
pub(super) struct Account {
    created: AtomicU64,
    delivered: AtomicU64,
    queue_full: AtomicU64,
    rejected: AtomicU64,
    export_failed: AtomicU64,
    shutdown: AtomicU64,
}

impl Account {
    pub(super) fn created(&self, spans: u64) {
        self.created.fetch_add(spans, Ordering::Relaxed);
    }

    pub(super) fn settled(&self, fate: Fate) {
        let counter = match fate {
            Fate::Delivered => &self.delivered,
            Fate::Dropped(DropReason::QueueFull) => &self.queue_full,
            Fate::Dropped(DropReason::Rejected) => &self.rejected,
            Fate::Dropped(DropReason::ExportFailed) => &self.export_failed,
            Fate::Dropped(DropReason::Shutdown) => &self.shutdown,
        };
        counter.fetch_add(1, Ordering::Release);
    }

    pub(super) fn stats(&self) -> SpanStats {
        let dropped = Dropped {
            queue_full: self.queue_full.load(Ordering::Acquire),
            rejected: self.rejected.load(Ordering::Acquire),
            export_failed: self.export_failed.load(Ordering::Acquire),
            shutdown: self.shutdown.load(Ordering::Acquire),
        };
        let delivered = self.delivered.load(Ordering::Acquire);
        // Read last: a span is created before it settles, so this is never too small.
        let created = self.created.load(Ordering::Relaxed);
        SpanStats {
            created,
            delivered,
            queued: created.saturating_sub(delivered + dropped.total()),
            dropped,
        }
    }
}
