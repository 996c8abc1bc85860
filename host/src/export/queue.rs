//! Where ended spans wait, and where each is accounted for.
//!
//! Two bounds hold together, a number of spans and a number of bytes, over everything that is
//! not settled yet: what waits, and what is in a request that is not answered. So a backend that
//! does not answer costs a known amount of memory, and a span leaves the books only by one door,
//! [`Parcel::settle`], or by being dropped. Where a spool is there to take them, spans that find
//! no room *spill*: they wait, within a bound of their own, to be written to disk.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::account::{Account, DropReason, Fate};
use super::flush::Flushes;
use super::lane::{Holding, Lanes, Share, Waiting};
use super::ledger::Ledger;
use super::parcel::{Outgoing, Parcel, Seat};
use super::spool::SpoolHealth;

/// The most bytes of spans that are not settled yet.
const MAX_BYTES: usize = 64 * 1_024 * 1_024;
/// The most bytes of spans that found no room and are not on disk yet.
const MAX_SPILLED_BYTES: usize = 16 * 1_024 * 1_024;

/// How many spans leave until whoever waits for room is woken: one that is woken for each sleeps
/// again after each.
const WAKE_EVERY: usize = 64;
/// How soon they look by themselves.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// How much the queue takes, and how much of it makes a batch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// The most spans that are not settled yet.
    pub(super) spans: usize,
    /// How many waiting spans make a batch.
    pub(super) batch_spans: usize,
    /// How many waiting bytes make a batch.
    pub(super) batch_bytes: usize,
    /// Whether spans that find no room spill.
    pub(super) spills: bool,
}

/// Why spans were not taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum IngestRefusal {
    /// Not now.
    Full,
    /// Never again.
    Closed,
    /// Never, so many at once.
    TooLarge,
}

/// The queue between the application's threads and the export thread.
#[derive(Debug)]
pub(super) struct Queue {
    bounds: Bounds,
    state: Mutex<State>,
    /// Told when room was made while somebody waits for it.
    room: Condvar,
    waiting_for_room: AtomicUsize,
    /// Told when the export thread should have a look.
    arrival: Notify,
    held: Holding,
    spilled: Holding,
    /// Set when what is still unsettled is given up.
    abandoned: AtomicBool,
    pub(super) account: Account,
    pub(super) ledger: Ledger,
    pub(super) flushes: Flushes,
    /// How the spool is, where there is one.
    pub(super) spool: SpoolHealth,
}

#[derive(Debug, Default)]
struct State {
    lanes: Lanes,
    spill: Vec<Waiting>,
    next: u64,
    urgent: bool,
    closed: bool,
}

/// What there is to know of the queue at a moment.
pub(super) struct Position {
    /// The number of the next span.
    pub(super) next: u64,
    /// How many before it are not settled, by tenant.
    pub(super) unsettled: BTreeMap<String, u64>,
}

