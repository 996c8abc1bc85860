//! Spans between their end and their settlement.

use std::hash::BuildHasher;
use std::sync::Arc;

use rustc_hash::FxBuildHasher;

use super::account::{DropReason, Fate};
use super::origin::Origin;
use super::packed::PackedSpans;
use super::project::Project;
use super::queue::Queue;
use super::replay::Round;
use super::ticket::Ticket;

/// Spans as they wait: of one project, session and origin.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) project: Arc<Project>,
    pub(super) session: Option<Arc<str>>,
    /// Who sent them, where that was not this process.
    pub(super) origin: Option<Arc<Origin>>,
    pub(super) spans: PackedSpans,
    /// Who wants to know what becomes of them.
    pub(super) ticket: Option<Arc<Ticket>>,
    /// How many flushes had begun when they ended: each waits for those of before.
    pub(super) epoch: u64,
}

impl Outgoing {
    /// The spans from this one on, which are no longer here then.
    pub(super) fn split_off(&mut self, at: usize) -> Self {
        Self {
            project: Arc::clone(&self.project),
            session: self.session.clone(),
            origin: self.origin.clone(),
            spans: self.spans.split_off(at),
            ticket: self.ticket.clone(),
            epoch: self.epoch,
        }
    }
}

/// Where spans are while they are under way.
#[derive(Clone, Debug)]
pub(super) enum Seat {
    /// In the queue.
    Queue,
    /// On the way to disk, the queue having had no room.
    Spill,
    /// On disk; these are copies. The numbers are the record's in the round and the first span's
    /// in there.
    Disk(Arc<Round>, usize, usize),
}

/// Spans in the hands of the export thread. Dropping them settles them, so none can disappear.
#[derive(Debug)]
pub(super) struct Parcel {
    pub(super) content: Outgoing,
    pub(super) seat: Seat,
    queue: Arc<Queue>,
    fate: Option<Fate>,
}

impl Parcel {
    pub(super) fn new(content: Outgoing, seat: Seat, queue: &Arc<Queue>) -> Self {
        Self {
            content,
            seat,
            queue: Arc::clone(queue),
            fate: None,
        }
    }

    /// Brings those that are sent alike together, in the order in which they came.
    pub(super) fn sort(parcels: &mut [Self]) {
        parcels.sort_by_cached_key(|parcel| {
            let Outgoing {
                project,
                session,
                origin,
                ..
            } = &parcel.content;
            let origin = origin.as_ref().map(|origin| origin.hash_value());
            let session = session.as_ref().map(|id| FxBuildHasher.hash_one(id));
            (project.id(), origin, session)
        });
    }

    /// Whether their spans are sent alike: they have project, session and origin in common.
    pub(super) fn is_alike(&self, other: &Self) -> bool {
        let (one, other) = (&self.content, &other.content);
        one.project.id() == other.project.id()
            && one.session == other.session
            && one.origin == other.origin
    }

    /// How many spans there are.
    pub(super) fn len(&self) -> usize {
        self.content.spans.len()
    }

    /// How many spans there are in all of these.
    pub(super) fn count<'a>(parcels: impl IntoIterator<Item = &'a Self>) -> usize {
        parcels.into_iter().map(Self::len).sum()
    }

    /// The spans from this one on, which are no longer here then.
    pub(super) fn split_off(&mut self, at: usize) -> Self {
        let mut seat = self.seat.clone();
        if let Seat::Disk(_, _, first) = &mut seat {
            *first += at;
        }
        Self::new(self.content.split_off(at), seat, &self.queue)
    }

    /// Ends their way.
    pub(super) fn settle(mut self, fate: Fate) {
        self.fate = Some(fate);
    }

    /// Ends the way of all of these.
    pub(super) fn settle_all(mut parcels: Vec<Self>, fate: Fate) {
        if parcels.iter().any(Self::is_on_disk) {
            for parcel in parcels {
                parcel.settle(fate);
            }
        } else if let Some(queue) = parcels.first().map(|first| Arc::clone(&first.queue)) {
            Self::leave(&mut parcels, &queue, fate);
        }
    }

    /// Ends the way of each in its own.
    pub(super) fn settle_each(mut self, fate: impl Fn(usize) -> Fate) {
        let mut place = 0;
        while self.len() > 0 {
            let first = fate(place);
            let same = (1..self.len()).find(|next| fate(place + next) != first);
            let same = same.unwrap_or(self.len());
            let rest = self.split_off(same);
            self.settle(first);
            self = rest;
            place += same;
        }
    }

    /// Settles spans in memory, all of them in one turn at the queue.
    fn leave(parcels: &mut [Self], queue: &Queue, fate: Fate) {
        for Self { content, .. } in parcels.iter() {
            let spans = content.spans.len() as u64;
            content.project.account().settled(fate, spans);
        }
        queue
            .account
            .settled(fate, Self::count(parcels.iter()) as u64);
        // Whoever hears of it finds it in the books.
        for Self { content, .. } in parcels.iter_mut() {
            if let Some(ticket) = content.ticket.take() {
                ticket.settled(fate, content.spans.len() as u64);
            }
        }
        queue.settled(parcels, fate);
    }

    /// Whether they are copies of what lies on disk: let go, they lie there still.
    pub(super) fn is_on_disk(&self) -> bool {
        matches!(self.seat, Seat::Disk(..))
    }
}

impl Drop for Parcel {
    fn drop(&mut self) {
        let spans = self.len();
        if spans == 0 {
            return;
        }
        let account = self.content.project.account();
        if let Seat::Disk(round, record, first) = &self.seat {
            if let Some(fate) = self.fate {
                round.settled(*record, *first..*first + spans);
                account.unspooled(fate, spans as u64);
                self.queue.account.unspooled(fate, spans as u64);
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
        let queue = Arc::clone(&self.queue);
        Self::leave(std::slice::from_mut(self), &queue, fate);
    }
}
