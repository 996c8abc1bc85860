//! What answers mean.

use prost::Message;
use roost::config::BatchExportConfig;
use roost::export::{Dropped, Protocol};
use tonic::Code;

use crate::fixture::{Resolver, config, flush, project, span, start, until};
use crate::receiver::{Answer, Received, Receiver};

const GRPC: Protocol = Protocol::Grpc;
const HTTP: Protocol = Protocol::HttpProtobuf;

/// `google.rpc.Status` with a `RetryInfo` of so many seconds.
fn retry_info(seconds: i64) -> Vec<u8> {
    #[derive(Message)]
    struct Status {
        #[prost(message, repeated, tag = "3")]
        details: Vec<Any>,
    }
    #[derive(Message)]
    struct Any {
        #[prost(string, tag = "1")]
        type_url: String,
        #[prost(message, tag = "2", required)]
        value: RetryInfo,
    }
    #[derive(Message)]
    struct RetryInfo {
        #[prost(message, tag = "1", required)]
        delay: Delay,
    }
    #[derive(Message)]
    struct Delay {
        #[prost(int64, tag = "1")]
        seconds: i64,
    }
    let value = RetryInfo {
        delay: Delay { seconds },
    };
    let type_url = "type.googleapis.com/google.rpc.RetryInfo".to_owned();
    let details = vec![Any { type_url, value }];
    Status { details }.encode_to_vec()
}

fn http(status: u16) -> Answer {
    Answer::Http(status, vec![], "as the test says")
}

/// Sends spans named `0`, `1`, ... of one tenant; gives back how many were delivered, what was
/// dropped, and the requests it took.
fn send(
    spans: usize,
    protocol: Protocol,
    script: impl Fn(&Received, usize) -> Answer + Send + Sync + 'static,
) -> (u64, Dropped, Vec<Received>) {
    let receiver = Receiver::start(protocol, script);
    let pipeline = start(&config(), &Resolver::to(&receiver));
    let acme = project("acme");
    for n in 0..spans {
        span(&pipeline, &acme, &n.to_string());
    }
    flush(&pipeline);
    let stats = pipeline.stats();
    assert_eq!(stats.created, spans as u64);
    assert_eq!(stats.queued, 0);
    assert_eq!(
        acme.stats(),
        stats,
        "one project: its counters are the pipeline's"
    );
    (stats.delivered, stats.dropped, receiver.received())
}

/// Overload and outages pass; the spans arrive once the backend is back.
#[test]
fn what_may_pass_is_tried_again() {
    let passing = [
        (GRPC, Answer::Grpc(Code::Unavailable, vec![])),
        (GRPC, Answer::Grpc(Code::Aborted, vec![])),
        (GRPC, Answer::Grpc(Code::ResourceExhausted, retry_info(0))),
        (HTTP, http(429)),
        (HTTP, http(503)),
        (
            HTTP,
            Answer::Http(503, vec![("retry-after", "0".into())], ""),
        ),
    ];
    for (protocol, answer) in passing {
        let shown = format!("{answer:?}");
        let (delivered, dropped, requests) = send(3, protocol, move |_, nth| match nth {
            0 | 1 => answer.clone(),
            _ => Answer::Taken,
        });
        assert_eq!(
            (delivered, dropped.total(), requests.len()),
            (3, 0, 3),
            "{shown}"
        );
    }
}

/// A backend that wants to be left alone for longer than the spans may wait is not asked again.
#[test]
fn a_backend_that_asks_for_too_long_a_pause_is_given_up() {
    let in_an_hour = (jiff::Timestamp::now() + jiff::SignedDuration::from_hours(1))
        .strftime("%a, %d %b %Y %H:%M:%S GMT")
        .to_string();
    let pausing = [
        (GRPC, Answer::Grpc(Code::Unavailable, retry_info(3_600))),
        (
            HTTP,
            Answer::Http(429, vec![("retry-after", "3600".into())], ""),
        ),
        (
            HTTP,
            Answer::Http(503, vec![("retry-after", in_an_hour)], ""),
        ),
    ];
    for (protocol, answer) in pausing {
        let shown = format!("{answer:?}");
        let (_, dropped, requests) = send(3, protocol, move |_, _| answer.clone());
        assert_eq!((dropped.export_failed, requests.len()), (3, 1), "{shown}");
    }
}