impl Queue {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            state: Mutex::default(),
            room: Condvar::new(),
            waiting_for_room: AtomicUsize::new(0),
            arrival: Notify::new(),
            held: Holding::default(),
            spilled: Holding::default(),
            abandoned: AtomicBool::new(false),
            account: Account::default(),
            ledger: Ledger::new(),
            flushes: Flushes::default(),
            spool: SpoolHealth::default(),
        }
    }

    /// Takes a span in, or says why not; either way it is counted. Waits up to `patience` for
    /// room. An urgent span is sent at once.
    pub(super) fn push(
        &self,
        span: Outgoing,
        urgent: bool,
        patience: Duration,
    ) -> Result<(), DropReason> {
        let bytes = span.bytes.len();
        self.ledger.account(&span.project).created(1);
        self.account.created(1);
        let mut state = self.lock();
        let share = state.lanes.share(&span.project);
        if !self.has_room(&share, 1, bytes) && !self.bounds.spills && !patience.is_zero() {
            state = self.wait_for_room(state, &share, bytes, patience);
        }
        let reason = if state.closed {
            DropReason::Shutdown
        } else if self.has_room(&share, 1, bytes) {
            self.admit(state, &share, std::iter::once(span), bytes, urgent);
            return Ok(());
        } else if self.may_spill(bytes) {
            self.spill(state, &share, std::iter::once(span), bytes);
            return Ok(());
        } else {
            // What is in the way need not wait for its batch to fill.
            self.hurry(state);
            DropReason::QueueFull
        };
        span.project.account().settled(Fate::Dropped(reason));
        self.account.settled(Fate::Dropped(reason));
        Err(reason)
    }

    /// Takes spans of one project in, all or none, and never waits. Those that are refused are
    /// not counted: whoever brought them has them still.
    pub(super) fn push_all(&self, spans: Vec<Outgoing>) -> Result<(), IngestRefusal> {
        let Some(first) = spans.first() else {
            return Ok(());
        };
        let count = spans.len();
        let bytes = spans.iter().map(|span| span.bytes.len()).sum();
        let account = Arc::clone(self.ledger.account(&first.project));
        let mut state = self.lock();
        if state.closed {
            return Err(IngestRefusal::Closed);
        }
        let share = state.lanes.share(&first.project);
        let fits = self.has_room(&share, count, bytes);
        if !fits && !self.may_spill(bytes) {
            let empty = Share::of_nobody();
            let ever = empty.allows(count, bytes, (self.bounds.spans, MAX_BYTES))
                || (self.bounds.spills && bytes <= MAX_SPILLED_BYTES);
            self.hurry(state);
            return Err(if ever {
                IngestRefusal::Full
            } else {
                IngestRefusal::TooLarge
            });
        }
        account.created(count as u64);
        self.account.created(count as u64);
        if fits {
            self.admit(state, &share, spans.into_iter(), bytes, false);
        } else {
            self.spill(state, &share, spans.into_iter(), bytes);
        }
        Ok(())
    }

    fn admit(
        &self,
        mut state: MutexGuard<'_, State>,
        share: &Arc<Share>,
        spans: impl ExactSizeIterator<Item = Outgoing>,
        bytes: usize,
        urgent: bool,
    ) {
        let count = spans.len();
        self.held.add(count, bytes);
        share.queued.add(count, bytes);
        state.urgent |= urgent;
        let first = state.lanes.spans() == 0;
        for span in spans {
            let waiting = state.number(span, share);
            state.lanes.push(waiting);
        }
        let due = state.urgent || self.batch_is_full(&state);
        drop(state);
        if first || due {
            self.arrival.notify_one();
        }
    }

    fn spill(
        &self,
        mut state: MutexGuard<'_, State>,
        share: &Arc<Share>,
        spans: impl ExactSizeIterator<Item = Outgoing>,
        bytes: usize,
    ) {
        let count = spans.len();
        self.spilled.add(count, bytes);
        share.spilled.add(count, bytes);
        for span in spans {
            let waiting = state.number(span, share);
            state.spill.push(waiting);
        }
        drop(state);
        self.arrival.notify_one();
    }

    /// Refuses every span from now on. Says whether this call did it.
    pub(super) fn close(&self) -> bool {
        let first = !std::mem::replace(&mut self.lock().closed, true);
        self.room.notify_all();
        first
    }

    /// Gives up what is not settled yet: it counts as dropped by the shutdown, what waits at
    /// once and the rest when it is let go.
    pub(super) fn abandon(self: &Arc<Self>) {
        self.abandoned.store(true, Ordering::SeqCst);
        self.take_spill();
        while !self.take(true).is_empty() {}
    }

    pub(super) fn is_abandoned(&self) -> bool {
        self.abandoned.load(Ordering::SeqCst)
    }

    /// Waits until there may be something to take.
    pub(super) async fn arrival(&self) {
        self.arrival.notified().await;
    }

    /// Makes the export thread have a look.
    pub(super) fn wake(&self) {
        self.arrival.notify_one();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lock().lanes.spans() == 0
    }

    /// The next batch, if one is full, or urgent, or all that waits is wanted.
    pub(super) fn take(self: &Arc<Self>, all: bool) -> Vec<Parcel> {
        let mut state = self.lock();
        if !(all || state.urgent || self.batch_is_full(&state)) {
            return Vec::new();
        }
        let Bounds {
            batch_spans,
            batch_bytes,
            ..
        } = self.bounds;
        let batch = state.lanes.take(batch_spans, batch_bytes);
        state.urgent &= state.lanes.spans() > 0;
        drop(state);
        let parcel = |waiting: Waiting| {
            let seat = Seat::Queue(waiting.share);
            Parcel::new(waiting.span, waiting.number, seat, self)
        };
        batch.into_iter().map(parcel).collect()
    }

    /// What has to be written to disk because there was no room for it.
    pub(super) fn take_spill(self: &Arc<Self>) -> Vec<Parcel> {
        let spill = std::mem::take(&mut self.lock().spill);
        let parcel = |waiting: Waiting| {
            let seat = Seat::Spill(waiting.share);
            Parcel::new(waiting.span, waiting.number, seat, self)
        };
        spill.into_iter().map(parcel).collect()
    }

    pub(super) fn position(&self) -> Position {
        let state = self.lock();
        Position {
            next: state.next,
            unsettled: state.lanes.unsettled(),
        }
    }

    pub(super) fn unsettled(&self) -> u64 {
        (self.held.spans() + self.spilled.spans()) as u64
    }

    fn has_room(&self, share: &Share, spans: usize, bytes: usize) -> bool {
        let free_spans = self.bounds.spans.saturating_sub(self.held.spans());
        let free_bytes = MAX_BYTES.saturating_sub(self.held.bytes());
        share.allows(spans, bytes, (free_spans, free_bytes))
    }

    fn may_spill(&self, bytes: usize) -> bool {
        self.bounds.spills && self.spilled.bytes() + bytes <= MAX_SPILLED_BYTES
    }

    fn batch_is_full(&self, state: &State) -> bool {
        state.lanes.spans() >= self.bounds.batch_spans
            || state.lanes.bytes() >= self.bounds.batch_bytes
    }

    fn hurry(&self, mut state: MutexGuard<'_, State>) {
        state.urgent |= state.lanes.spans() > 0;
        drop(state);
        self.arrival.notify_one();
    }

    fn wait_for_room<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        share: &Share,
        bytes: usize,
        patience: Duration,
    ) -> MutexGuard<'a, State> {
        let deadline = Instant::now() + patience;
        self.waiting_for_room.fetch_add(1, Ordering::SeqCst);
        // Whoever waits for room waits for what is in the way.
        state.urgent |= state.lanes.spans() > 0;
        self.arrival.notify_one();
        while !state.closed && !self.has_room(share, 1, bytes) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            state = self
                .room
                .wait_timeout(state, left.min(LOOK_EVERY))
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        self.waiting_for_room.fetch_sub(1, Ordering::SeqCst);
        state
    }

    /// Gives the room of a parcel back, and tells the flushes.
    pub(super) fn settled(&self, parcel: &Parcel, fate: Fate) {
        let bytes = parcel.span.bytes.len();
        let share = match &parcel.seat {
            Seat::Queue(share) => {
                self.held.remove(bytes);
                share.queued.remove(bytes);
                share
            }
            Seat::Spill(share) => {
                self.spilled.remove(bytes);
                share.spilled.remove(bytes);
                share
            }
            Seat::Disk(..) => return,
        };
        self.flushes.settled(parcel.number, &share.tenant, fate);
        // Both sides change their number before they read the other's, so one of them sees it.
        if self.waiting_for_room.load(Ordering::SeqCst) > 0
            && self.held.spans().is_multiple_of(WAKE_EVERY)
        {
            drop(self.lock());
            self.room.notify_all();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn number(&mut self, span: Outgoing, share: &Arc<Share>) -> Waiting {
        let number = self.next;
        self.next += 1;
        Waiting {
            span,
            number,
            share: Arc::clone(share),
        }
    }
}
