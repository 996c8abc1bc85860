//! Waiting for room, and for company.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use futures_util::FutureExt as _;

use super::super::packed::PackedSpans;
use super::super::project::Project;
use super::super::span::EndedSpan;
use super::*;

fn span(tenant: &str) -> EndedSpan {
    EndedSpan {
        project: Arc::new(Project::new(tenant, "search", tenant)),
        session: None,
        bytes: vec![0; 100],
    }
}

/// A span that waits for room gets it, however many tenants come and go meanwhile.
#[test]
fn who_waits_for_room_is_not_forgotten() {
    let queue = Arc::new(Queue::new(Bounds {
        spans: 4,
        batch_spans: 4,
        batch_bytes: 1 << 20,
        spills: false,
    }));
    for tenant in ["a", "b", "c", "d"] {
        queue.push(&span(tenant), None, Duration::ZERO).unwrap();
    }
    let patience = Duration::from_secs(20);
    std::thread::scope(|scope| {
        let blocked = scope.spawn(|| queue.push(&span("blocked"), None, patience));
        while queue.lock().waiting_for_room == 0 {
            std::thread::yield_now();
        }
        for n in 0..200 {
            let other = span(&format!("other {n}")).outgoing(PackedSpans::default(), 0, None);
            let (refusal, _) = queue.push_all(vec![other]).unwrap_err();
            assert_eq!(refusal, IngestRefusal::Full);
        }
        for parcel in queue.take(true) {
            parcel.settle(Fate::Delivered);
        }
        blocked.join().unwrap().unwrap();
    });
    let late = queue.take(true);
    assert_eq!(late.len(), 1, "the span that waited is there");
    drop(late);
    assert_eq!(queue.unsettled(), 0);
}

/// What comes for several tenants is taken whole, or none of it.
#[test]
fn spans_of_many_tenants_are_taken_together_or_not_at_all() {
    let queue = Arc::new(Queue::new(Bounds {
        spans: 8,
        batch_spans: 8,
        batch_bytes: 1 << 20,
        spills: false,
    }));
    let call = |tenants: usize| -> Vec<_> {
        let tenant = |n| span(&format!("tenant {n}")).outgoing(PackedSpans::default(), 0, None);
        (0..tenants).map(tenant).collect()
    };
    queue.push_all(call(5)).unwrap();
    let (refusal, back) = queue.push_all(call(4)).unwrap_err();
    assert_eq!((refusal, back.len()), (IngestRefusal::Full, 4));
    assert_eq!((queue.unsettled(), queue.account.stats().created), (5, 5));
    let (refusal, _) = queue.push_all(call(9)).unwrap_err();
    assert_eq!(refusal, IngestRefusal::TooLarge);

    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let deadline = || tokio::time::Instant::now() + Duration::from_secs(20);
    runtime.block_on(async {
        let waits = queue.push_all_by(back, deadline());
        let leaves = async {
            for parcel in queue.take(true) {
                parcel.settle(Fate::Delivered);
            }
        };
        let (waited, ()) = tokio::join!(waits, leaves);
        waited.unwrap();
    });
    assert_eq!(queue.unsettled(), 4);
}

/// With many tenants a batch waits until each has several spans, but never for more than a
/// half of the queue; with few it leaves when it is full.
#[test]
fn spans_of_many_tenants_gather_before_they_leave() {
    let queue = Arc::new(Queue::new(Bounds {
        spans: 160,
        batch_spans: 10,
        batch_bytes: 1 << 20,
        spills: false,
    }));
    let spans: Vec<_> = (0..20).map(|n| span(&format!("tenant {n}"))).collect();
    let push = |tenant: usize| {
        let span = EndedSpan {
            project: Arc::clone(&spans[tenant].project),
            ..span("")
        };
        queue.push(&span, None, Duration::ZERO).unwrap();
    };
    let take = || {
        let batch = queue.take(false);
        let sizes: Vec<_> = batch.iter().map(Parcel::len).collect();
        batch
            .into_iter()
            .for_each(|parcel| parcel.settle(Fate::Delivered));
        sizes
    };
    (0..10).for_each(|_| push(0));
    assert_eq!(take(), [10]);
    // Twenty tenants with four spans each, which is what may wait.
    (0..79).for_each(|n| push(n % 20));
    assert_eq!(take(), [0; 0]);
    push(79 % 20);
    assert_eq!(take(), [4, 4, 2]);
}

/// While the export thread takes no batch, since none of its turns is free, it hears of what has to
/// be written to disk all the same.
#[test]
fn what_spills_is_told_of_though_no_batch_is_taken() {
    let queue = Arc::new(Queue::new(Bounds {
        spans: 1,
        batch_spans: 1,
        batch_bytes: 1 << 20,
        spills: true,
    }));
    let is_told = || queue.arrival().now_or_never().is_some();
    for spilled in [0, 1, 1] {
        let content = span("acme").outgoing(PackedSpans::default(), 0, None);
        queue.push_all(vec![content]).unwrap();
        assert!(is_told());
        let spill = queue.take_spill();
        assert_eq!(spill.len(), spilled);
        spill
            .into_iter()
            .for_each(|parcel| parcel.settle(Fate::Spooled));
    }
    assert_eq!(queue.take(true).len(), 1);
}