/// What can never succeed is not tried again and not cut up.
#[test]
fn a_refusal_is_final() {
    let page = vec![("content-type", "text/html; charset=utf-8".into())];
    let away = vec![("location", "http://127.0.0.1:1/".into())];
    let final_ones = [
        (GRPC, Answer::Grpc(Code::Unauthenticated, vec![])),
        (GRPC, Answer::Grpc(Code::PermissionDenied, vec![])),
        (GRPC, Answer::Grpc(Code::Unimplemented, vec![])),
        (HTTP, http(401)),
        (HTTP, http(404)),
        (HTTP, Answer::Http(200, page, "<html>")),
        (HTTP, Answer::Http(307, away, "")),
    ];
    for (protocol, answer) in final_ones {
        let shown = format!("{answer:?}");
        let (_, dropped, requests) = send(3, protocol, move |_, _| answer.clone());
        assert_eq!((dropped.rejected, requests.len()), (3, 1), "{shown}");
    }
}

/// A backend that takes a part says how many it did not take, and is not asked again.
#[test]
fn a_partial_success_is_counted() {
    for protocol in [GRPC, HTTP] {
        for (claimed, lost) in [(3, 3), (0, 0), (99, 10), (-1, 0)] {
            let (delivered, dropped, requests) =
                send(10, protocol, move |_, _| Answer::Partial(claimed));
            assert_eq!((delivered, dropped.rejected), (10 - lost, lost));
            assert_eq!(requests.len(), 1);
        }
    }
}

/// Which spans a partial success means is unknown; projects lose in proportion.
#[test]
fn a_partial_loss_falls_on_projects_in_proportion() {
    let receiver = Receiver::start(GRPC, |_, _| Answer::Partial(3));
    let pipeline = start(&config(), &Resolver::to(&receiver));
    let (acme, globex) = (project("acme"), project("globex"));
    for n in 0..9 {
        let owner = if n % 3 == 0 { &globex } else { &acme };
        span(&pipeline, owner, "work");
    }
    flush(&pipeline);
    assert_eq!(acme.stats().dropped.rejected, 2);
    assert_eq!(globex.stats().dropped.rejected, 1);
}

/// A request that is too large arrives in parts.
#[test]
fn too_large_a_request_is_cut() {
    let too_large = [
        (GRPC, Answer::Grpc(Code::ResourceExhausted, vec![])),
        (HTTP, http(413)),
    ];
    for (protocol, answer) in too_large {
        let (delivered, dropped, _) = send(100, protocol, move |received, _| {
            if received.spans().count() > 10 {
                answer.clone()
            } else {
                Answer::Taken
            }
        });
        assert_eq!((delivered, dropped.total()), (100, 0));
    }
}

/// A span the backend cannot stand is lost alone.
#[test]
fn a_bad_span_loses_itself_alone() {
    let stumbling = [
        (GRPC, Answer::Grpc(Code::InvalidArgument, vec![])),
        (GRPC, Answer::Grpc(Code::Unknown, vec![])),
        (HTTP, http(400)),
        (HTTP, http(422)),
        (HTTP, http(500)),
    ];
    for (protocol, answer) in stumbling {
        let (delivered, dropped, requests) = send(100, protocol, move |received, _| {
            if received.has_span("13") || received.has_span("77") {
                answer.clone()
            } else {
                Answer::Taken
            }
        });
        assert_eq!((delivered, dropped.rejected), (98, 2));
        assert!(requests.len() < 40, "{} requests", requests.len());
    }
}

