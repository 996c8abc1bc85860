//! Tenants are kept apart.

use anyhow::Result;
use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};
use roost::contract::{Error, TimeWindow};
use roost::provider::SpanQuery;
use roost_tests::{Phoenix, span_id, trace_id, unique};

use crate::{Service, Settings, names, spans_of, text};

#[tokio::test]
async fn spans_land_in_the_project_of_their_tenant_whichever_way_they_go() -> Result<()> {
    let phoenix = Phoenix::shared().await?;
    for http in [false, true] {
        let settings = Settings {
            http,
            ..Settings::default()
        };
        let service = Service::start(phoenix, settings).await?;
        let tenants = [unique("acme"), unique("globex"), unique("initech")];
        for tenant in &tenants {
            let greeting = format!("hello {tenant}");
            service
                .telemetry
                .span("greet", tenant)
                .in_scope(|span| span.set_attribute("greeting", greeting));
        }
        service.delivered().await?;
        for tenant in &tenants {
            let spans = service.spans(tenant, 1).await?;
            assert_eq!(text(&spans[0], "greeting"), format!("hello {tenant}"));
            assert_eq!(text(&spans[0], "tenant.id"), tenant);
            assert_eq!(text(&spans[0], "service.name"), "video-search");
            assert_eq!(text(&spans[0], "environment"), "development");
        }
        let stats = service.telemetry.get_stats().spans;
        assert_eq!((stats.created, stats.delivered, stats.queued), (3, 3, 0));
    }
    Ok(())
}

#[tokio::test]
async fn a_tenant_never_reads_the_project_of_another() -> Result<()> {
    let service = Service::shared().await?;
    let (acme, globex) = (unique("acme"), unique("globex"));
    for tenant in [&acme, &globex] {
        service.telemetry.span("work", tenant).in_scope(|_| ());
    }
    service.delivered().await?;
    service.spans(&acme, 1).await?;

    let intruder = service.provider(&globex)?;
    let query = SpanQuery::new(service.project(&acme)?, TimeWindow::all());
    let refused = intruder.traces().get_spans(&query).await.unwrap_err();
    assert!(
        matches!(refused.kind(), Error::PermissionDenied(_)),
        "{refused}"
    );
    assert_eq!(refused.tenant(), globex);
    let visible = intruder.projects().list_projects().await?;
    assert_eq!(visible.len(), 1);
    assert_eq!(visible[0].name, service.project(&globex)?);
    Ok(())
}

/// Phoenix files a trace under the project of its first span, so a span below one of
/// another tenant must not join its trace.
#[tokio::test]
async fn a_span_inside_a_span_of_another_tenant_begins_its_own_trace() -> Result<()> {
    let service = Service::shared().await?;
    let (outer, inner) = (unique("outer"), unique("inner"));
    service.telemetry.span("outer", &outer).in_scope(|_| {
        service.telemetry.span("inner", &inner).in_scope(|_| {
            service.telemetry.span("innermost", &inner).in_scope(|_| ());
        });
    });
    service.delivered().await?;
    let outer = service.spans(&outer, 1).await?;
    let inner = service.spans(&inner, 2).await?;
    assert_eq!(names(&outer), ["outer"]);
    assert_eq!(names(&inner), ["inner", "innermost"]);
    assert_ne!(outer[0].trace_id, inner[0].trace_id);
    assert_eq!(inner[0].parent_id, None);
    assert_eq!(inner[1].parent_id.as_ref(), Some(&inner[0].span_id));
    Ok(())
}

/// As below one span of a web framework that serves several tenants at once.
#[tokio::test]
async fn a_trace_that_others_began_belongs_to_the_first_tenant_that_joins_it() -> Result<()> {
    let service = Service::shared().await?;
    let (acme, globex) = (unique("acme"), unique("globex"));
    let theirs = SpanContext::new(
        TraceId::from_hex(&trace_id())?,
        SpanId::from_hex(&span_id())?,
        TraceFlags::SAMPLED,
        true,
        TraceState::NONE,
    );
    let trace = theirs.trace_id().to_string();
    let _entered = Context::new().with_remote_span_context(theirs).attach();
    for tenant in [&acme, &globex, &acme] {
        service.telemetry.span("work", tenant).in_scope(|_| ());
    }
    service.delivered().await?;
    let joined = service.spans(&acme, 2).await?;
    assert!(joined.iter().all(|span| span.trace_id == trace));
    let apart = service.spans(&globex, 1).await?;
    assert_ne!(apart[0].trace_id, trace);
    assert_eq!(apart[0].parent_id, None);
    Ok(())
}

#[tokio::test]
async fn services_of_a_tenant_have_projects_of_their_own() -> Result<()> {
    let service = Service::shared().await?;
    let tenant = unique("acme").replace('-', "_");
    let telemetry = &service.telemetry;
    telemetry.span("request", &tenant).in_scope(|_| {
        telemetry
            .span("route", &tenant)
            .service("routing")
            .in_scope(|_| ());
        telemetry
            .span("rank", &tenant)
            .service("ranking-eu")
            .in_scope(|_| ());
    });
    service.delivered().await?;
    let provider = service.provider(&tenant)?;
    for (project, name) in [
        (format!("cogniverse-{tenant}-video-search"), "request"),
        (format!("cogniverse-{tenant}-routing"), "route"),
        (format!("cogniverse-{tenant}--ranking-eu"), "rank"),
    ] {
        assert_eq!(names(&spans_of(&provider, &project, 1).await?), [name]);
    }
    Ok(())
}

#[tokio::test]
async fn an_id_that_no_tenant_can_have_runs_untraced_and_is_counted() -> Result<()> {
    let service = Service::shared().await?;
    for bad in ["", "a/b", "../x", "a--b", "ümlaut", "-a"] {
        let answer = service.telemetry.span("work", bad).in_scope(|span| {
            assert!(!span.is_recording());
            span.set_attribute("ignored", true);
            42
        });
        assert_eq!(answer, 42);
        assert!(service.telemetry.get_provider(bad, None).is_err());
    }
    let stats = service.telemetry.get_stats();
    assert_eq!(stats.failed_initializations, 6);
    assert_eq!(stats.spans.created, 0);
    Ok(())
}
