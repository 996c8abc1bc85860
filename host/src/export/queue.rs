//! Where ended spans wait, and where each is accounted for.
//!
//! Two bounds hold together, a number of spans and a number of bytes, over everything that is
//! not settled yet: what waits, and what is in a request that is not answered. So a backend that
//! does not answer costs a known amount of memory, and a span leaves the books only by one door,
//! [`Parcel::settle`], or by being dropped. Where a spool is there to take them, spans that find
//! no room *spill*: they wait, within a bound of their own, to be written to disk.
//!
//! A span that ends is copied behind the others of its project ([`super::lane`]); from then on
//! everything is done to all of them at once.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::time::timeout_at;

use super::account::{Account, DropReason, Fate};
use super::flush::Flushes;
use super::lane::{Held, Lanes};
use super::ledger::Ledger;
use super::parcel::{Outgoing, Parcel, Seat};
use super::project::Project;
use super::span::EndedSpan;
use super::spool::SpoolHealth;
use super::ticket::Ticket;

/// The most bytes of spans that are not settled yet.
const MAX_BYTES: usize = 64 * 1_024 * 1_024;
/// The most bytes of spans that found no room and are not on disk yet.
const MAX_SPILLED_BYTES: usize = 16 * 1_024 * 1_024;

/// From so many waiting tenants on, a full batch waits for more spans of each: what a request says
/// once for each tenant is then shared by more of them.
const MANY_TENANTS: usize = 16;
/// How many spans of each tenant, on average, it waits for.
const GATHERED: usize = 8;
/// It does not wait once this part of the queue does: a quarter.
const GATHERED_PART: usize = 4;

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

/// Why a span was not taken in, and whose it was.
pub(super) type Refused = (DropReason, Arc<Project>);

/// The queue between the application's threads and the export thread.
#[derive(Debug)]
pub(super) struct Queue {
    bounds: Bounds,
    state: Mutex<State>,
    /// Told when room was made, to threads that wait for it and to tasks that do.
    room: Condvar,
    room_for_tasks: Notify,
    /// Told when the export thread should have a look.
    arrival: Notify,
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
    spill: Vec<Outgoing>,
    /// How many flushes have begun.
    epoch: u64,
    urgent: bool,
    closed: bool,
    waiting_for_room: usize,
    /// How many spans have left since somebody who waits for room was told.
    left: usize,
}

/// What there is to know of the queue when a flush begins.
pub(super) struct Position {
    /// The epoch that begins with it.
    pub(super) epoch: u64,
    /// How many spans of before are not settled, by tenant.
    pub(super) unsettled: BTreeMap<String, u64>,
}