/// And it is the loss of the tenant who sent it.
#[test]
fn a_bad_span_costs_its_own_tenant() {
    let receiver = Receiver::start(GRPC, |received, _| {
        if received.has_span("bad") {
            Answer::Grpc(Code::InvalidArgument, vec![])
        } else {
            Answer::Taken
        }
    });
    let pipeline = start(&config(), &Resolver::to(&receiver));
    let (acme, globex) = (project("acme"), project("globex"));
    for n in 0..20 {
        span(&pipeline, &acme, "good");
        span(&pipeline, &globex, if n == 7 { "bad" } else { "good" });
    }
    flush(&pipeline);
    assert_eq!(acme.stats().delivered, 20);
    assert_eq!(
        (globex.stats().delivered, globex.stats().dropped.rejected),
        (19, 1)
    );
}

/// A backend that refuses everything is not flooded with halves.
#[test]
fn a_backend_that_refuses_everything_is_spared() {
    let (_, dropped, requests) = send(512, HTTP, |_, _| http(400));
    assert_eq!(dropped.rejected, 512);
    assert!(requests.len() <= 129, "{} requests", requests.len());
}

/// When the time for an export is over its spans are given up.
#[test]
fn an_outage_ends_in_counted_loss() {
    let receiver = Receiver::start(GRPC, |_, _| Answer::Grpc(Code::Unavailable, vec![]));
    let config = BatchExportConfig {
        export_timeout_millis: 300,
        ..config()
    };
    let pipeline = start(&config, &Resolver::to(&receiver));
    span(&pipeline, &project("acme"), "work");
    assert_eq!(flush(&pipeline).dropped, 1);
    assert_eq!(pipeline.stats().dropped.export_failed, 1);
}

/// A backend that is started again is found again, over either protocol.
#[test]
fn a_broken_connection_is_made_anew() {
    for protocol in [GRPC, HTTP] {
        let receiver = Receiver::willing(protocol);
        let pipeline = start(&config(), &Resolver::to(&receiver));
        let acme = project("acme");
        span(&pipeline, &acme, "before");
        flush(&pipeline);
        let away = receiver.leave();
        span(&pipeline, &acme, "meanwhile");
        let report = pipeline.force_flush_blocking(std::time::Duration::from_millis(100));
        assert_eq!(report.left, 1);
        let receiver = away.come(|_, _| Answer::Taken);
        span(&pipeline, &acme, "after");
        flush(&pipeline);
        until(&pipeline, |stats| stats.delivered == 3);
        assert_eq!(receiver.names(), ["after", "meanwhile"]);
    }
}

/// So does a backend that takes connections and never answers.
#[test]
fn a_silent_backend_ends_in_counted_loss() {
    for protocol in [GRPC, HTTP] {
        let receiver = Receiver::start(protocol, |_, _| Answer::Silence);
        let config = BatchExportConfig {
            export_timeout_millis: 300,
            ..config()
        };
        let pipeline = start(&config, &Resolver::to(&receiver));
        span(&pipeline, &project("acme"), "work");
        assert_eq!(flush(&pipeline).dropped, 1);
        assert_eq!(pipeline.stats().dropped.export_failed, 1);
    }
}

/// A connection that is closed in the middle of a request is tried again, and the span arrives
/// once somebody answers.
#[test]
fn a_connection_that_closes_in_the_middle_is_tried_again() {
    for protocol in [GRPC, HTTP] {
        let rude = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = rude.local_addr().unwrap();
        let played = Receiver::played(address, protocol);
        let pipeline = start(&config(), &Resolver::to(&played));
        span(&pipeline, &project("acme"), "work");
        let flush = std::thread::spawn({
            let pipeline = pipeline.clone();
            move || flush(&pipeline)
        });
        for _ in 0..2 {
            let (mut connection, _) = rude.accept().unwrap();
            std::io::Read::read_exact(&mut connection, &mut [0; 24]).unwrap();
        }
        drop(rude);
        let receiver = played.come(|_, _| Answer::Taken);
        assert_eq!(flush.join().unwrap().delivered, 1);
        assert_eq!(receiver.names(), ["work"]);
    }
}
