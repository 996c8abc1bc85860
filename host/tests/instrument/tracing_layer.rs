//! Code that is written for `tracing`.

use std::time::Duration;

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind as SeenKind;
use roost::{TracingLayer, tracing_layer};
use tracing::field::Empty;
use tracing::instrument::WithSubscriber as _;
use tracing::{Instrument as _, Subscriber, error, info, info_span, instrument, warn};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Layer, SubscriberExt as _};
use tracing_subscriber::registry;

use crate::fixture::{Application, string, values};

fn subscriber(layer: TracingLayer) -> impl Subscriber + Send + Sync {
    registry().with(layer)
}

/// Run `work` with the layer.
fn traced(app: &Application, work: impl FnOnce()) {
    let layer = tracing_layer(&app.telemetry);
    tracing::subscriber::with_default(subscriber(layer), work);
}

#[test]
fn fields_become_attributes_of_their_types() {
    let app = Application::start("");
    traced(&app, || {
        let span = info_span!(
            target: "shop",
            "order",
            tenant = "acme",
            service = "routing",
            items = 3,
            total = 4.5,
            paid = true,
            id = u64::MAX,
            state = ?Some(1),
            late = Empty,
            openinference.span.kind = "CHAIN",
            otel.kind = "server",
        );
        span.in_scope(|| span.record("late", "after all"));
    });
    let order = app.span("order");
    assert_eq!(order.project, "cogniverse-acme-routing");
    assert_eq!(order.span.kind(), SeenKind::Server);
    let attributes = order.attributes();
    for (key, value) in [
        ("items", Value::IntValue(3)),
        ("total", Value::DoubleValue(4.5)),
        ("paid", Value::BoolValue(true)),
        ("id", string("18446744073709551615")),
        ("state", string("Some(1)")),
        ("late", string("after all")),
        ("openinference.span.kind", string("CHAIN")),
        ("level", string("INFO")),
        ("target", string("shop")),
        ("tenant.id", string("acme")),
        ("service.name", string("routing")),
        ("environment", string("development")),
    ] {
        assert_eq!(attributes[key], value, "{key}");
    }
    assert!(!attributes.contains_key("tenant"));
}

/// Below a tenant's span are that tenant's spans, also across `await` and threads.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn spans_inherit_the_tenant_and_nest_across_awaits_and_threads() {
    let app = Application::start("");
    let subscriber = subscriber(tracing_layer(&app.telemetry));
    let request = async {
        tokio::time::sleep(Duration::from_millis(2)).await;
        let step = async { tokio::time::sleep(Duration::from_millis(2)).await };
        step.instrument(info_span!("embed")).await;
        let task = async { tokio::time::sleep(Duration::from_millis(2)).await }
            .instrument(info_span!("rank"))
            .with_current_subscriber();
        tokio::spawn(task).await.unwrap();
        let here = tracing::Span::current();
        let dispatch = tracing::dispatcher::get_default(Clone::clone);
        std::thread::spawn(move || {
            tracing::dispatcher::with_default(&dispatch, || {
                info_span!(parent: &here, "store").in_scope(|| ());
            });
        })
        .join()
        .unwrap();
    };
    async {
        let span = info_span!("request", tenant_id = %"acme", service = "routing");
        request.instrument(span).await;
    }
    .with_subscriber(subscriber)
    .await;

    let telemetry = app.telemetry.clone();
    tokio::task::spawn_blocking(move || telemetry.force_flush_blocking(Duration::from_secs(20)))
        .await
        .unwrap();
    let request = app.span("request");
    assert_eq!(request.project, "cogniverse-acme-routing");
    assert!(request.is_root());
    for name in ["embed", "rank", "store"] {
        assert!(app.span(name).is_child_of(&request), "{name}");
    }
    assert_eq!(app.telemetry.get_stats().spans.created, 4);
}

/// `telemetry.span` and `tracing` see each other's spans.
#[test]
fn spans_of_both_interfaces_nest_in_each_other() {
    let app = Application::start("");
    traced(&app, || {
        info_span!("one", tenant = "acme").in_scope(|| {
            app.telemetry.span("two", "acme").in_scope(|_| {
                info_span!("three").in_scope(|| info!("here"));
                info!("there");
            });
        });
        info_span!("alone", tenant = "globex").in_scope(|| ());
    });
    let [one, two, three, alone] = ["one", "two", "three", "alone"].map(|name| app.span(name));
    assert!(two.is_child_of(&one) && three.is_child_of(&two) && alone.is_root());
    assert_eq!(three.span.events.len(), 1);
    assert_eq!(two.event("there").attributes.len(), 2);
}

#[test]
fn a_span_of_another_tenant_begins_its_own_trace() {
    let app = Application::start("");
    traced(&app, || {
        info_span!("outer", tenant = "acme").in_scope(|| {
            info_span!("inner", tenant = "globex")
                .in_scope(|| info_span!("innermost").in_scope(|| ()));
        });
    });
    let [outer, inner, innermost] = ["outer", "inner", "innermost"].map(|name| app.span(name));
    assert!(inner.is_root() && inner.span.links.is_empty());
    assert!(innermost.is_child_of(&inner));
    assert_ne!(inner.span.trace_id, outer.span.trace_id);
}

