//! Code that is written for OpenTelemetry's interface.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderMap, HeaderValue};
use opentelemetry::trace::{
    Event, Link, Span as _, SpanContext, SpanId, SpanKind, Status, TraceContextExt, TraceFlags,
    TraceId, TraceState, Tracer, TracerProvider,
};
use opentelemetry::{Context, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind as SeenKind;

use crate::fixture::{Application, string, values};

/// Everything that a builder and a span can be told arrives.
#[test]
fn a_span_says_what_it_was_told() {
    let app = Application::start("");
    let tracer = app.telemetry.tracer("acme").with_service("routing");
    let start = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    let later = |seconds| start + Duration::from_secs(seconds);
    let other = SpanContext::new(
        TraceId::from(7),
        SpanId::from(8),
        TraceFlags::SAMPLED,
        true,
        TraceState::default(),
    );
    let mut span = tracer
        .span_builder("before")
        .with_kind(SpanKind::Client)
        .with_start_time(start)
        .with_attributes([KeyValue::new("peer", "index")])
        .with_events(vec![Event::new("asked", later(1), Vec::new(), 0)])
        .with_links(vec![Link::with_context(other.clone())])
        .start(&tracer);
    assert!(span.is_recording());
    span.update_name("ask");
    span.set_attributes([
        KeyValue::new("documents", 3),
        KeyValue::new("peer", "other"),
    ]);
    span.add_event_with_timestamp("answered", later(2), vec![KeyValue::new("ok", true)]);
    span.add_link(other, Vec::new());
    span.record_error(&std::io::Error::other("the index is gone"));
    span.set_status(Status::error("gone"));
    let id = span.span_context().span_id();
    span.end_with_timestamp(later(3));
    assert!(!span.is_recording());
    drop(span);

    let seen = app.span("ask");
    assert_eq!(seen.project, "cogniverse-acme-routing");
    assert_eq!(seen.span.span_id, id.to_bytes());
    assert!(seen.is_root());
    assert_eq!(seen.span.kind(), SeenKind::Client);
    let nanos = |time: SystemTime| time.duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64;
    assert_eq!(seen.span.start_time_unix_nano, nanos(start));
    assert_eq!(seen.span.end_time_unix_nano, nanos(later(3)));
    let attributes = seen.attributes();
    assert_eq!(attributes["peer"], string("other"));
    assert_eq!(attributes["documents"], Value::IntValue(3));
    assert_eq!(attributes["tenant.id"], string("acme"));
    assert_eq!(seen.event("asked").time_unix_nano, nanos(later(1)));
    let answered = seen.event("answered");
    assert_eq!(answered.time_unix_nano, nanos(later(2)));
    assert_eq!(values(&answered.attributes)["ok"], Value::BoolValue(true));
    let error = values(&seen.event("exception").attributes);
    assert_eq!(error["exception.message"], string("the index is gone"));
    assert_eq!(seen.status(), (2, "gone".to_owned()));
    assert_eq!(seen.span.links.len(), 2);
}

/// Both interfaces share OpenTelemetry's current span, in either order.
#[test]
fn spans_of_both_interfaces_nest_in_each_other() {
    let app = Application::start("");
    let telemetry = &app.telemetry;
    let tracer = telemetry.tracer("acme");
    telemetry.span("one", "acme").in_scope(|_| {
        tracer.in_span("two", |context| {
            context.span().set_attribute(KeyValue::new("deep", true));
            telemetry.span("three", "acme").in_scope(|_| {
                let here = Context::current();
                tracer.start_with_context("four", &here).end();
            });
        });
    });
    let [one, two, three, four] = ["one", "two", "three", "four"].map(|name| app.span(name));
    assert!(one.is_root());
    assert!(two.is_child_of(&one) && three.is_child_of(&two) && four.is_child_of(&three));
    assert_eq!(two.attributes()["deep"], Value::BoolValue(true));
}

/// The caller puts the tracer's span into a context itself; still every project has traces of
/// its own below, whichever interface makes them, and links within a tenant only.
#[test]
fn a_span_of_another_project_begins_its_own_trace() {
    let app = Application::start("");
    let telemetry = &app.telemetry;
    let acme = telemetry.tracer("acme");
    let routing = telemetry.tracer("acme").with_service("routing");
    let globex = telemetry.tracer("globex");
    telemetry.span("acme", "acme").in_scope(|_| {
        globex.in_span("globex", |_| {
            // The innermost of ours in the context is acme's; the current one is globex's.
            telemetry.span("globex child", "globex").in_scope(|_| ());
            telemetry.span("acme again", "acme").in_scope(|_| ());
            acme.in_span("acme third", |_| ());
        });
        routing.in_span("routing", |_| ());
    });
    let names = [
        "acme",
        "globex",
        "globex child",
        "acme again",
        "acme third",
        "routing",
    ];
    let [acme, globex, child, again, third, routing] = names.map(|name| app.span(name));
    assert!(child.is_child_of(&globex));
    for root in [&globex, &again, &third] {
        assert!(root.is_root() && root.span.links.is_empty(), "{root:?}");
    }
    assert!(routing.is_root() && routing.links_to(&acme));
    let mut traces = [&acme, &globex, &again, &third, &routing].map(|it| &it.span.trace_id);
    traces.sort();
    assert!(traces.windows(2).all(|pair| pair[0] != pair[1]));
}

/// What a global provider is for: a library's spans belong to the tenant they are made for.
#[test]
fn a_provider_that_follows_the_context_makes_spans_of_its_tenant() {
    let app = Application::start("");
    let provider = app
        .telemetry
        .tracer_provider("shared")
        .with_service("libraries")
        .following_context();
    let scope = InstrumentationScope::builder("redis")
        .with_version("1.2")
        .build();
    let library = provider.tracer_with_scope(scope);
    let span = app.telemetry.span("request", "acme").service("routing");
    span.in_scope(|_| library.in_span("GET", |_| library.in_span("connect", |_| ())));
    library.in_span("ping", |_| ());

    let [request, get, connect] = ["request", "GET", "connect"].map(|name| app.span(name));
    assert!(get.is_child_of(&request) && connect.is_child_of(&get));
    assert_eq!(get.text("otel.scope.name"), "redis");
    assert_eq!(get.text("otel.scope.version"), "1.2");
    assert_eq!(app.span("ping").project, "cogniverse-shared-libraries");
}

/// The trace of a request that comes in is no way to choose a tenant.
#[test]
fn a_provider_that_follows_the_context_does_not_follow_a_header() {
    let app = Application::start("");
    let caller = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let headers: HeaderMap = [(
        http::HeaderName::from_static("traceparent"),
        HeaderValue::from_static(caller),
    )]
    .into_iter()
    .collect();
    let entered = app.telemetry.extract(&headers).attach();
    app.telemetry.span("request", "acme").in_scope(|_| ());
    let library = app.telemetry.tracer_provider("shared").following_context();
    library.tracer("redis").in_span("ping", |_| ());
    drop(entered);

    let request = app.span("request").span;
    assert_eq!(request.trace_id[..4], [0x0a, 0xf7, 0x65, 0x19]);
    assert_eq!(request.parent_span_id[..4], [0xb7, 0xad, 0x6b, 0x71]);
    let ping = app.span("ping");
    assert_eq!(ping.project, "cogniverse-shared-video-search");
    assert!(ping.is_root());
}

/// A trace goes out in headers and comes back in another process, which are here the same.
#[test]
fn a_trace_goes_on_where_its_headers_arrive() {
    let (client, server) = (Application::start(""), Application::start(""));
    let mut headers = HeaderMap::new();
    client.telemetry.span("ask", "acme").in_scope(|_| {
        client.telemetry.inject(&Context::current(), &mut headers);
    });
    let entered = server.telemetry.extract(&headers).attach();
    server.telemetry.span("answer", "acme").in_scope(|_| ());
    drop(entered);
    let again = server.telemetry.span("again", "acme").caller(&headers);
    again.in_scope(|_| server.telemetry.span("step", "acme").in_scope(|_| ()));
    let ask = client.span("ask");
    assert!(server.span("answer").is_child_of(&ask));
    let again = server.span("again");
    assert!(again.is_child_of(&ask) && server.span("step").is_child_of(&again));
}

/// Without telemetry, and for a tenant that cannot be, the work runs and contexts pass through.
#[test]
fn a_span_that_cannot_be_made_passes_its_parent_on() {
    let app = Application::start("");
    app.telemetry.span("outer", "acme").in_scope(|_| {
        app.telemetry
            .tracer("no/tenant")
            .in_span("lost", |context| {
                assert!(!context.span().is_recording());
                app.telemetry.span("inner", "acme").in_scope(|_| ());
            });
    });
    assert_eq!(app.names(), ["inner", "outer"]);
    assert!(app.span("inner").is_child_of(&app.span("outer")));
    assert_eq!(app.telemetry.get_stats().failed_initializations, 1);
}
