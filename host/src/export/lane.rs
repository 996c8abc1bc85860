//! Fairness between tenants: whose spans may wait, and whose go next.
//!
//! A tenant may hold three times as many spans, and bytes, as are still free; so one alone has
//! three quarters of the queue, two that flood have three sevenths each, and somebody new finds
//! room at once. Batches are made by deficit round robin: each tenant in turn gives spans of as
//! many bytes as it is granted, so that one with much to send goes on beside the others, not
//! before them. A tenant is an entry in a map while spans of it are under way, and nothing
//! afterwards.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::parcel::Outgoing;
use super::project::Project;

/// How many times what is free one tenant may hold.
pub(super) const SHARE: usize = 3;
/// How many bytes of spans a tenant gives before it is the next one's turn.
const QUANTUM: usize = 16 * 1_024;
/// How many lanes there are at least before those of nobody are looked for.
const SWEEP_AT_LEAST: usize = 64;

/// What is held of something bounded.
#[derive(Debug, Default)]
pub(super) struct Holding {
    spans: AtomicUsize,
    bytes: AtomicUsize,
}

impl Holding {
    pub(super) fn add(&self, spans: usize, bytes: usize) {
        self.spans.fetch_add(spans, Ordering::SeqCst);
        self.bytes.fetch_add(bytes, Ordering::SeqCst);
    }

    pub(super) fn remove(&self, bytes: usize) {
        self.spans.fetch_sub(1, Ordering::SeqCst);
        self.bytes.fetch_sub(bytes, Ordering::SeqCst);
    }

    pub(super) fn spans(&self) -> usize {
        self.spans.load(Ordering::SeqCst)
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::SeqCst)
    }
}

/// What a tenant holds of the pipeline.
#[derive(Debug)]
pub(super) struct Share {
    pub(super) tenant: Box<str>,
    /// In the queue.
    pub(super) queued: Holding,
    /// On the way to disk, because the queue had no room.
    pub(super) spilled: Holding,
}

impl Share {
    fn new(tenant: &str) -> Self {
        Self {
            tenant: tenant.into(),
            queued: Holding::default(),
            spilled: Holding::default(),
        }
    }

    /// The share of whoever holds nothing yet.
    pub(super) fn of_nobody() -> Self {
        Self::new("")
    }

    /// Whether the tenant may hold so much more, of which so much is free.
    pub(super) fn allows(&self, spans: usize, bytes: usize, free: (usize, usize)) -> bool {
        let fits = |held: usize, more: usize, free: usize| {
            // The last of them finds the least room.
            more <= free && held.saturating_add(more) <= SHARE * (free - more + 1)
        };
        let (free_spans, free_bytes) = free;
        // The first span of a tenant may have any size that there is room for.
        fits(self.queued.spans(), spans, free_spans)
            && bytes <= free_bytes
            && (self.queued.bytes() == 0 || fits(self.queued.bytes(), bytes, free_bytes))
    }

    fn unsettled(&self) -> usize {
        self.queued.spans() + self.spilled.spans()
    }
}

/// A span that waits.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) span: Outgoing,
    pub(super) number: u64,
    pub(super) share: Arc<Share>,
}

impl Waiting {
    fn len(&self) -> usize {
        self.span.bytes.len()
    }
}

/// The tenants' waiting spans.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    lanes: HashMap<u64, Lane>,
    /// The tenants of which spans wait, in the order of their turns.
    turns: VecDeque<u64>,
    spans: usize,
    bytes: usize,
    sweep_at: usize,
}

#[derive(Debug)]
struct Lane {
    share: Arc<Share>,
    waiting: VecDeque<Waiting>,
    /// How many bytes it may still give in its turn.
    deficit: usize,
}

impl Lane {
    fn of(share: Arc<Share>) -> Self {
        Self {
            share,
            waiting: VecDeque::new(),
            deficit: 0,
        }
    }
}

impl Lanes {
    /// How many spans wait.
    pub(super) fn spans(&self) -> usize {
        self.spans
    }

    /// How many bytes of spans wait.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// What the tenant of this project holds.
    pub(super) fn share(&mut self, project: &Project) -> Arc<Share> {
        if self.lanes.len() >= self.sweep_at.max(SWEEP_AT_LEAST) {
            // Whoever has a share holds something by it, or is about to.
            self.lanes
                .retain(|_, lane| !lane.waiting.is_empty() || Arc::strong_count(&lane.share) > 1);
            self.sweep_at = self.lanes.len() * 2;
        }
        let lane = self
            .lanes
            .entry(project.tenant_key())
            .or_insert_with(|| Lane::of(Arc::new(Share::new(project.tenant_id()))));
        Arc::clone(&lane.share)
    }

    pub(super) fn push(&mut self, waiting: Waiting) {
        let key = waiting.span.project.tenant_key();
        let lane = self
            .lanes
            .entry(key)
            .or_insert_with(|| Lane::of(Arc::clone(&waiting.share)));
        self.spans += 1;
        self.bytes += waiting.len();
        if lane.waiting.is_empty() {
            self.turns.push_back(key);
        }
        lane.waiting.push_back(waiting);
    }

