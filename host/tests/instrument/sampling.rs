//! Which traces are recorded.

use http::{HeaderMap, HeaderValue};
use opentelemetry::Context;
use opentelemetry::trace::{TraceContextExt, Tracer};

use crate::fixture::Application;

fn from_caller(app: &Application, flags: &str) -> Context {
    let caller = format!("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-{flags}");
    let mut headers = HeaderMap::new();
    headers.insert("traceparent", HeaderValue::from_str(&caller).unwrap());
    app.telemetry.extract(&headers)
}

/// By default the caller decides, and without one everything is recorded.
#[test]
fn a_caller_that_does_not_record_is_not_contradicted() {
    let app = Application::start("");
    for (flags, name) in [("01", "wanted"), ("00", "unwanted")] {
        let _entered = from_caller(&app, flags).attach();
        app.telemetry.span(name, "acme").in_scope(|_| {
            app.telemetry.tracer("acme").in_span("child", |_| ());
        });
    }
    app.telemetry.span("own", "acme").in_scope(|_| ());
    assert_eq!(app.names(), ["child", "own", "wanted"]);
    let stats = app.telemetry.get_stats();
    assert_eq!((stats.sampled_out, stats.spans.created), (2, 3));
}

/// A trace is recorded whole or not at all, over projects of its tenant too, and says so to
/// the next process.
#[test]
fn a_trace_that_is_not_recorded_says_so_to_all_below() {
    let app = Application::start("sampling.sampler = \"parentbased_always_off\"");
    let telemetry = &app.telemetry;
    telemetry.span("request", "acme").in_scope(|span| {
        assert!(!span.is_recording());
        assert_eq!((span.trace_id(), span.span_id()), (None, None));
        let mut headers = HeaderMap::new();
        telemetry.inject(&Context::current(), &mut headers);
        assert!(headers["traceparent"].to_str().unwrap().ends_with("-00"));
        telemetry.span("child", "acme").in_scope(|_| ());
        telemetry
            .span("other", "acme")
            .service("routing")
            .in_scope(|_| ());
        telemetry.tracer("acme").in_span("library", |context| {
            let span = context.span().span_context().clone();
            assert!(span.is_valid() && !span.is_sampled());
        });
    });
    assert_eq!(app.names(), [""; 0]);
    assert_eq!(telemetry.get_stats().sampled_out, 4);
}

/// A ratio decides by the trace: about so many, each whole, and as other SDKs would.
#[test]
fn a_ratio_records_so_many_traces_each_of_them_whole() {
    let app = Application::start(
        "sampling = { sampler = \"parentbased_traceidratio\", ratio = 0.25 }\n\
         batch_config.max_queue_size = 5_000",
    );
    for _ in 0..2_000 {
        app.telemetry.span("root", "acme").in_scope(|_| {
            app.telemetry.span("child", "acme").in_scope(|_| ());
        });
    }
    let spans = app.spans();
    let roots = spans.iter().filter(|seen| seen.is_root()).count();
    // Further away than this once in a billion runs.
    assert!((380..620).contains(&roots), "{roots} of 2000");
    assert_eq!(spans.len(), roots * 2);
    for seen in &spans {
        let low = u64::from_be_bytes(seen.span.trace_id[8..].try_into().unwrap());
        assert!(low < 1 << 62, "{low:x}");
        assert_eq!(seen.span.flags & 1, 1);
    }
    let stats = app.telemetry.get_stats();
    assert_eq!(stats.sampled_out, 4_000 - stats.spans.created);
}

/// A tenant's own sampler stands over that of all, and another tenant's decision is none.
#[test]
fn a_tenant_may_have_a_sampler_of_its_own() {
    let app = Application::start("[tenants.quiet]\nsampling.sampler = \"always_off\"");
    app.telemetry.span("quiet", "quiet").in_scope(|_| {
        app.telemetry.span("loud", "loud").in_scope(|_| ());
    });
    assert_eq!(app.names(), ["loud"]);
}

/// Spans of components that the level leaves out are not made, and nothing is missing between
/// those that are.
#[test]
fn the_level_leaves_components_out() {
    let app = Application::start("level = \"basic\"");
    let telemetry = &app.telemetry;
    let search = telemetry.span("search", "acme").component("search_service");
    search.in_scope(|_| {
        let encode = telemetry.span("encode", "acme").component("encoder");
        encode.in_scope(|_| telemetry.span("inside", "acme").in_scope(|_| ()));
    });
    assert_eq!(app.names(), ["inside", "search"]);
    assert!(app.span("inside").is_child_of(&app.span("search")));
}
