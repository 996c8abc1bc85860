//! No tenant takes the room or the time of the others.

use roost::config::BatchExportConfig;
use roost::export::Protocol;

use crate::fixture::{Resolver, config, destination, flush, project, span, start, until};
use crate::receiver::{Answer, Receiver};

/// One tenant floods towards a backend that never answers; a thousand others lose nothing.
#[test]
fn a_flood_leaves_room_for_a_thousand_others() {
    let silent = Receiver::start(Protocol::Grpc, |_, _| Answer::Silence);
    let willing = Receiver::willing(Protocol::Grpc);
    let answers = [destination(&silent), destination(&willing)];
    let resolver = Resolver::new(move |project, _| {
        Ok(answers[usize::from(project.tenant_id() != "flood")].clone())
    });
    let config = BatchExportConfig {
        schedule_delay_millis: 10,
        ..config()
    };
    let pipeline = start(&config, &resolver);
    let flood = project("flood");
    for round in 0..10_u64 {
        for _ in 0..500 {
            span(&pipeline, &flood, "flood");
        }
        let others: Vec<_> = (0..100)
            .map(|n| project(&format!("t{round}-{n}")))
            .collect();
        for project in &others {
            span(&pipeline, project, "work");
        }
        until(&pipeline, |stats| stats.delivered == (round + 1) * 100);
        assert!(others.iter().all(|project| project.stats().delivered == 1));
    }
    let stats = flood.stats();
    assert_eq!((stats.created, stats.delivered), (5_000, 0));
    assert_eq!(stats.queued + stats.dropped.queue_full, 5_000);
    assert_eq!(stats.queued, 1_536, "three quarters of 2,048");
    assert_eq!(pipeline.stats().dropped.total(), stats.dropped.total());
}

/// The counters of a project go on when it is made anew, as a cache does that forgot it, and all
/// of them add up.
#[test]
fn counters_outlive_a_project() {
    let receiver = Receiver::willing(Protocol::Grpc);
    let pipeline = start(&config(), &Resolver::to(&receiver));
    for _ in 0..3 {
        span(&pipeline, &project("acme"), "work");
    }
    span(&pipeline, &project("globex"), "work");
    flush(&pipeline);
    assert_eq!(
        project("acme").stats().created,
        0,
        "not of this pipeline yet"
    );
    let counted = pipeline.project_stats();
    assert_eq!(counted.projects["acme-search"].delivered, 3);
    assert_eq!(counted.projects["globex-search"].delivered, 1);
    assert_eq!(counted.others, Default::default());
}

/// A report says of each tenant what became of its spans.
#[test]
fn a_flush_reports_each_tenant() {
    let receiver = Receiver::start(Protocol::Grpc, |received, _| {
        if received.has_span("bad") {
            Answer::Grpc(tonic::Code::InvalidArgument, vec![])
        } else {
            Answer::Taken
        }
    });
    let pipeline = start(&config(), &Resolver::to(&receiver));
    let (acme, globex) = (project("acme"), project("globex"));
    span(&pipeline, &acme, "good");
    span(&pipeline, &acme, "bad");
    span(&pipeline, &globex, "good");
    let report = flush(&pipeline);
    assert_eq!((report.delivered, report.dropped), (2, 1));
    let of = |tenant: &str| {
        let report = report.tenants[tenant];
        (report.delivered, report.dropped, report.left)
    };
    assert_eq!((of("acme"), of("globex")), ((1, 1, 0), (1, 0, 0)));
    assert!(flush(&pipeline).tenants.is_empty());
}
