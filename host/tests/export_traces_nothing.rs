//! The export makes spans of `tracing` itself, in the HTTP/2 it speaks. It alone is in this
//! process, whose subscriber is every thread's.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use roost::export::Protocol;
use roost::{Config, TelemetryManager, tracing_layer};
use tracing::span::{Attributes, Id};
use tracing::{Subscriber, info_span};
use tracing_subscriber::filter::dynamic_filter_fn;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

#[allow(dead_code, reason = "the tests of the export need more of it")]
#[path = "export/receiver.rs"]
mod receiver;

/// Counts spans.
struct Counter(Arc<AtomicUsize>);

impl<S: Subscriber> Layer<S> for Counter {
    fn on_new_span(&self, _: &Attributes<'_>, _: &Id, _: Context<'_, S>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn on_export_thread() -> bool {
    std::thread::current().name() == Some("roost-export")
}

/// If what the export does were traced, each export would give the next one work, for ever.
#[test]
fn what_the_export_does_is_not_traced() {
    let receiver = receiver::Receiver::willing(Protocol::Grpc);
    let toml = format!("telemetry.otlp_endpoint = \"{}\"", receiver.endpoint());
    let config = Config::from_toml(&toml, "roost.toml").unwrap();
    let telemetry = TelemetryManager::export_only(config).unwrap();

    let made = Arc::new(AtomicUsize::new(0));
    let counter =
        Counter(Arc::clone(&made)).with_filter(dynamic_filter_fn(|_, _| on_export_thread()));
    // The receiver's threads are another process's in real life.
    let test = std::thread::current().id();
    let ours =
        dynamic_filter_fn(move |_, _| on_export_thread() || std::thread::current().id() == test);
    let layer = tracing_layer(&telemetry).with_filter(ours);
    let subscriber = tracing_subscriber::registry().with(counter).with(layer);
    tracing::subscriber::set_global_default(subscriber).unwrap();

    info_span!("work", tenant = "acme").in_scope(|| ());
    let report = telemetry.force_flush_blocking(Duration::from_secs(20));
    assert!(report.is_complete(), "{report:?}");
    assert!(
        made.load(Ordering::SeqCst) > 0,
        "the export made no spans to leave out"
    );
    assert_eq!(receiver.names(), ["work"]);
    assert_eq!(telemetry.get_stats().spans.created, 1);
}
