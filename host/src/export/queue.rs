//! Where ended spans wait, and where each is accounted for.
//!
//! Two bounds hold together, a number of spans and a number of bytes, over everything that is
//! not settled yet: what waits, and what is in a request that is not answered. So a backend that
//! does not answer costs a known amount of memory, and a span leaves the books only by one door,
//! [`Parcel::settle`], or by being dropped.

use std::collections::VecDeque;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::Notify;

use super::account::{Account, DropReason, Fate};
use super::flush::Flushes;
use super::origin::Origin;
use super::project::Project;
use super::ticket::Ticket;

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

impl Deref for SpanBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Own(bytes) => bytes,
            Self::Shared(bytes) => bytes,
        }
    }
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
    span: Outgoing,
    number: u64,
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
    /// room. An urgent span is sent at once.
    pub(super) fn push(
        &self,
        span: Outgoing,
        urgent: bool,
        patience: Duration,
    ) -> Result<(), DropReason> {
        let bytes = span.bytes.len();
        span.project.account.created(1);
        self.account.created(1);
        let mut state = self.lock();
        if !self.has_room(1, bytes) && !patience.is_zero() {
            state = self.wait_for_room(state, bytes, patience);
        }
        let refusal = if state.closed {
            Some(DropReason::Shutdown)
        } else if !self.has_room(1, bytes) {
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
        self.admit(state, std::iter::once(span), bytes, urgent);
        Ok(())
    }

    /// Takes spans of one project in, all or none, and never waits. Those that are refused are
    /// not counted: whoever brought them has them still.
    pub(super) fn push_all(&self, spans: Vec<Outgoing>) -> Result<(), IngestRefusal> {
        let Some(first) = spans.first() else {
            return Ok(());
        };
        let count = spans.len();
        let bytes = spans.iter().map(|span| span.bytes.len()).sum();
        if count > self.bounds.spans || bytes > MAX_BYTES {
            return Err(IngestRefusal::TooLarge);
        }
        let state = self.lock();
        if state.closed {
            return Err(IngestRefusal::Closed);
        }
        if !self.has_room(count, bytes) {
            return Err(IngestRefusal::Full);
        }
        first.project.account.created(count as u64);
        self.account.created(count as u64);
        self.admit(state, spans.into_iter(), bytes, false);
        Ok(())
    }

    fn admit(
        &self,
        mut state: MutexGuard<'_, State>,
        spans: impl ExactSizeIterator<Item = Outgoing>,
        bytes: usize,
        urgent: bool,
    ) {
        let count = spans.len();
        self.unsettled_spans.fetch_add(count, Ordering::SeqCst);
        self.unsettled_bytes.fetch_add(bytes, Ordering::SeqCst);
        state.urgent |= urgent;
        state.bytes += bytes;
        let first = state.waiting.is_empty();
        for span in spans {
            let number = state.next;
            state.next += 1;
            state.waiting.push_back(Waiting { span, number });
        }
        let due = state.urgent || self.batch_is_full(&state);
        drop(state);
        if first || due {
            self.arrival.notify_one();
        }
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

    fn has_room(&self, spans: usize, bytes: usize) -> bool {
        self.unsettled_spans.load(Ordering::SeqCst) + spans <= self.bounds.spans
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
        while !state.closed && !self.has_room(1, bytes) {
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
    pub(super) span: Outgoing,
    number: u64,
    queue: Arc<Queue>,
    fate: Option<Fate>,
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
        if let Some(ticket) = self.span.ticket.take() {
            ticket.settled(fate);
        }
        self.queue.settled(self.number, self.span.bytes.len(), fate);
    }
}
