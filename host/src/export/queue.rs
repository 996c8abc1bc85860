//! Where ended spans wait, and where each is accounted for.
//!
//! Two bounds hold together, a number of spans and a number of bytes, over everything that is
//! not settled yet: what waits, and what is in a request that is not answered. So a backend that
//! does not answer costs a known amount of memory, and a span leaves the books only by one door,
//! [`Parcel::settle`], or by being dropped.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::account::{Account, DropReason, Fate};
use super::flush::Flushes;
use super::span::EndedSpan;

/// The most bytes of spans that are not settled yet.
const MAX_BYTES: usize = 64 * 1_024 * 1_024;

/// How much the queue takes, and how much of it makes a batch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// The most spans that are not settled yet.
    pub(super) spans: usize,
    /// How many waiting spans make a batch.
    pub(super) batch_spans: usize,
    /// How many waiting bytes make a batch.
    pub(super) batch_bytes: usize,
}

/// Dropped when a span is settled, whatever became of it: the sign that a synchronous ender
/// waits for.
pub(super) type Settled = SyncSender<()>;

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
    unsettled_spans: AtomicUsize,
    unsettled_bytes: AtomicUsize,
    /// Set when what is still unsettled is given up.
    abandoned: AtomicBool,
    pub(super) account: Account,
    pub(super) flushes: Flushes,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Waiting>,
    bytes: usize,
    next: u64,
    urgent: bool,
    closed: bool,
}

#[derive(Debug)]
struct Waiting {
    span: EndedSpan,
    number: u64,
    settled: Option<Settled>,
}

impl Queue {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            state: Mutex::default(),
            room: Condvar::new(),
            waiting_for_room: AtomicUsize::new(0),
            arrival: Notify::new(),
            unsettled_spans: AtomicUsize::new(0),
            unsettled_bytes: AtomicUsize::new(0),
            abandoned: AtomicBool::new(false),
            account: Account::default(),
            flushes: Flushes::default(),
        }
    }

    /// Takes a span in, or says why not; either way it is counted. Waits up to `patience` for
    /// room. A span with `settled` is sent at once.
    pub(super) fn push(
        &self,
        span: EndedSpan,
        settled: Option<Settled>,
        patience: Duration,
    ) -> Result<(), DropReason> {
        let bytes = span.bytes.len();
        span.project.account.created();
        self.account.created();
        let mut state = self.lock();
        if !self.has_room(bytes) && !patience.is_zero() {
            state = self.wait_for_room(state, bytes, patience);
        }
        let refusal = if state.closed {
            Some(DropReason::Shutdown)
        } else if !self.has_room(bytes) {
            Some(DropReason::QueueFull)
        } else {
            None
        };
        if let Some(reason) = refusal {
            drop(state);
            span.project.account.settled(Fate::Dropped(reason));
            self.account.settled(Fate::Dropped(reason));
            return Err(reason);
        }

        self.unsettled_spans.fetch_add(1, Ordering::SeqCst);
        self.unsettled_bytes.fetch_add(bytes, Ordering::SeqCst);
        state.urgent |= settled.is_some();
        state.bytes += bytes;
        let number = state.next;
        state.next += 1;
        state.waiting.push_back(Waiting {
            span,
            number,
            settled,
        });
        let first = state.waiting.len() == 1;
        let due = state.urgent || self.batch_is_full(&state);
        drop(state);
        if first || due {
            self.arrival.notify_one();
        }
        Ok(())
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
        while !self.take(true).is_empty() {}
    }

    /// Waits until there may be something to take.
    pub(super) async fn arrival(&self) {
        self.arrival.notified().await;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lock().waiting.is_empty()
    }

    /// The next batch, if one is full, or urgent, or all that waits is wanted.
    pub(super) fn take(self: &Arc<Self>, all: bool) -> Vec<Parcel> {
        let mut state = self.lock();
        if !(all || state.urgent || self.batch_is_full(&state)) {
            return Vec::new();
        }
        let mut batch = Vec::with_capacity(state.waiting.len().min(self.bounds.batch_spans));
        let mut bytes = 0;
        while batch.len() < self.bounds.batch_spans {
            let Some(next) = state.waiting.front() else {
                break;
            };
            let len = next.span.bytes.len();
            if !batch.is_empty() && bytes + len > self.bounds.batch_bytes {
                break;
            }
            bytes += len;
            if let Some(waiting) = state.waiting.pop_front() {
                batch.push(Parcel {
                    span: waiting.span,
                    number: waiting.number,
                    queue: Arc::clone(self),
                    fate: None,
                    _settled: waiting.settled,
                });
            }
        }
        state.bytes -= bytes;
        state.urgent &= !state.waiting.is_empty();
        batch
    }

    /// The number of the next span, and how many before it are not settled.
    pub(super) fn position(&self) -> (u64, u64) {
        let state = self.lock();
        (state.next, self.unsettled())
    }

    pub(super) fn unsettled(&self) -> u64 {
        self.unsettled_spans.load(Ordering::SeqCst) as u64
    }

    fn has_room(&self, bytes: usize) -> bool {
        self.unsettled_spans.load(Ordering::SeqCst) < self.bounds.spans
            && self.unsettled_bytes.load(Ordering::SeqCst) + bytes <= MAX_BYTES
    }

    fn batch_is_full(&self, state: &State) -> bool {
        state.waiting.len() >= self.bounds.batch_spans || state.bytes >= self.bounds.batch_bytes
    }

    fn wait_for_room<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        bytes: usize,
        patience: Duration,
    ) -> MutexGuard<'a, State> {
        let deadline = Instant::now() + patience;
        self.waiting_for_room.fetch_add(1, Ordering::SeqCst);
        // Whoever waits for room waits for what is in the way.
        state.urgent = !state.waiting.is_empty();
        self.arrival.notify_one();
        while !state.closed && !self.has_room(bytes) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            state = self
                .room
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        self.waiting_for_room.fetch_sub(1, Ordering::SeqCst);
        state
    }

    fn settled(&self, number: u64, bytes: usize, fate: Fate) {
        self.account.settled(fate);
        self.unsettled_spans.fetch_sub(1, Ordering::SeqCst);
        self.unsettled_bytes.fetch_sub(bytes, Ordering::SeqCst);
        self.flushes.settled(number, fate);
        // Both sides change their number before they read the other's, so one of them sees it.
        if self.waiting_for_room.load(Ordering::SeqCst) > 0 {
            drop(self.lock());
            self.room.notify_all();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A span in the hands of the export thread. Dropping it counts it as lost, so none can
/// disappear.
#[derive(Debug)]
pub(super) struct Parcel {
    pub(super) span: EndedSpan,
    number: u64,
    queue: Arc<Queue>,
    fate: Option<Fate>,
    _settled: Option<Settled>,
}

impl Parcel {
    /// Ends its way.
    pub(super) fn settle(mut self, fate: Fate) {
        self.fate = Some(fate);
    }
}

impl Drop for Parcel {
    fn drop(&mut self) {
        let fate = self.fate.unwrap_or_else(|| {
            Fate::Dropped(if self.queue.abandoned.load(Ordering::SeqCst) {
                DropReason::Shutdown
            } else {
                DropReason::ExportFailed
            })
        });
        self.span.project.account.settled(fate);
        self.queue.settled(self.number, self.span.bytes.len(), fate);
    }
}
