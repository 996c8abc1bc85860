//! Applications that have an OpenTelemetry SDK.

use std::time::{Duration, UNIX_EPOCH};

use opentelemetry::baggage::BaggageExt as _;
use opentelemetry::trace::{Span as _, SpanKind, Status, TraceContextExt, Tracer, TracerProvider};
use opentelemetry::{Context, KeyValue};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind as SeenKind;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use roost::manager::TenantSpanProcessor;

use crate::fixture::{Application, string};

fn provider(processor: TenantSpanProcessor) -> SdkTracerProvider {
    SdkTracerProvider::builder()
        .with_span_processor(processor)
        .build()
}

/// Ids, times and all the rest arrive as the SDK made them.
#[test]
fn a_span_of_an_sdk_arrives_as_it_is() {
    let app = Application::start("");
    let processor = app.telemetry.span_processor().with_service("routing");
    let provider = provider(processor.with_tenant("acme"));
    let tracer = provider.tracer("shop");
    let start = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    let mut order = tracer
        .span_builder("order")
        .with_kind(SpanKind::Server)
        .with_start_time(start)
        .with_attributes([KeyValue::new("items", 3)])
        .start(&tracer);
    order.add_event("paid", vec![KeyValue::new("euros", 4.5)]);
    order.set_status(Status::error("sold out"));
    let context = order.span_context().clone();
    let parent = Context::new().with_span(order);
    tracer.start_with_context("pay", &parent).end();
    let end = start + Duration::from_secs(1);
    parent.span().end_with_timestamp(end);
    provider.force_flush().unwrap();

    let order = app.span("order");
    assert_eq!(order.project, "cogniverse-acme-routing");
    assert_eq!(order.span.trace_id, context.trace_id().to_bytes());
    assert_eq!(order.span.span_id, context.span_id().to_bytes());
    assert!(order.is_root());
    assert_eq!(order.span.kind(), SeenKind::Server);
    assert_eq!(order.span.start_time_unix_nano, 1_700_000_000_000_000_000);
    assert_eq!(order.span.end_time_unix_nano, 1_700_000_001_000_000_000);
    assert_eq!(order.attributes()["items"], Value::IntValue(3));
    assert_eq!(order.text("tenant.id"), "acme");
    assert_eq!(order.text("otel.scope.name"), "shop");
    assert_eq!(order.event("paid").attributes.len(), 1);
    assert_eq!(order.status(), (2, "sold out".to_owned()));
    assert!(app.span("pay").is_child_of(&order));
}

/// The attribute comes before the baggage, and that before the processor's tenant.
#[test]
fn the_tenant_is_told_by_attribute_by_baggage_or_by_the_processor() {
    let app = Application::start("");
    let processor = app.telemetry.span_processor().with_baggage("tenant");
    let provider = provider(processor);
    let tracer = provider.tracer("shop");
    let from_acme = Context::new().with_baggage([KeyValue::new("tenant", "acme")]);
    tracer.start_with_context("by baggage", &from_acme).end();
    let told = tracer
        .span_builder("by attribute")
        .with_attributes([KeyValue::new("tenant.id", "globex")]);
    tracer.build_with_context(told, &from_acme).end();
    tracer
        .start_with_context("by nobody", &Context::new())
        .end();

    let project = |name| app.span(name).project;
    assert_eq!(project("by baggage"), "cogniverse-acme-video-search");
    assert_eq!(project("by attribute"), "cogniverse-globex-video-search");
    assert_eq!(project("by nobody"), "cogniverse-default-video-search");
}

/// A backend would file them all under one project.
#[test]
fn tenants_in_one_trace_are_filed_apart() {
    let app = Application::start("");
    let provider = provider(app.telemetry.span_processor());
    let tracer = provider.tracer("shop");
    let of = |name: &'static str, tenant: &'static str| {
        let attributes = [KeyValue::new("tenant.id", tenant)];
        tracer.span_builder(name).with_attributes(attributes)
    };
    tracer.in_span_with_builder(of("acme", "acme"), |_| {
        tracer.in_span_with_builder(of("acme child", "acme"), |_| ());
        tracer.in_span_with_builder(of("globex", "globex"), |_| {
            tracer.in_span_with_builder(of("globex child", "globex"), |_| ());
            tracer.in_span_with_builder(of("acme below globex", "acme"), |_| ());
        });
    });
    let names = [
        "acme",
        "acme child",
        "globex",
        "globex child",
        "acme below globex",
    ];
    let [acme, acme_child, globex, globex_child, below] = names.map(|name| app.span(name));
    assert!(acme_child.is_child_of(&acme));
    assert!(globex_child.is_child_of(&globex));
    assert_ne!(acme.span.trace_id, globex.span.trace_id);
    assert_eq!(below.span.trace_id, acme.span.trace_id);
    for seen in [acme, globex, below] {
        assert!(seen.span.parent_span_id.is_empty(), "{}", seen.span.name);
    }
}

/// The SDK's sampler decides; tenants that cannot be are counted.
#[test]
fn what_the_sdk_does_not_sample_does_not_arrive() {
    let app = Application::start("");
    let quiet = SdkTracerProvider::builder()
        .with_sampler(Sampler::AlwaysOff)
        .with_span_processor(app.telemetry.span_processor())
        .build();
    quiet.tracer("shop").start("unsampled").end();
    let invalid = provider(app.telemetry.span_processor().with_tenant("no/tenant"));
    invalid.tracer("shop").start("lost").end();
    assert_eq!(app.names(), [""; 0]);
    assert_eq!(app.telemetry.get_stats().failed_initializations, 1);
}

/// A provider that ends waits for its spans and leaves the manager alone.
#[test]
fn a_provider_that_ends_delivers_and_others_go_on() {
    let app = Application::start("");
    let provider = provider(app.telemetry.span_processor());
    provider.tracer("shop").start("last").end();
    provider.shutdown().unwrap();
    assert_eq!(app.telemetry.get_stats().spans.delivered, 1);
    app.telemetry.span("after", "acme").in_scope(|_| ());
    assert_eq!(app.span("after").text("tenant.id"), "acme");
    assert_eq!(
        app.span("last").attributes()["environment"],
        string("development")
    );
}
