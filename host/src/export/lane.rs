//! Fairness between tenants: whose spans may wait, and whose go next.
//!
//! A tenant may hold three times as many spans, and bytes, as are still free; so one alone has
//! three quarters of the queue, two that flood have three sevenths each, and somebody new finds
//! room at once. Batches are made by deficit round robin: each tenant in turn gives spans of as
//! many bytes as it is granted, so that one with much to send goes on beside the others, not
//! before them. A tenant is an entry in a map while spans of it are under way, and nothing
//! afterwards.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use super::packed::PackedSpans;
use super::parcel::{Outgoing, Seat};
use super::project::Project;
use super::span::EndedSpan;

/// How many times what is free one tenant may hold.
pub(super) const SHARE: usize = 3;
/// How many bytes of spans a tenant gives before it is the next one's turn.
const QUANTUM: usize = 16 * 1_024;
/// How many bytes of buffers are kept for the next spans.
const MAX_SPARE_BYTES: usize = 4 * 1_024 * 1_024;
/// Among how many of a tenant's last groups of spans one is looked for that a span fits into:
/// its sessions take turns.
const LOOK_BACK: usize = 8;

/// What is held of something bounded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) spans: usize,
    pub(super) bytes: usize,
}

impl Held {
    pub(super) fn of(content: &Outgoing) -> Self {
        Self {
            spans: content.spans.len(),
            bytes: content.spans.bytes(),
        }
    }

    pub(super) fn add(&mut self, more: Self) {
        self.spans += more.spans;
        self.bytes += more.bytes;
    }

    pub(super) fn remove(&mut self, less: Self) {
        self.spans = self.spans.saturating_sub(less.spans);
        self.bytes = self.bytes.saturating_sub(less.bytes);
    }

    /// Whether a tenant that holds this may hold so much more, of which so much is free.
    pub(super) fn allows(self, more: Self, free: Self) -> bool {
        let fits = |held: usize, more: usize, free: usize| {
            // The last of them finds the least room.
            more <= free && held.saturating_add(more) <= SHARE * (free - more + 1)
        };
        // The first span of a tenant may have any size that there is room for.
        fits(self.spans, more.spans, free.spans)
            && more.bytes <= free.bytes
            && (self.bytes == 0 || fits(self.bytes, more.bytes, free.bytes))
    }
}

/// The tenants' spans.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    lanes: ByTenant<Lane>,
    /// The tenants of which spans wait, in the order of their turns.
    turns: VecDeque<u64>,
    /// What waits.
    waiting: Held,
    /// What is not settled: it waits, or is under way.
    queued: Held,
    /// What is on the way to disk, because there was no room.
    spilled: Held,
    spare: Spare,
}

/// Buffers of groups that are settled, for the next ones: one thread would allocate what another
/// frees, group for group.
#[derive(Debug, Default)]
struct Spare {
    buffers: Vec<PackedSpans>,
    bytes: usize,
}

impl Spare {
    /// An empty buffer, which has the room that it was of use for.
    fn take(&mut self) -> PackedSpans {
        let buffer = self.buffers.pop().unwrap_or_default();
        self.bytes -= buffer.capacity();
        buffer
    }

    fn keep(&mut self, mut buffer: PackedSpans) {
        buffer.clear();
        let bytes = buffer.capacity();
        if bytes <= 2 * QUANTUM && self.bytes + bytes <= MAX_SPARE_BYTES {
            self.bytes += bytes;
            self.buffers.push(buffer);
        }
    }
}

/// A tenant of which spans are not settled.
#[derive(Debug)]
struct Lane {
    /// One of its projects.
    project: Arc<Project>,
    queued: Held,
    spilled: Held,
    waiting: VecDeque<Outgoing>,
    /// How many bytes it may still give in its turn.
    deficit: usize,
}

impl Lane {
    fn of(project: &Arc<Project>) -> Self {
        Self {
            project: Arc::clone(project),
            queued: Held::default(),
            spilled: Held::default(),
            waiting: VecDeque::new(),
            deficit: 0,
        }
    }

    /// Where a span of this process can be put behind others like it.
    fn open_group(&mut self, span: &EndedSpan, epoch: u64) -> Option<&mut Outgoing> {
        self.waiting.iter_mut().rev().take(LOOK_BACK).find(|group| {
            group.epoch == epoch
                && group.project.id() == span.project.id()
                && group.session == span.session
                && group.origin.is_none()
                && group.ticket.is_none()
                && group.spans.bytes() < QUANTUM
        })
    }

    /// The next spans, at most so many and as many as its turn allows; none when that is over.
    fn give(&mut self, most: usize) -> Option<Outgoing> {
        let group = self.waiting.front_mut()?;
        let count = group.spans.within(self.deficit).min(most);
        if count == 0 {
            return None;
        }
        let part = if count < group.spans.len() {
            let rest = group.split_off(count);
            std::mem::replace(group, rest)
        } else {
            self.waiting.pop_front()?
        };
        self.deficit -= part.spans.bytes();
        Some(part)
    }
}

impl Lanes {
    /// What waits.
    pub(super) fn waiting(&self) -> Held {
        self.waiting
    }

    /// Of how many tenants spans wait.
    pub(super) fn tenants_waiting(&self) -> usize {
        self.turns.len()
    }

