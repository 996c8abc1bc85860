//! Every span is accounted for, whatever happens to it.

use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::mpsc;
use std::time::Duration;

use roost::config::BatchExportConfig;
use roost::export::{FlushReport, Protocol};

use crate::fixture::{LONG, Resolver, config, flush, open, project, span, start, until};
use crate::receiver::{Answer, Receiver};

/// Threads end spans all at once; each span arrives, once.
#[test]
fn spans_of_many_threads_arrive_once_each() {
    let receiver = Receiver::willing(Protocol::Grpc);
    let config = BatchExportConfig {
        max_queue_size: 10_000,
        ..config()
    };
    let pipeline = start(&config, &Resolver::to(&receiver));
    let projects = ["acme", "globex", "initech", "umbrella"].map(project);
    std::thread::scope(|scope| {
        for project in &projects {
            scope.spawn(|| (0..500).for_each(|_| span(&pipeline, project, "work")));
        }
    });
    flush(&pipeline);
    assert_eq!(pipeline.stats().delivered, 2_000);
    assert!(
        projects
            .iter()
            .all(|project| project.stats().delivered == 500)
    );
    let received = receiver.received();
    let spans = received.iter().flat_map(|request| request.spans());
    let ids: Vec<_> = spans.map(|span| (&span.trace_id, &span.span_id)).collect();
    assert_eq!(ids.len(), 2_000);
    assert_eq!(
        ids.iter().collect::<HashSet<_>>().len(),
        2_000,
        "ids are distinct"
    );
}

/// The queue holds what is unanswered too, so a silent backend costs a known number of spans:
/// what one tenant may hold.
#[test]
fn a_full_queue_drops_and_counts() {
    let receiver = Receiver::start(Protocol::Grpc, |_, _| Answer::Silence);
    let config = BatchExportConfig {
        max_queue_size: 10,
        max_export_batch_size: 4,
        ..config()
    };
    let pipeline = start(&config, &Resolver::to(&receiver));
    let acme = project("acme");
    for _ in 0..25 {
        span(&pipeline, &acme, "work");
    }
    for stats in [pipeline.stats(), acme.stats()] {
        assert_eq!((stats.created, stats.queued), (25, 8));
        assert_eq!((stats.delivered, stats.dropped.queue_full), (0, 17));
    }
}

/// Bytes bound the queue as well: 64 MiB of large spans, however few, and three quarters of it
/// for one tenant.
#[test]
fn a_queue_full_of_bytes_drops_and_counts() {
    let receiver = Receiver::start(Protocol::Grpc, |_, _| Answer::Silence);
    let pipeline = start(&config(), &Resolver::to(&receiver));
    let acme = project("acme");
    for _ in 0..20 {
        span(&pipeline, &acme, &"x".repeat(4_000_000));
    }
    assert_eq!(pipeline.stats().dropped.queue_full, 8);
}

/// Where spans must not be dropped the thread that ends one waits for room.
#[test]
fn a_thread_waits_for_room_if_told_to() {
    let (open_gate, gate) = mpsc::channel::<()>();
    let gate = Mutex::new(gate);
    let receiver = Receiver::start(Protocol::Grpc, move |_, nth| {
        if nth == 0 {
            gate.lock().unwrap().recv().unwrap();
        }
        Answer::Taken
    });
    let config = BatchExportConfig {
        max_queue_size: 4,
        max_export_batch_size: 4,
        drop_on_queue_full: false,
        ..config()
    };
    let pipeline = start(&config, &Resolver::to(&receiver));
    let acme = project("acme");
    std::thread::scope(|scope| {
        scope.spawn(|| (0..50).for_each(|_| span(&pipeline, &acme, "work")));
        // The fourth span has ended, and is not taken in: the first three are unanswered.
        until(&pipeline, |stats| stats.created == 4);
        open_gate.send(()).unwrap();
    });
    flush(&pipeline);
    assert_eq!(pipeline.stats().delivered, 50);
}

/// A flush answers by its deadline, says what is left, and gives nothing up.
#[test]
fn a_flush_says_what_is_left() {
    let receiver = Receiver::start(Protocol::Grpc, |received, _| {
        if received.has_span("stuck") {
            Answer::Silence
        } else {
            Answer::Taken
        }
    });
    let config = BatchExportConfig {
        max_export_batch_size: 1,
        ..config()
    };
    let pipeline = start(&config, &Resolver::to(&receiver));
    let acme = project("acme");
    span(&pipeline, &acme, "stuck");
    until(&pipeline, |_| !receiver.received().is_empty());
    assert_eq!(
        pipeline
            .force_flush_blocking(Duration::from_millis(50))
            .left,
        1
    );
    span(&pipeline, &acme, "fine");
    until(&pipeline, |stats| stats.delivered == 1);
    let report = pipeline.force_flush_blocking(Duration::from_millis(50));
    assert_eq!((report.dropped, report.left), (0, 1));
    assert_eq!(pipeline.stats().queued, 1);
}

/// A flush of nothing is complete at once.
#[test]
fn a_flush_of_nothing_is_complete() {
    let receiver = Receiver::willing(Protocol::Grpc);
    let pipeline = start(&config(), &Resolver::to(&receiver));
    assert_eq!(pipeline.force_flush_blocking(LONG), FlushReport::default());
}

/// Shutdown sends what waits; afterwards spans are counted, and a second shutdown is nothing.
#[test]
fn shutdown_sends_the_rest_and_closes() {
    let receiver = Receiver::willing(Protocol::HttpProtobuf);
    let pipeline = start(&config(), &Resolver::to(&receiver));
    let acme = project("acme");
    let late = open(&pipeline, &acme, "late");
    for _ in 0..3 {
        span(&pipeline, &acme, "work");
    }
    let report = pipeline.shutdown_blocking(LONG);
    assert_eq!((report.delivered, report.dropped, report.left), (3, 0, 0));
    drop(late);
    assert_eq!(pipeline.stats().dropped.shutdown, 1);
    assert_eq!(acme.stats().dropped.shutdown, 1);
    assert_eq!(pipeline.shutdown_blocking(LONG), FlushReport::default());
    assert_eq!(pipeline.force_flush_blocking(LONG), FlushReport::default());
    assert_eq!(receiver.names(), ["work"; 3]);
}

/// Shutdown gives up what a silent backend does not take, and says so.
#[test]
fn shutdown_gives_up_at_its_deadline() {
    let receiver = Receiver::start(Protocol::Grpc, |_, _| Answer::Silence);
    let pipeline = start(&config(), &Resolver::to(&receiver));
    let acme = project("acme");
    for _ in 0..3 {
        span(&pipeline, &acme, "work");
    }
    let report = pipeline.shutdown_blocking(Duration::from_millis(100));
    assert_eq!((report.delivered, report.dropped, report.left), (0, 3, 0));
    let stats = pipeline.stats();
    assert_eq!((stats.dropped.shutdown, stats.queued), (3, 0));
}

/// Who forgets to shut down loses nothing while the process lives.
#[test]
fn dropping_the_last_handle_sends_the_rest() {
    let receiver = Receiver::willing(Protocol::Grpc);
    let pipeline = start(&config(), &Resolver::to(&receiver));
    let watch = open(&pipeline, &project("acme"), "last");
    drop(pipeline);
    drop(watch);
    let start = std::time::Instant::now();
    while receiver.names() != ["last"] {
        assert!(start.elapsed() < LONG, "the span never came");
        std::thread::sleep(Duration::from_millis(5));
    }
}
