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

mod admission;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::account::{Account, Fate};
use super::flush::Flushes;
use super::lane::{Held, Lanes};
use super::ledger::Ledger;
use super::packed::PackedSpans;
use super::parcel::{Outgoing, Parcel, Seat};
use super::spool::SpoolHealth;

pub(super) use admission::IngestRefusal;

/// The most bytes of spans that are not settled yet.
const MAX_BYTES: usize = 64 * 1_024 * 1_024;

/// From so many waiting tenants on, a full batch waits for more spans of each: what a request says
/// once for each tenant is then shared by more of them.
const MANY_TENANTS: usize = 16;
/// How many spans of each tenant, on average, it waits for.
const GATHERED: usize = 8;
/// It does not wait once this part of the queue does: a half.
const GATHERED_PART: usize = 2;

/// Which part of the queue has to leave until whoever waits for room is woken: one that is woken
/// for each span sleeps again after each.
const WAKE_PART: usize = 16;
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
    /// Whether the export thread was told since it looked last.
    told: bool,
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
        state.told = false;
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
        let mut state = self.lock();
        // Whether a batch is taken next or not: what spills from now on has to be heard of.
        state.told = false;
        let spill = std::mem::take(&mut state.spill);
        drop(state);
        self.parcels(spill, &Seat::Spill)
    }

    fn parcels(self: &Arc<Self>, spans: Vec<Outgoing>, seat: &Seat) -> Vec<Parcel> {
        let parcels = spans.into_iter();
        parcels
            .map(|content| Parcel::new(content, seat.clone(), self))
            .collect()
    }

    /// So many empty buffers for spans.
    pub(super) fn buffers(&self, count: usize) -> Vec<PackedSpans> {
        let mut state = self.lock();
        (0..count).map(|_| state.lanes.buffer()).collect()
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
    fn announce(&self, mut state: MutexGuard<'_, State>, was_empty: bool) {
        let wake =
            was_empty || state.urgent || !state.spill.is_empty() || self.batch_is_full(&state);
        let tell = wake && !std::mem::replace(&mut state.told, wake);
        drop(state);
        if tell {
            self.arrival.notify_one();
        }
    }

    fn hurry(&self, mut state: MutexGuard<'_, State>) {
        state.urgent |= state.lanes.waiting().spans > 0;
        drop(state);
        self.arrival.notify_one();
    }

    /// Gives the room of spans back, and tells the flushes. Their bytes are no longer there then.
    pub(super) fn settled(&self, parcels: &mut [Parcel], fate: Fate) {
        // Flushes begin on the thread that settles spans: there is none later.
        let told: Vec<_> = if self.flushes.are_under_way() {
            let told = parcels.iter().map(|parcel| {
                let content = &parcel.content;
                (content.epoch, Arc::clone(&content.project), parcel.len())
            });
            told.collect()
        } else {
            Vec::new()
        };
        let mut state = self.lock();
        for Parcel { content, seat, .. } in parcels {
            state.left += content.spans.len();
            state.lanes.release(content, seat);
        }
        let tell = state.left > self.bounds.spans / WAKE_PART || state.lanes.queued().spans == 0;
        if tell {
            state.left = 0;
        }
        let threads_wait = state.waiting_for_room > 0;
        drop(state);
        for (epoch, project, spans) in told {
            self.flushes
                .settled(epoch, project.tenant_id(), fate, spans as u64);
        }
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