    /// The next spans, as many and as large together as this; at least one, if one waits.
    pub(super) fn take(&mut self, max_spans: usize, max_bytes: usize) -> Vec<Waiting> {
        let mut batch = Vec::with_capacity(self.spans.min(max_spans));
        let mut bytes = 0;
        while let Some(key) = self.turns.front().copied() {
            let Some(lane) = self.lanes.get_mut(&key) else {
                self.turns.pop_front();
                continue;
            };
            // A lane that the batch's end interrupted goes on with what it had left.
            if lane.deficit == 0 {
                lane.deficit = QUANTUM;
            }
            while let Some(next) = lane.waiting.front() {
                let len = next.len();
                if batch.len() >= max_spans || (!batch.is_empty() && bytes + len > max_bytes) {
                    self.bytes -= bytes;
                    self.spans -= batch.len();
                    return batch;
                }
                if lane.deficit < len {
                    break;
                }
                lane.deficit -= len;
                bytes += len;
                batch.extend(lane.waiting.pop_front());
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
        self.bytes -= bytes;
        self.spans -= batch.len();
        batch
    }

    /// How many spans of each tenant are not settled.
    pub(super) fn unsettled(&self) -> BTreeMap<String, u64> {
        let mut tenants = BTreeMap::new();
        for lane in self.lanes.values() {
            let spans = lane.share.unsettled() as u64;
            if spans > 0 {
                *tenants.entry(lane.share.tenant.to_string()).or_default() += spans;
            }
        }
        tenants
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing)]

    use super::super::parcel::SpanBytes;
    use super::*;

    fn wait(lanes: &mut Lanes, project: &Arc<Project>, len: usize) {
        let share = lanes.share(project);
        let span = Outgoing {
            project: Arc::clone(project),
            session: None,
            origin: None,
            bytes: SpanBytes::Own(vec![0; len]),
            ticket: None,
        };
        let number = 0;
        lanes.push(Waiting {
            span,
            number,
            share,
        });
    }

    fn project(tenant: &str) -> Arc<Project> {
        Arc::new(Project::new(tenant, "search", tenant))
    }

    fn tenants(batch: &[Waiting]) -> BTreeMap<&str, usize> {
        let mut tenants = BTreeMap::new();
        for waiting in batch {
            *tenants.entry(waiting.span.project.tenant_id()).or_default() += 1;
        }
        tenants
    }

    /// Who came last with little is in the first batch, beside who has much.
    #[test]
    fn tenants_take_turns() {
        let mut lanes = Lanes::default();
        let (flood, quiet) = (project("flood"), project("quiet"));
        for _ in 0..1_000 {
            wait(&mut lanes, &flood, 1_024);
        }
        for _ in 0..5 {
            wait(&mut lanes, &quiet, 1_024);
        }
        let batch = lanes.take(100, usize::MAX);
        assert_eq!(
            tenants(&batch),
            BTreeMap::from([("flood", 95), ("quiet", 5)])
        );
        assert_eq!((lanes.spans(), lanes.bytes()), (905, 905 * 1_024));
    }

    /// Turns are counted in bytes: large spans are not let through for being few.
    #[test]
    fn large_spans_use_up_turns() {
        let mut lanes = Lanes::default();
        let (large, small) = (project("large"), project("small"));
        for _ in 0..100 {
            wait(&mut lanes, &large, 3 * QUANTUM);
        }
        for _ in 0..1_000 {
            wait(&mut lanes, &small, QUANTUM / 16);
        }
        let batch = lanes.take(500, usize::MAX);
        let counts = tenants(&batch);
        let ratio = counts["small"] / counts["large"];
        assert!((40..=56).contains(&ratio), "{counts:?}");
    }

    /// Everything is taken in the end, and nobody's lane stays for ever.
    #[test]
    fn ten_thousand_tenants_leave_nothing_behind() {
        let mut lanes = Lanes::default();
        for n in 0..10_000 {
            wait(&mut lanes, &project(&n.to_string()), 100);
        }
        let mut taken = 0;
        while lanes.spans() > 0 {
            taken += lanes.take(512, 1 << 20).len();
        }
        assert_eq!((taken, lanes.bytes()), (10_000, 0));
        for n in 0..10_000 {
            lanes.share(&project(&format!("later {n}")));
        }
        assert!(lanes.lanes.len() < 10_100, "{} lanes", lanes.lanes.len());
    }

    /// One alone has three quarters, the second finds room, and all is never given away.
    #[test]
    fn a_share_leaves_room_for_others() {
        let total = 100;
        let mut held = vec![];
        for _ in 0..3 {
            let share = Share::of_nobody();
            let used: usize = held.iter().map(|share: &Share| share.queued.spans()).sum();
            let mut free = total - used;
            while share.allows(1, 1, (free, usize::MAX / 8)) {
                share.queued.add(1, 1);
                free -= 1;
            }
            held.push(share);
        }
        let held: Vec<_> = held.iter().map(|share| share.queued.spans()).collect();
        assert_eq!(held, [75, 19, 5]);
    }
}
