//! Waiting for room.

#![allow(clippy::unwrap_used)]

use super::super::project::Project;
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
        queue.push(span(tenant), None, Duration::ZERO).unwrap();
    }
    let patience = Duration::from_secs(20);
    std::thread::scope(|scope| {
        let blocked = scope.spawn(|| queue.push(span("blocked"), None, patience));
        while queue.lock().waiting_for_room == 0 {
            std::thread::yield_now();
        }
        for n in 0..200 {
            let other = span(&format!("other {n}")).into_outgoing(0, 0, None);
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
        let tenant = |n| span(&format!("tenant {n}")).into_outgoing(0, 0, None);
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
