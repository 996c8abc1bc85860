//! How spans come into the queue: at once, when there is room, to the spool, or not at all.

use std::pin::pin;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::time::timeout_at;

use super::super::account::{DropReason, Fate};
use super::super::lane::{ByTenant, Held};
use super::super::packed::PackedSpans;
use super::super::parcel::{Outgoing, Seat};
use super::super::span::EndedSpan;
use super::super::ticket::Ticket;
use super::{LOOK_EVERY, Queue, State};

/// The most bytes of spans that found no room and are not on disk yet.
const MAX_SPILLED_BYTES: usize = 16 * 1_024 * 1_024;

/// Why spans were not taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::export) enum IngestRefusal {
    /// Not now.
    Full,
    /// Never again.
    Closed,
    /// Never, so many at once.
    TooLarge,
}

impl Queue {
    /// Takes a copy of a span in, or says why not; either way it is counted. Waits up to `patience` for
    /// room. One with a ticket, for which somebody waits, is sent at once.
    pub(in crate::export) fn push(
        &self,
        span: &EndedSpan,
        ticket: Option<Arc<Ticket>>,
        patience: Duration,
    ) -> Result<(), DropReason> {
        let more = Held {
            spans: 1,
            bytes: PackedSpans::bytes_of(span.bytes.len()),
        };
        self.ledger.account(&span.project).created(1);
        self.account.created(1);
        let mut state = self.lock();
        let has_room = |state: &State| {
            let free = self.free(state);
            // What all tenants hold is at hand, and mostly says enough.
            let allows = |held: Held| held.allows(more, free);
            allows(state.lanes.queued()) || allows(state.lanes.queued_of(&span.project))
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
                ticket => {
                    let content = span.outgoing(PackedSpans::default(), epoch, ticket);
                    state.lanes.push(content);
                }
            }
            self.announce(state, was_empty);
            return Ok(());
        } else if self.may_spill(&state, more.bytes) {
            let content = span.outgoing(PackedSpans::default(), state.epoch, ticket);
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
        span.project.account().settled(Fate::Dropped(reason), 1);
        self.account.settled(Fate::Dropped(reason), 1);
        Err(reason)
    }

    /// Takes spans in, all or none, and never waits. Those that are refused are not counted:
    /// whoever brought them has them still, and gets them back.
    pub(in crate::export) fn push_all(
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
    pub(in crate::export) async fn push_all_by(
        &self,
        mut spans: Vec<Outgoing>,
        deadline: tokio::time::Instant,
    ) -> Result<(), IngestRefusal> {
        loop {
            let mut room = pin!(self.room_for_tasks.notified());
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
        let mut tenants = ByTenant::with_capacity_and_hasher(spans.len(), Default::default());
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

    fn may_spill(&self, state: &State, bytes: usize) -> bool {
        self.bounds.spills && state.lanes.spilled().bytes + bytes <= MAX_SPILLED_BYTES
    }
}
