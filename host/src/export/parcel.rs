//! A span between its end and its settlement.

use std::ops::Deref;
use std::sync::Arc;

use bytes::Bytes;

use super::account::{DropReason, Fate};
use super::lane::Share;
use super::origin::Origin;
use super::project::Project;
use super::queue::Queue;
use super::replay::Round;
use super::ticket::Ticket;

/// A span as it waits.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) project: Arc<Project>,
    pub(super) session: Option<Arc<str>>,
    /// Who sent it, where that was not this process.
    pub(super) origin: Option<Arc<Origin>>,
    pub(super) bytes: SpanBytes,
    /// Who wants to know what becomes of it.
    pub(super) ticket: Option<Arc<Ticket>>,
}

/// An OTLP `Span` message.
#[derive(Debug)]
pub(super) enum SpanBytes {
    /// Made here.
    Own(Vec<u8>),
    /// A part of a buffer that others have parts of.
    Shared(Bytes),
}

impl SpanBytes {
    /// The bytes, to be kept by somebody else as well.
    pub(super) fn to_bytes(&self) -> Bytes {
        match self {
            Self::Own(bytes) => Bytes::copy_from_slice(bytes),
            Self::Shared(bytes) => bytes.clone(),
        }
    }
}

impl Deref for SpanBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Own(bytes) => bytes,
            Self::Shared(bytes) => bytes,
        }
    }
}

/// Where a span is while it is under way.
#[derive(Debug)]
pub(super) enum Seat {
    /// In the queue.
    Queue(Arc<Share>),
    /// On the way to disk, the queue having had no room.
    Spill(Arc<Share>),
    /// On disk; this is a copy. The numbers are the record's in the round and its own in there.
    Disk(Arc<Round>, usize, usize),
}

/// A span in the hands of the export thread. Dropping it settles it, so none can disappear.
#[derive(Debug)]
pub(super) struct Parcel {
    pub(super) span: Outgoing,
    pub(super) number: u64,
    pub(super) seat: Seat,
    queue: Arc<Queue>,
    fate: Option<Fate>,
}

impl Parcel {
    pub(super) fn new(span: Outgoing, number: u64, seat: Seat, queue: &Arc<Queue>) -> Self {
        Self {
            span,
            number,
            seat,
            queue: Arc::clone(queue),
            fate: None,
        }
    }

    /// Ends its way.
    pub(super) fn settle(mut self, fate: Fate) {
        self.fate = Some(fate);
    }

    /// Whether it is a copy of what lies on disk: let go, it lies there still.
    pub(super) fn is_on_disk(&self) -> bool {
        matches!(self.seat, Seat::Disk(..))
    }
}

impl Drop for Parcel {
    fn drop(&mut self) {
        if let Seat::Disk(round, record, index) = &self.seat {
            if let Some(fate) = self.fate {
                round.settled(*record, *index);
                self.span.project.account().unspooled(fate, 1);
                self.queue.account.unspooled(fate, 1);
            }
            return;
        }
        let fate = self.fate.unwrap_or_else(|| {
            Fate::Dropped(if self.queue.is_abandoned() {
                DropReason::Shutdown
            } else {
                DropReason::ExportFailed
            })
        });
        // Whoever hears of it finds it in the books.
        self.span.project.account().settled(fate);
        self.queue.account.settled(fate);
        if let Some(ticket) = self.span.ticket.take() {
            ticket.settled(fate);
        }
        self.queue.settled(self, fate);
    }
}
