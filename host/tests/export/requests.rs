//! What requests hold.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use http::{HeaderName, HeaderValue};
use opentelemetry::KeyValue;
use opentelemetry::trace::{Span, SpanBuilder, SpanContext, Status};
use prost::Message;
use roost::config::BatchExportConfig;
use roost::export::{OtlpDestination, Protocol, RecordingSpan, Routing};

use crate::fixture::{PROJECT, Resolver, config, destination, flush, open, project, span, start};
use crate::receiver::{Receiver, text};

const PROTOCOLS: [Protocol; 2] = [Protocol::Grpc, Protocol::HttpProtobuf];

/// Three tenants, one request, and each span under its own project.
#[test]
fn projects_share_a_request_and_stay_apart_in_it() {
    for protocol in PROTOCOLS {
        let receiver = Receiver::willing(protocol);
        let pipeline = start(&config(), &Resolver::to(&receiver));
        let projects = ["acme", "globex", "initech"].map(project);
        for round in 0..2 {
            for project in &projects {
                let name = format!("{} {round}", project.tenant_id());
                span(&pipeline, project, &name);
            }
        }
        assert_eq!(flush(&pipeline).delivered, 6);

        let received = receiver.received();
        assert_eq!(received.len(), 1);
        let expected = projects.each_ref().map(|project| {
            let tenant = project.tenant_id();
            let names = vec![format!("{tenant} 0"), format!("{tenant} 1")];
            (project.name().to_owned(), names)
        });
        assert_eq!(received[0].names_by(PROJECT), HashMap::from(expected));
    }
}

/// Headers, resource and span attributes and the session's arrive; a destination's resource
/// attribute replaces the project's.
#[test]
fn what_a_destination_and_a_session_ask_for_is_added() {
    for protocol in PROTOCOLS {
        let receiver = Receiver::willing(protocol);
        let token = HeaderValue::from_static("Bearer hush");
        let mut answer =
            destination(&receiver).with_header(HeaderName::from_static("authorization"), token);
        answer.resource_attributes = vec![KeyValue::new("tenant.id", "replaced")];
        answer.span_attributes = vec![KeyValue::new("extra", "yes")];
        let pipeline = start(&config(), &Resolver::new(move |_, _| Ok(answer.clone())));
        let builder = SpanBuilder::from_name("work");
        let session = Some(Arc::from("s1"));
        let root = SpanContext::empty_context();
        RecordingSpan::start(&pipeline, project("acme"), session, builder, &root).end();
        assert_eq!(flush(&pipeline).delivered, 1);

        let received = receiver.received().remove(0);
        assert_eq!(received.headers["authorization"], "Bearer hush");
        let resource = &received.request.resource_spans[0].resource;
        let resource = &resource.as_ref().unwrap().attributes;
        assert_eq!(text(resource, "tenant.id").unwrap(), "replaced");
        assert_eq!(text(resource, "service.name").unwrap(), "search");
        let keys: HashSet<_> = resource.iter().map(|attribute| &attribute.key).collect();
        assert_eq!(keys.len(), resource.len(), "each key once");
        let scope = received.request.resource_spans[0].scope_spans[0]
            .scope
            .clone();
        assert_eq!(scope.unwrap().name, "roost");
        let span = received.spans().next().unwrap();
        assert_eq!(text(&span.attributes, "extra").unwrap(), "yes");
        assert_eq!(
            text(&span.attributes, "session.id").unwrap(),
            "acme-search:s1"
        );
    }
}

/// Where a header names the project, a request holds one project only.
#[test]
fn a_project_named_by_a_header_has_requests_of_its_own() {
    for protocol in PROTOCOLS {
        let receiver = Receiver::willing(protocol);
        let answer = OtlpDestination::new(protocol, receiver.endpoint(), Routing::Headers);
        let resolver = Resolver::new(move |project, _| {
            let name = HeaderValue::from_str(project.name()).unwrap();
            Ok(answer
                .clone()
                .with_header(HeaderName::from_static("x-project"), name))
        });
        let pipeline = start(&config(), &resolver);
        let projects = ["acme", "globex"].map(project);
        for project in projects.iter().cycle().take(6) {
            span(&pipeline, project, project.name());
        }
        assert_eq!(flush(&pipeline).delivered, 6);

        let received = receiver.received();
        assert_eq!(received.len(), 2);
        for request in received {
            let named = request.headers["x-project"].to_str().unwrap().to_owned();
            assert!(request.spans().all(|span| span.name == named));
        }
    }
}

/// Spans under another credential are in another request, though the endpoint is the same.
#[test]
fn credentials_are_not_mixed() {
    let receiver = Receiver::willing(Protocol::Grpc);
    let answer = destination(&receiver);
    let resolver = Resolver::new(move |project, _| {
        let key = HeaderValue::from_str(project.tenant_id()).unwrap();
        Ok(answer
            .clone()
            .with_header(HeaderName::from_static("api-key"), key))
    });
    let pipeline = start(&config(), &resolver);
    for tenant in ["acme", "globex"] {
        span(&pipeline, &project(tenant), tenant);
    }
    assert_eq!(flush(&pipeline).delivered, 2);
    for request in receiver.received() {
        let key = request.headers["api-key"].to_str().unwrap().to_owned();
        assert!(request.spans().all(|span| span.name == key));
    }
}

