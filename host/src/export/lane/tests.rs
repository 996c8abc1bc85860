//! Turns, shares and buffers.

#![allow(clippy::indexing_slicing)]

use super::*;

fn wait(lanes: &mut Lanes, project: &Arc<Project>, len: usize) {
    let span = EndedSpan {
        project: Arc::clone(project),
        session: None,
        bytes: vec![0; len],
    };
    lanes.push_span(&span, 0);
}

fn project(tenant: &str) -> Arc<Project> {
    Arc::new(Project::new(tenant, "search", tenant))
}

fn tenants(batch: &[Outgoing]) -> BTreeMap<&str, usize> {
    let mut tenants = BTreeMap::new();
    for group in batch {
        *tenants.entry(group.project.tenant_id()).or_default() += group.spans.len();
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
    let left = Held {
        spans: 905,
        bytes: 905 * PackedSpans::bytes_of(1_024),
    };
    assert_eq!((lanes.waiting(), lanes.queued().spans), (left, 1_005));
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
    while lanes.waiting().spans > 0 {
        for mut group in lanes.take(512, 1 << 20) {
            taken += group.spans.len();
            lanes.release(&mut group, &Seat::Queue);
        }
    }
    assert_eq!((taken, lanes.queued()), (10_000, Held::default()));
    assert_eq!((lanes.lanes.len(), lanes.turns.len()), (0, 0));
}

/// One alone has three quarters, the second finds room, and all is never given away.
#[test]
fn a_share_leaves_room_for_others() {
    let total = 100;
    let mut held = vec![];
    let one = Held { spans: 1, bytes: 1 };
    for _ in 0..3 {
        let used: usize = held.iter().sum();
        let mut free = Held {
            spans: total - used,
            bytes: usize::MAX / 8,
        };
        let mut share = Held::default();
        while share.allows(one, free) {
            share.add(one);
            free.remove(one);
        }
        held.push(share.spans);
    }
    assert_eq!(held, [75, 19, 5]);
}

/// Spans that end one after the other leave together; what differs in more than its bytes, or
/// ended after a flush had begun, does not.
#[test]
fn spans_of_a_kind_are_put_behind_each_other() {
    let mut lanes = Lanes::default();
    let (one, other) = (project("one"), project("one"));
    let push = |lanes: &mut Lanes, project: &Arc<Project>, session: Option<&str>, epoch| {
        let span = EndedSpan {
            project: Arc::clone(project),
            session: session.map(Into::into),
            bytes: vec![0; 10],
        };
        lanes.push_span(&span, epoch);
    };
    for _ in 0..3 {
        push(&mut lanes, &one, None, 0);
        push(&mut lanes, &one, Some("a"), 0);
        push(&mut lanes, &one, Some("b"), 0);
        push(&mut lanes, &other, None, 0);
    }
    push(&mut lanes, &one, None, 1);
    let batch = lanes.take(100, 1 << 20);
    let sizes: Vec<_> = batch.iter().map(|group| group.spans.len()).collect();
    assert_eq!(sizes, [3, 3, 3, 3, 1]);
    for mut group in batch {
        lanes.release(&mut group, &Seat::Queue);
    }
    assert_eq!((lanes.queued(), lanes.lanes.len()), (Held::default(), 0));
}

/// Groups that have left lend their buffers to the next ones; of a flood not all are kept.
#[test]
fn buffers_are_used_again_within_a_bound() {
    let mut lanes = Lanes::default();
    let flood = project("flood");
    let leave = |lanes: &mut Lanes, spans: usize| {
        for _ in 0..spans {
            wait(lanes, &flood, 1_024);
        }
        for mut group in lanes.take(usize::MAX, usize::MAX) {
            lanes.release(&mut group, &Seat::Queue);
        }
    };
    leave(&mut lanes, 1);
    let buffer = lanes.buffer();
    assert_eq!(buffer.len(), 0);
    assert!(buffer.capacity() >= 1_024 && lanes.spare.buffers.is_empty());
    leave(&mut lanes, 2 * MAX_SPARE_BYTES / 1_024);
    let kept = |lanes: &Lanes| -> usize {
        let buffers = lanes.spare.buffers.iter();
        buffers.map(PackedSpans::capacity).sum()
    };
    assert_eq!(kept(&lanes), lanes.spare.bytes);
    assert!((MAX_SPARE_BYTES / 2..=MAX_SPARE_BYTES).contains(&lanes.spare.bytes));
    leave(&mut lanes, 100);
    assert_eq!(kept(&lanes), lanes.spare.bytes);
    // A small part of a large buffer holds all of it.
    let mut lanes = Lanes::default();
    let mut large: PackedSpans = (0..4).map(|_| vec![0; QUANTUM]).collect();
    let part = large.split_off(3);
    lanes.spare.keep(part);
    assert_eq!(lanes.spare.bytes, 0);
}
