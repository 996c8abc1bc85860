//! Nothing waits for ever, and nothing needs a runtime of the application's.

use std::time::Duration;

use roost::config::BatchExportConfig;
use roost::export::{Pipeline, Protocol};

use crate::fixture::{LONG, Resolver, config, project, span, start};
use crate::receiver::{Answer, Receiver};

fn synchronous(receiver: &Receiver) -> Pipeline {
    let config = BatchExportConfig {
        use_sync_export: true,
        ..config()
    };
    start(&config, &Resolver::to(receiver))
}

/// In synchronous mode the backend has a span when its end returns: on a plain thread, inside a
/// current-thread runtime, and on a worker of a larger one.
#[test]
fn a_synchronous_span_has_arrived_when_it_has_ended() {
    for protocol in [Protocol::Grpc, Protocol::HttpProtobuf] {
        let receiver = Receiver::willing(protocol);
        let pipeline = synchronous(&receiver);
        let acme = project("acme");
        span(&pipeline, &acme, "plain");
        assert_eq!(receiver.names(), ["plain"]);

        let current = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        current.block_on(async { span(&pipeline, &acme, "current") });
        assert_eq!(receiver.names(), ["current", "plain"]);

        let multi = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .build()
            .unwrap();
        let handle = pipeline.clone();
        let task = multi.spawn(async move { span(&handle, &acme, "worker") });
        multi.block_on(task).unwrap();
        assert_eq!(receiver.names(), ["current", "plain", "worker"]);
    }
}

/// A project may be synchronous where the rest is not.
#[test]
fn a_project_may_be_synchronous_by_itself() {
    let receiver = Receiver::willing(Protocol::Grpc);
    let pipeline = start(&config(), &Resolver::to(&receiver));
    let project = roost::export::Project::new("acme", "search", "acme-search");
    span(&pipeline, &project.with_sync_export(true).into(), "now");
    assert_eq!(receiver.names(), ["now"]);
}

/// A refused span releases whoever waits for it just as a delivered one.
#[test]
fn a_synchronous_span_is_released_by_a_refusal() {
    let receiver = Receiver::start(Protocol::HttpProtobuf, |_, _| Answer::Http(401, vec![], ""));
    let pipeline = synchronous(&receiver);
    span(&pipeline, &project("acme"), "unwanted");
    assert_eq!(pipeline.stats().dropped.rejected, 1);
}

/// The asynchronous calls come to their end on a current-thread runtime without a timer, with a
/// backend that never answers.
#[test]
fn a_silent_backend_does_not_hang_an_asynchronous_caller() {
    let receiver = Receiver::start(Protocol::Grpc, |_, _| Answer::Silence);
    let pipeline = start(&config(), &Resolver::to(&receiver));
    span(&pipeline, &project("acme"), "stuck");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        let report = pipeline.force_flush(Duration::from_millis(50)).await;
        assert_eq!(report.left, 1);
        let report = pipeline.shutdown(Duration::from_millis(50)).await;
        assert_eq!((report.dropped, report.left), (1, 0));
    });
}

/// The blocking calls may be made inside a runtime, where they block that thread only.
#[test]
fn the_blocking_calls_work_inside_a_runtime() {
    let receiver = Receiver::willing(Protocol::HttpProtobuf);
    let pipeline = start(&config(), &Resolver::to(&receiver));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        span(&pipeline, &project("acme"), "one");
        assert_eq!(pipeline.force_flush_blocking(LONG).delivered, 1);
        span(&pipeline, &project("acme"), "two");
        assert_eq!(pipeline.shutdown_blocking(LONG).delivered, 1);
    });
}

/// The pipeline is no part of the runtime it was started in.
#[test]
fn the_pipeline_outlives_the_runtime_it_was_started_in() {
    let receiver = Receiver::willing(Protocol::Grpc);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let pipeline = runtime.block_on(async { start(&config(), &Resolver::to(&receiver)) });
    drop(runtime);
    span(&pipeline, &project("acme"), "after");
    assert_eq!(pipeline.shutdown_blocking(LONG).delivered, 1);
}
