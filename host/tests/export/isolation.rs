//! One tenant's trouble is not another's.

use roost::config::BatchExportConfig;
use roost::export::{OtlpDestination, Protocol, ResolveError, Routing};

use crate::fixture::{Resolver, Trouble, config, destination, flush, project, span, start, until};
use crate::receiver::{Answer, Receiver};

/// A backend that never answers holds up nobody else's spans, though they left in one batch.
#[test]
fn a_silent_backend_delays_its_own_spans_only() {
    let silent = Receiver::start(Protocol::Grpc, |_, _| Answer::Silence);
    let willing = Receiver::willing(Protocol::Grpc);
    let answers = [destination(&silent), destination(&willing)];
    let resolver = Resolver::new(move |project, _| {
        Ok(answers[usize::from(project.tenant_id() == "globex")].clone())
    });
    let config = BatchExportConfig {
        schedule_delay_millis: 10,
        ..config()
    };
    let pipeline = start(&config, &resolver);
    let (acme, globex) = (project("acme"), project("globex"));
    for _ in 0..10 {
        for project in [&acme, &globex] {
            span(&pipeline, project, "work");
        }
    }
    until(&pipeline, |stats| stats.delivered == 10);
    assert_eq!(globex.stats().delivered, 10);
    assert_eq!(acme.stats().queued, 10);
}

/// Nor does a provider that does not say where its tenant's spans go.
#[test]
fn a_silent_resolver_delays_its_own_spans_only() {
    let willing = Receiver::willing(Protocol::Grpc);
    let answer = destination(&willing);
    let resolver = Resolver::new(move |project, _| match project.tenant_id() {
        "acme" => Err(Trouble::Silence),
        _ => Ok(answer.clone()),
    });
    let config = BatchExportConfig {
        max_export_batch_size: 2,
        ..config()
    };
    let pipeline = start(&config, &resolver);
    let (acme, globex) = (project("acme"), project("globex"));
    span(&pipeline, &acme, "work");
    span(&pipeline, &globex, "work");
    until(&pipeline, |stats| stats.delivered == 1);
    assert_eq!(globex.stats().delivered, 1);
    assert_eq!(acme.stats().queued, 1);
}

/// A provider that is not there yet is asked again.
#[test]
fn a_resolver_that_cannot_answer_yet_is_asked_again() {
    let receiver = Receiver::willing(Protocol::Grpc);
    let answer = destination(&receiver);
    let resolver = Resolver::new(move |_, nth| match nth {
        0 | 1 => Err(Trouble::Error(ResolveError::Unavailable("not yet".into()))),
        _ => Ok(answer.clone()),
    });
    let pipeline = start(&config(), &resolver);
    span(&pipeline, &project("acme"), "work");
    assert_eq!(flush(&pipeline).delivered, 1);
    assert_eq!(resolver.asked(), 3);
}

/// Spans that have nowhere to go are counted as such, at once.
#[test]
fn spans_without_a_destination_are_counted() {
    let refusals: [fn() -> Result<OtlpDestination, Trouble>; 3] = [
        || {
            Err(Trouble::Error(ResolveError::Refused(
                "no such tenant".into(),
            )))
        },
        || Ok(to("localhost:4317")),
        || Ok(to("not an address")),
    ];
    for refusal in refusals {
        let resolver = Resolver::new(move |_, _| refusal());
        let pipeline = start(&config(), &resolver);
        span(&pipeline, &project("acme"), "work");
        assert_eq!(flush(&pipeline).dropped, 1);
        assert_eq!(pipeline.stats().dropped.export_failed, 1);
        assert_eq!(resolver.asked(), 1);
    }
}

fn to(endpoint: &str) -> OtlpDestination {
    OtlpDestination::new(Protocol::Grpc, endpoint, Routing::Headers)
}