/// Whoever learns the tenant after the span was made can still say so before it is entered.
#[test]
fn a_tenant_can_be_recorded_until_the_span_is_entered() {
    let app = Application::start("");
    traced(&app, || {
        let request = info_span!("request", tenant = Empty);
        request.record("tenant", "acme");
        request.in_scope(|| ());
        drop(info_span!("never entered", tenant = "globex"));
    });
    assert_eq!(app.span("request").text("tenant.id"), "acme");
    assert_eq!(app.span("never entered").text("tenant.id"), "globex");
}

#[test]
fn spans_without_a_tenant_are_of_the_default_one_or_of_none() {
    let app = Application::start("default_tenant_id = \"house\"");
    let house = tracing_layer(&app.telemetry);
    let guest = tracing_layer(&app.telemetry).with_default_tenant("guest");
    let nobody = tracing_layer(&app.telemetry).without_default_tenant();
    for (layer, name) in [(house, "house"), (guest, "guest"), (nobody, "nobody")] {
        tracing::subscriber::with_default(subscriber(layer), || {
            info_span!("work", otel.name = name).in_scope(|| {
                info!("an event of {name}");
                info_span!("acme", otel.name = format!("{name} acme"), tenant = "acme")
                    .in_scope(|| ());
            });
        });
    }
    for name in ["house", "guest"] {
        assert_eq!(app.span(name).text("tenant.id"), name);
    }
    let names = ["guest", "guest acme", "house", "house acme", "nobody acme"];
    assert_eq!(app.names(), names);
}

#[derive(Debug, thiserror::Error)]
#[error("the index is gone")]
struct Gone(#[source] std::io::Error);

#[instrument(err, fields(tenant = "acme"))]
fn fails() -> Result<(), Gone> {
    Err(Gone(std::io::Error::other("no disk")))
}

#[test]
fn events_and_errors_are_told_by_the_span_they_happen_in() {
    let app = Application::start("");
    traced(&app, || {
        fails().unwrap_err();
        info_span!("fine", tenant = "acme")
            .in_scope(|| warn!(target: "shop", left = 3, "few left"));
        info_span!("broken", tenant = "acme").in_scope(|| error!("sold out"));
        info_span!("caught", tenant = "acme").in_scope(|| {
            let gone = Gone(std::io::Error::other("no disk"));
            let gone: &(dyn std::error::Error + 'static) = &gone;
            warn!(error = gone, "trying another");
        });
        info!("of no span");
    });
    let fails = app.span("fails");
    assert_eq!(fails.status(), (2, "the index is gone".to_owned()));
    let exception = values(&fails.event("exception").attributes);
    assert_eq!(exception["exception.message"], string("the index is gone"));

    let fine = app.span("fine");
    assert_eq!(fine.status().0, 0);
    let event = values(&fine.event("few left").attributes);
    assert_eq!(event["left"], Value::IntValue(3));
    assert_eq!(
        (&event["level"], &event["target"]),
        (&string("WARN"), &string("shop"))
    );

    assert_eq!(app.span("broken").status(), (2, "sold out".to_owned()));
    let caught = app.span("caught");
    assert_eq!(caught.status(), (2, "the index is gone".to_owned()));
    let event = values(&caught.event("trying another").attributes);
    assert_eq!(event["exception.message"], string("the index is gone"));
    assert!(matches!(&event["error.chain"], Value::ArrayValue(chain) if chain.values.len() == 1));
}

/// A filter of this layer alone: what it leaves out is not there, and nothing is missing between
/// the rest.
#[test]
fn a_filter_of_the_layer_leaves_spans_out() {
    let app = Application::start("");
    let layer = tracing_layer(&app.telemetry).with_filter(LevelFilter::INFO);
    tracing::subscriber::with_default(registry().with(layer), || {
        info_span!("outer", tenant = "acme").in_scope(|| {
            tracing::debug_span!("detail").in_scope(|| {
                tracing::debug!("too much");
                info!("enough");
                info_span!("inner").in_scope(|| ());
            });
        });
    });
    assert_eq!(app.names(), ["inner", "outer"]);
    let outer = app.span("outer");
    assert!(app.span("inner").is_child_of(&outer));
    assert_eq!(outer.span.events.len(), 1);
    assert_eq!(outer.event("enough").name, "enough");
}

#[test]
fn what_follows_links_within_its_tenant() {
    let app = Application::start("");
    traced(&app, || {
        let batch = info_span!("batch", tenant = "acme");
        let (own, other) = (
            info_span!("own", tenant = "acme"),
            info_span!("other", tenant = "globex"),
        );
        batch.follows_from(&own);
        batch.follows_from(&other);
    });
    let batch = app.span("batch");
    assert_eq!(batch.span.links.len(), 1);
    assert!(batch.links_to(&app.span("own")));
}

/// What is logged about a span that cannot be made is no event of the span around it.
#[test]
fn the_log_of_a_failure_is_not_traced() {
    let app = Application::start("");
    traced(&app, || {
        info_span!("outer", tenant = "acme").in_scope(|| {
            info_span!("lost", tenant = "no/tenant").in_scope(|| ());
        });
    });
    assert_eq!(app.names(), ["outer"]);
    assert_eq!(app.span("outer").span.events.len(), 0);
    assert_eq!(app.telemetry.get_stats().failed_initializations, 1);
}
