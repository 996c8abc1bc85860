//! Spans from the interfaces that others know, read back from a real Phoenix.

use anyhow::Result;
use opentelemetry::KeyValue;
use opentelemetry::trace::{Span as _, TraceContextExt, Tracer, TracerProvider};
use opentelemetry_sdk::trace::SdkTracerProvider;
use roost::contract::AttributeValue;
use roost::tracing_layer;
use roost_tests::unique;
use tracing_subscriber::layer::SubscriberExt as _;

use crate::{Service, names, text};

/// OpenTelemetry's tracer, `tracing`, and Roost's own spans make one trace together.
#[tokio::test]
async fn one_trace_has_spans_of_every_interface() -> Result<()> {
    let service = Service::shared().await?;
    let tenant = unique("acme");
    let telemetry = &service.telemetry;
    let subscriber = tracing_subscriber::registry().with(tracing_layer(telemetry));
    tracing::subscriber::with_default(subscriber, || {
        telemetry
            .tracer(tenant.as_str())
            .in_span("request", |context| {
                context
                    .span()
                    .set_attribute(KeyValue::new("route", "/search"));
                telemetry.span("retrieve", &tenant).in_scope(|_| {
                    let rank = tracing::info_span!("rank", documents = 3);
                    rank.in_scope(|| tracing::error!("no model"));
                });
            });
    });
    service.delivered().await?;
    let spans = service.spans(&tenant, 3).await?;
    assert_eq!(names(&spans), ["request", "retrieve", "rank"]);
    for pair in spans.windows(2) {
        assert_eq!(pair[1].parent_id.as_ref(), Some(&pair[0].span_id));
        assert_eq!(pair[1].trace_id, pair[0].trace_id);
    }
    assert_eq!(text(&spans[0], "route"), "/search");
    let rank = &spans[2];
    let documents = rank.attribute("documents");
    assert_eq!(documents, Some(&AttributeValue::Integer(3)));
    assert_eq!(rank.status_message, "no model");
    assert_eq!(rank.events[0].name, "no model");
    Ok(())
}

/// Phoenix files a trace under the project of its first span, whoever makes the ids.
#[tokio::test]
async fn an_sdk_that_nests_tenants_does_not_mix_them() -> Result<()> {
    let service = Service::shared().await?;
    let (acme, globex) = (unique("acme"), unique("globex"));
    let provider = SdkTracerProvider::builder()
        .with_span_processor(service.telemetry.span_processor())
        .build();
    let tracer = provider.tracer("shop");
    let of = |name: &'static str, tenant: &str| {
        let attributes = [KeyValue::new("tenant.id", tenant.to_owned())];
        tracer.span_builder(name).with_attributes(attributes)
    };
    tracer.in_span_with_builder(of("outer", &acme), |_| {
        tracer.build(of("inner", &globex)).end();
    });
    service.delivered().await?;
    let outer = service.spans(&acme, 1).await?;
    let inner = service.spans(&globex, 1).await?;
    assert_eq!(
        (names(&outer), names(&inner)),
        (vec!["outer"], vec!["inner"])
    );
    assert_ne!(outer[0].trace_id, inner[0].trace_id);
    assert_eq!(text(&outer[0], "otel.scope.name"), "shop");
    Ok(())
}
