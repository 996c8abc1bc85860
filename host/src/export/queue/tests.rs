//! Waiting for room.

#![allow(clippy::unwrap_used)]

use super::super::parcel::SpanBytes;
use super::super::project::Project;
use super::*;

fn span(tenant: &str) -> Outgoing {
    Outgoing {
        project: Arc::new(Project::new(tenant, "search", tenant)),
        session: None,
        origin: None,
        bytes: SpanBytes::Own(vec![0; 100]),
        ticket: None,
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
        queue.push(span(tenant), false, Duration::ZERO).unwrap();
    }
    let patience = Duration::from_secs(20);
    std::thread::scope(|scope| {
        let blocked = scope.spawn(|| queue.push(span("blocked"), false, patience));
        while queue.waiting_for_room.load(Ordering::SeqCst) == 0 {
            std::thread::yield_now();
        }
        for n in 0..200 {
            let refused = queue.push_all(vec![span(&format!("other {n}"))]);
            assert_eq!(refused, Err(IngestRefusal::Full));
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