/// No request is longer than configured, and a full batch does not wait for its time.
#[test]
fn a_request_holds_so_many_spans_at_most() {
    let receiver = Receiver::willing(Protocol::Grpc);
    let config = BatchExportConfig {
        max_export_batch_size: 8,
        ..config()
    };
    let pipeline = start(&config, &Resolver::to(&receiver));
    let acme = project("acme");
    for n in 0..20 {
        span(&pipeline, &acme, &format!("{n:02}"));
    }
    crate::fixture::until(&pipeline, |stats| stats.delivered == 16);
    flush(&pipeline);
    let sizes: Vec<_> = receiver
        .received()
        .iter()
        .map(|r| r.spans().count())
        .collect();
    assert!(sizes.iter().all(|size| *size <= 8), "{sizes:?}");
    assert_eq!(
        receiver.names(),
        (0..20).map(|n| format!("{n:02}")).collect::<Vec<_>>()
    );
}

/// A common gRPC server refuses 4 MiB (the receiver does), so requests end before; a destination
/// may want less.
#[test]
fn a_request_holds_so_many_bytes_at_most() {
    let receiver = Receiver::willing(Protocol::Grpc);
    let mut answer = destination(&receiver);
    answer.limits.bytes = 1_000_000;
    let narrow = Arc::new(answer);
    let wide = Arc::new(destination(&receiver));
    for (limit, answer) in [(1_000_000, narrow), (3_670_016, wide)] {
        let before = receiver.received().len();
        let pipeline = start(&config(), &Resolver::new(move |_, _| Ok((*answer).clone())));
        let acme = project("acme");
        for _ in 0..20 {
            let mut span = open(&pipeline, &acme, "large");
            span.set_attribute(KeyValue::new("input.value", "x".repeat(400_000)));
        }
        flush(&pipeline);
        assert_eq!(pipeline.stats().delivered, 20);
        let requests = receiver.received().split_off(before);
        let bytes = requests.iter().map(|request| request.request.encoded_len());
        assert!(bytes.max().unwrap() <= limit);
        let spans = requests.iter().map(|request| request.spans().count());
        assert_eq!(
            spans.max().unwrap(),
            limit / 400_300,
            "no smaller than need be"
        );
    }
}

/// A span that is larger than a request may be goes alone.
#[test]
fn a_span_too_large_for_its_destination_is_sent_alone() {
    let receiver = Receiver::willing(Protocol::HttpProtobuf);
    let pipeline = start(&config(), &Resolver::to(&receiver));
    let acme = project("acme");
    span(&pipeline, &acme, "small");
    let mut large = open(&pipeline, &acme, "large");
    large.set_attribute(KeyValue::new("input.value", "x".repeat(5_000_000)));
    drop(large);
    assert_eq!(flush(&pipeline).delivered, 2);
    assert_eq!(receiver.received().len(), 2);
}

/// The resolver's answer is kept: a second batch asks for nothing.
#[test]
fn a_destination_is_asked_for_once() {
    let receiver = Receiver::willing(Protocol::Grpc);
    let resolver = Resolver::to(&receiver);
    let pipeline = start(&config(), &resolver);
    let acme = project("acme");
    for _ in 0..3 {
        span(&pipeline, &acme, "work");
        flush(&pipeline);
    }
    assert_eq!(resolver.asked(), 1);
    // The same project made anew may have a new destination.
    span(&pipeline, &project("acme"), "work");
    flush(&pipeline);
    assert_eq!(resolver.asked(), 2);
}

/// What OpenTelemetry says of a span's life: OK is final, a child joins its parent's trace, and
/// nothing is recorded after the end.
#[test]
fn a_span_lives_by_the_rules() {
    let receiver = Receiver::willing(Protocol::Grpc);
    let pipeline = start(&config(), &Resolver::to(&receiver));
    let acme = project("acme");
    let mut parent = open(&pipeline, &acme, "before");
    parent.update_name("parent");
    parent.set_status(Status::Ok);
    parent.set_status(Status::error("too late"));
    let builder = SpanBuilder::from_name("child");
    let context = parent.span_context().clone();
    let mut child = RecordingSpan::start(&pipeline, acme, None, builder, &context);
    child.set_status(Status::error("broken"));
    child.set_status(Status::Unset);
    child.end();
    assert!(!child.is_recording());
    child.set_attribute(KeyValue::new("late", true));
    child.end();
    drop(child);
    drop(parent);
    assert_eq!(flush(&pipeline).delivered, 2);

    let received = receiver.received();
    let spans: HashMap<_, _> = received[0].spans().map(|s| (s.name.as_str(), s)).collect();
    let (parent, child) = (spans["parent"], spans["child"]);
    assert_eq!(parent.status.as_ref().unwrap().code, 1);
    assert_eq!(child.status.as_ref().unwrap().message, "broken");
    assert_eq!(child.trace_id, parent.trace_id);
    assert_eq!(child.parent_span_id, parent.span_id);
    assert_ne!(child.span_id, parent.span_id);
    assert!(parent.parent_span_id.is_empty());
    assert!(child.attributes.is_empty());
}

/// Nobody who prints a destination prints its credential.
#[test]
fn a_destination_does_not_show_its_headers() {
    let name = HeaderName::from_static("authorization");
    let destination =
        OtlpDestination::new(Protocol::Grpc, "http://localhost:4317", Routing::Headers)
            .with_header(name, HeaderValue::from_static("Bearer hush"));
    let shown = format!("{destination:?}");
    assert!(
        shown.contains("authorization") && !shown.contains("hush"),
        "{shown}"
    );
}