impl Queue {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            state: Mutex::default(),
            room: Condvar::new(),
            room_for_tasks: Notify::new(),
            arrival: Notify::new(),
            abandoned: AtomicBool::new(false),
            account: Account::default(),
            ledger: Ledger::new(),
            flushes: Flushes::default(),
            spool: SpoolHealth::default(),
        }
    }

    /// Takes a span in, or says why not; either way it is counted. Waits up to `patience` for
    /// room. One with a ticket, for which somebody waits, is sent at once.
    pub(super) fn push(
        &self,
        span: EndedSpan,
        ticket: Option<Arc<Ticket>>,
        patience: Duration,
    ) -> Result<(), Refused> {
        let more = Held {
            spans: 1,
            bytes: span.bytes.len(),
        };
        let account = Arc::clone(self.ledger.account(&span.project));
        account.created(1);
        self.account.created(1);
        let mut state = self.lock();
        let has_room = |state: &State| {
            let held = state.lanes.queued_of(&span.project);
            held.allows(more, self.free(state))
        };
        let mut fits = has_room(&state);
        if !fits && !self.bounds.spills && !patience.is_zero() {
            state = self.wait_for_room(state, patience, &has_room);
            fits = has_room(&state);
        }
        let reason = if state.closed {
            DropReason::Shutdown
        } else if fits {
            let was_empty = state.lanes.waiting().spans == 0;
            state.urgent |= ticket.is_some();
            let epoch = state.epoch;
            match ticket {
                None => state.lanes.push_span(span, epoch),
                ticket => state
                    .lanes
                    .push(span.into_outgoing(more.bytes, epoch, ticket)),
            }
            self.announce(state, was_empty);
            return Ok(());
        } else if self.may_spill(&state, more.bytes) {
            let content = span.into_outgoing(more.bytes, state.epoch, ticket);
            state.lanes.spill(&content);
            state.spill.push(content);
            drop(state);
            self.arrival.notify_one();
            return Ok(());
        } else {
            // What is in the way need not wait for its batch to fill.
            self.hurry(state);
            DropReason::QueueFull
        };
        account.settled(Fate::Dropped(reason), 1);
        self.account.settled(Fate::Dropped(reason), 1);
        Err((reason, span.project))
    }

    /// Takes spans in, all or none, and never waits. Those that are refused are not counted:
    /// whoever brought them has them still, and gets them back.
    pub(super) fn push_all(
        &self,
        spans: Vec<Outgoing>,
    ) -> Result<(), (IngestRefusal, Vec<Outgoing>)> {
        for content in &spans {
            self.ledger.account(&content.project);
        }
        let mut state = self.lock();
        if state.closed {
            return Err((IngestRefusal::Closed, spans));
        }
        let free = self.free(&state);
        let spilled = state.lanes.spilled().bytes;
        let Some(seats) = self.seats(&spans, free, spilled, |of| {
            state.lanes.queued_of(&of.project)
        }) else {
            let empty = self.seats(&spans, self.all(), 0, |_| Held::default());
            self.hurry(state);
            let refusal = match empty {
                Some(_) => IngestRefusal::Full,
                None => IngestRefusal::TooLarge,
            };
            return Err((refusal, spans));
        };
        let was_empty = state.lanes.waiting().spans == 0;
        for (mut content, seat) in spans.into_iter().zip(seats) {
            let count = content.spans.len() as u64;
            content.project.account().created(count);
            self.account.created(count);
            content.epoch = state.epoch;
            if matches!(seat, Seat::Queue) {
                state.lanes.push(content);
            } else {
                state.lanes.spill(&content);
                state.spill.push(content);
            }
        }
        self.announce(state, was_empty);
        Ok(())
    }

    /// [`push_all`](Self::push_all) that waits for room until the deadline.
    pub(super) async fn push_all_by(
        &self,
        mut spans: Vec<Outgoing>,
        deadline: tokio::time::Instant,
    ) -> Result<(), IngestRefusal> {
        loop {
            let mut room = std::pin::pin!(self.room_for_tasks.notified());
            // From now on: what leaves before the next line is heard of too.
            room.as_mut().enable();
            match self.push_all(spans) {
                Err((IngestRefusal::Full, back)) => spans = back,
                Err((refusal, _)) => return Err(refusal),
                Ok(()) => return Ok(()),
            }
            let now = tokio::time::Instant::now();
            if now >= deadline {
                return Err(IngestRefusal::Full);
            }
            let _ = timeout_at(deadline.min(now + LOOK_EVERY), room).await;
        }
    }

    /// Where each of these finds a place, if all of them do.
    fn seats(
        &self,
        spans: &[Outgoing],
        mut free: Held,
        mut spilled: usize,
        queued_of: impl Fn(&Outgoing) -> Held,
    ) -> Option<Vec<Seat>> {
        let mut tenants = HashMap::new();
        let seats = spans.iter().map(|content| {
            let key = content.project.tenant_key();
            let held = tenants.entry(key).or_insert_with(|| queued_of(content));
            let more = Held::of(content);
            if held.allows(more, free) {
                held.add(more);
                free.remove(more);
                Some(Seat::Queue)
            } else if self.bounds.spills && spilled + more.bytes <= MAX_SPILLED_BYTES {
                spilled += more.bytes;
                Some(Seat::Spill)
            } else {
                None
            }
        });
        seats.collect()
    }

    /// Refuses every span from now on. Says whether this call did it.
    pub(super) fn close(&self) -> bool {
        let first = !std::mem::replace(&mut self.lock().closed, true);
        self.room.notify_all();
        self.room_for_tasks.notify_waiters();
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
        self.lock().lanes.waiting().spans == 0
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
        state.urgent &= state.lanes.waiting().spans > 0;
        drop(state);
        self.parcels(batch, &Seat::Queue)
    }

    /// What has to be written to disk because there was no room for it.
    pub(super) fn take_spill(self: &Arc<Self>) -> Vec<Parcel> {
        let spill = std::mem::take(&mut self.lock().spill);
        self.parcels(spill, &Seat::Spill)
    }

    fn parcels(self: &Arc<Self>, spans: Vec<Outgoing>, seat: &Seat) -> Vec<Parcel> {
        let parcels = spans.into_iter();
        parcels
            .map(|content| Parcel::new(content, seat.clone(), self))
            .collect()
    }

    /// Where a flush begins: spans that end from now on are of another epoch.
    pub(super) fn position(&self) -> Position {
        let mut state = self.lock();
        state.epoch += 1;
        Position {
            epoch: state.epoch,
            unsettled: state.lanes.unsettled(),
        }
    }

    pub(super) fn unsettled(&self) -> u64 {
        let state = self.lock();
        (state.lanes.queued().spans + state.lanes.spilled().spans) as u64
    }

    /// What there is room for while nothing is held.
    fn all(&self) -> Held {
        Held {
            spans: self.bounds.spans,
            bytes: MAX_BYTES,
        }
    }

    fn free(&self, state: &State) -> Held {
        let mut free = self.all();
        free.remove(state.lanes.queued());
        free
    }

    fn may_spill(&self, state: &State, bytes: usize) -> bool {
        self.bounds.spills && state.lanes.spilled().bytes + bytes <= MAX_SPILLED_BYTES
    }

    fn batch_is_full(&self, state: &State) -> bool {
        let waiting = state.lanes.waiting();
        let gathered = match state.lanes.tenants_waiting() {
            ..MANY_TENANTS => 0,
            tenants => (GATHERED * tenants).min(self.bounds.spans / GATHERED_PART),
        };
        waiting.spans >= self.bounds.batch_spans.max(gathered)
            || waiting.bytes >= self.bounds.batch_bytes
    }

    /// Tells the export thread of spans that came in, if it has to know.
    fn announce(&self, state: MutexGuard<'_, State>, was_empty: bool) {
        let wake =
            was_empty || state.urgent || !state.spill.is_empty() || self.batch_is_full(&state);
        drop(state);
        if wake {
            self.arrival.notify_one();
        }
    }

    fn hurry(&self, mut state: MutexGuard<'_, State>) {
        state.urgent |= state.lanes.waiting().spans > 0;
        drop(state);
        self.arrival.notify_one();
    }

    fn wait_for_room<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        patience: Duration,
        has_room: &impl Fn(&State) -> bool,
    ) -> MutexGuard<'a, State> {
        let deadline = Instant::now() + patience;
        state.waiting_for_room += 1;
        // Whoever waits for room waits for what is in the way.
        state.urgent |= state.lanes.waiting().spans > 0;
        self.arrival.notify_one();
        while !state.closed && !has_room(&state) {
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
        state.waiting_for_room -= 1;
        state
    }

    /// Gives the room of spans back, and tells the flushes.
    pub(super) fn settled(&self, content: &Outgoing, seat: &Seat, fate: Fate) {
        let spans = content.spans.len();
        let mut state = self.lock();
        state.lanes.release(content, seat);
        state.left += spans;
        let tell = state.left >= WAKE_EVERY || state.lanes.queued().spans == 0;
        if tell {
            state.left = 0;
        }
        let threads_wait = state.waiting_for_room > 0;
        drop(state);
        let tenant = content.project.tenant_id();
        self.flushes
            .settled(content.epoch, tenant, fate, spans as u64);
        if tell {
            self.room_for_tasks.notify_waiters();
            if threads_wait {
                self.room.notify_all();
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
