//! Backends without OTLP.

use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use roost::config::BatchExportConfig;
use roost::contract::{Attribute, ExportOutcome, ProviderError, Span};
use roost::export::{Destination, Protocol, RequestLimits, SpanSink};

use crate::fixture::{LONG, Resolver, config, destination, flush, project, span, start, until};
use crate::receiver::Receiver;

/// A sink whose calls keep the thread they run on until they are let go.
#[derive(Debug)]
struct Busy(Mutex<mpsc::Receiver<()>>);

impl SpanSink for Busy {
    fn name(&self) -> &str {
        "busy"
    }

    fn export<'a>(
        &'a self,
        _: &'a [Attribute],
        spans: &'a [Span],
    ) -> BoxFuture<'a, Result<ExportOutcome, ProviderError>> {
        async {
            let _ = self.0.lock().unwrap().recv_timeout(LONG);
            Ok(ExportOutcome {
                accepted: spans.len().try_into().unwrap(),
                rejected: Vec::new(),
            })
        }
        .boxed()
    }
}

/// A provider that computes, or blocks its thread, while it takes spans holds up no others.
#[test]
fn a_busy_sink_delays_its_own_spans_only() {
    let (let_go, told) = mpsc::channel();
    let sink: Arc<dyn SpanSink> = Arc::new(Busy(Mutex::new(told)));
    let willing = Receiver::willing(Protocol::Grpc);
    let over_otlp = destination(&willing);
    let resolver = Resolver::new(move |project, _| {
        Ok(match project.tenant_id() {
            "acme" => Destination::Sink {
                sink: Arc::clone(&sink),
                limits: RequestLimits::default(),
            },
            _ => over_otlp.clone().into(),
        })
    });
    let config = BatchExportConfig {
        schedule_delay_millis: 10,
        ..config()
    };
    let pipeline = start(&config, &resolver);
    let (acme, globex) = (project("acme"), project("globex"));
    for round in 1..=5 {
        span(&pipeline, &acme, "slow");
        span(&pipeline, &globex, "work");
        until(&pipeline, |stats| stats.delivered == round);
    }
    assert_eq!((acme.stats().queued, globex.stats().delivered), (5, 5));
    // A flush keeps its deadline all the same.
    let report = pipeline.force_flush_blocking(Duration::from_millis(50));
    assert_eq!(report.left, 5);
    drop(let_go);
    flush(&pipeline);
    assert_eq!(acme.stats().delivered, 5);
}