    /// What is not settled and not on the way to disk.
    pub(super) fn queued(&self) -> Held {
        self.queued
    }

    /// What is on the way to disk.
    pub(super) fn spilled(&self) -> Held {
        self.spilled
    }

    /// What of that in the queue is this project's tenant's.
    pub(super) fn queued_of(&self, project: &Project) -> Held {
        let lane = self.lanes.get(&project.tenant_key());
        lane.map_or_else(Held::default, |lane| lane.queued)
    }

    /// An empty buffer for spans.
    pub(super) fn buffer(&mut self) -> PackedSpans {
        self.spare.take()
    }

    /// Puts a copy of a span behind others of its kind.
    pub(super) fn push_span(&mut self, span: &EndedSpan, epoch: u64) {
        let held = Held {
            spans: 1,
            bytes: PackedSpans::bytes_of(span.bytes.len()),
        };
        let lane = self.lane_for(&span.project, held);
        if let Some(group) = lane.open_group(span, epoch) {
            group.spans.push(&span.bytes);
            return;
        }
        let group = span.outgoing(self.spare.take(), epoch, None);
        if let Some(lane) = self.lanes.get_mut(&span.project.tenant_key()) {
            lane.waiting.push_back(group);
        }
    }

    /// Lets spans wait.
    pub(super) fn push(&mut self, content: Outgoing) {
        let held = Held::of(&content);
        self.lane_for(&content.project, held)
            .waiting
            .push_back(content);
    }

    /// The lane of a project's tenant, of which so much more waits from now on.
    fn lane_for(&mut self, project: &Arc<Project>, more: Held) -> &mut Lane {
        let key = project.tenant_key();
        let lane = self.lanes.entry(key).or_insert_with(|| Lane::of(project));
        if lane.waiting.is_empty() {
            self.turns.push_back(key);
        }
        lane.queued.add(more);
        self.queued.add(more);
        self.waiting.add(more);
        lane
    }

    /// Spans go to disk.
    pub(super) fn spill(&mut self, content: &Outgoing) {
        let held = Held::of(content);
        let key = content.project.tenant_key();
        let lane = self
            .lanes
            .entry(key)
            .or_insert_with(|| Lane::of(&content.project));
        lane.spilled.add(held);
        self.spilled.add(held);
    }

    /// Spans are settled; their bytes are no longer there then.
    pub(super) fn release(&mut self, content: &mut Outgoing, seat: &Seat) {
        let held = Held::of(content);
        let key = content.project.tenant_key();
        self.spare.keep(std::mem::take(&mut content.spans));
        let Some(lane) = self.lanes.get_mut(&key) else {
            return;
        };
        let (of_tenant, of_all) = match seat {
            Seat::Queue => (&mut lane.queued, &mut self.queued),
            Seat::Spill => (&mut lane.spilled, &mut self.spilled),
            Seat::Disk(..) => return,
        };
        of_tenant.remove(held);
        of_all.remove(held);
        if lane.queued.spans == 0 && lane.spilled.spans == 0 {
            self.lanes.remove(&key);
        }
    }

    /// The next spans, as many and as large together as this; at least one, if one waits.
    pub(super) fn take(&mut self, max_spans: usize, max_bytes: usize) -> Vec<Outgoing> {
        let mut batch = Vec::new();
        let mut taken = Held::default();
        while let Some(key) = self.turns.front().copied() {
            let Some(lane) = self.lanes.get_mut(&key) else {
                self.turns.pop_front();
                continue;
            };
            // A lane that the batch's end interrupted goes on with what it had left.
            if lane.deficit == 0 {
                lane.deficit = QUANTUM;
            }
            while let Some(group) = lane.waiting.front() {
                let fitting = group.spans.within(max_bytes.saturating_sub(taken.bytes));
                let fitting = fitting.max(usize::from(taken.spans == 0));
                let fitting = fitting.min(max_spans - taken.spans);
                if fitting == 0 {
                    self.waiting.remove(taken);
                    return batch;
                }
                let Some(part) = lane.give(fitting) else {
                    break;
                };
                taken.add(Held::of(&part));
                batch.push(part);
            }
            self.turns.pop_front();
            if lane.waiting.is_empty() {
                lane.deficit = 0;
            } else {
                // A span larger than a quantum saves up for it.
                lane.deficit += QUANTUM;
                self.turns.push_back(key);
            }
        }
        self.waiting.remove(taken);
        batch
    }

    /// How many spans of each tenant are not settled.
    pub(super) fn unsettled(&self) -> BTreeMap<String, u64> {
        let mut tenants = BTreeMap::new();
        for lane in self.lanes.values() {
            let spans = lane.queued.spans + lane.spilled.spans;
            let tenant = lane.project.tenant_id().to_owned();
            *tenants.entry(tenant).or_default() += spans as u64;
        }
        tenants
    }
}

/// By [`Project::tenant_key`].
pub(super) type ByTenant<T> = HashMap<u64, T, BuildHasherDefault<KeyHasher>>;

/// Keys are hashes already.
#[derive(Debug, Default)]
pub(super) struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn write(&mut self, _: &[u8]) {}

    fn write_u64(&mut self, key: u64) {
        self.0 = key;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
