//! Phoenix is not there. The application goes on, and what is lost is counted.

use std::time::Duration;

use anyhow::Result;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;
use roost::contract::{Error, TimeWindow};
use roost::provider::SpanQuery;
use roost_tests::{Phoenix, unique};

use crate::{Service, Settings, names};

const SHORT: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn phoenix_down_at_the_start_and_killed_in_the_middle() -> Result<()> {
    let mut phoenix = Phoenix::start().await?;
    phoenix.kill().await?;
    let settings = Settings {
        batch: "export_timeout_millis = 1000",
        ..Settings::default()
    };
    let service = Service::start(&phoenix, settings).await?;
    let telemetry = &service.telemetry;
    let tenant = unique("acme");
    let query = SpanQuery::new(service.project(&tenant)?, TimeWindow::all());
    let provider = service.provider(&tenant)?;
    let work = |name: &'static str| telemetry.span(name, &tenant).in_scope(|_| "done");

    assert_eq!(work("lost at the start"), "done");
    let report = telemetry.force_flush(SHORT).await;
    assert_eq!((report.delivered, report.dropped, report.left), (0, 1, 0));
    let error = provider.traces().get_spans(&query).await.unwrap_err();
    assert!(matches!(error.kind(), Error::Unavailable(_)), "{error}");
    assert!(error.is_transient());
    let health = provider.check_health().await.unwrap_err();
    assert!(matches!(health.kind(), Error::Unavailable(_)), "{health}");

    phoenix.restart().await?;
    assert_eq!(work("arrives"), "done");
    service.delivered().await?;
    assert_eq!(names(&service.spans(&tenant, 1).await?), ["arrives"]);

    phoenix.kill().await?;
    assert_eq!(work("lost in the middle"), "done");
    let report = telemetry.force_flush(SHORT).await;
    assert_eq!((report.delivered, report.dropped, report.left), (0, 1, 0));

    phoenix.restart().await?;
    assert_eq!(work("arrives again"), "done");
    service.delivered().await?;
    assert_eq!(
        names(&service.spans(&tenant, 2).await?),
        ["arrives", "arrives again"]
    );
    let stats = telemetry.get_stats().spans;
    assert_eq!((stats.created, stats.delivered, stats.queued), (4, 2, 0));
    assert_eq!(stats.dropped.export_failed, 2);

    assert!(telemetry.shutdown(SHORT).await.is_complete());
    assert_eq!(work("after the end"), "done");
    assert_eq!(telemetry.get_stats().spans.dropped.shutdown, 1);
    Ok(())
}

/// With a spool nothing is lost: not while Phoenix is away, and not when the service ends before
/// it is back. Each span is stored once, session and all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_spool_nothing_is_lost_over_an_outage_and_a_restart() -> Result<()> {
    let mut phoenix = Phoenix::start().await?;
    let spool = phoenix.folder().join("spool");
    let batch = format!(
        "export_timeout_millis = 500\non_queue_full = \"spool\"\n[telemetry.spool]\nfolder = {:?}",
        spool.display().to_string()
    );
    let settings = || Settings {
        batch: &batch,
        ..Settings::default()
    };
    let service = Service::start(&phoenix, settings()).await?;
    let tenant = unique("acme");
    let work = |service: &Service, name: &'static str| {
        let span = service.telemetry.session_span(name, &tenant, "s1");
        span.in_scope(|_| ());
    };
    work(&service, "before");
    service.delivered().await?;
    // Phoenix takes spans into its memory; what it has stored is what it keeps.
    service.spans(&tenant, 1).await?;

    phoenix.kill().await?;
    work(&service, "away");
    let report = service.telemetry.force_flush(SHORT).await;
    assert_eq!((report.spooled, report.dropped, report.left), (1, 0, 0));
    work(&service, "at the end");
    let report = service.telemetry.shutdown(SHORT).await;
    assert_eq!((report.spooled, report.dropped, report.left), (1, 0, 0));
    drop(service);

    phoenix.restart().await?;
    let service = Service::start(&phoenix, settings()).await?;
    let stored = service.spans(&tenant, 3).await?;
    assert_eq!(names(&stored), ["before", "away", "at the end"]);
    let sessions = stored.iter().map(|span| {
        let session = span.attributes.iter().find(|pair| pair.key == "session.id");
        format!("{:?}", session.map(|pair| &pair.value))
    });
    let sessions: std::collections::BTreeSet<_> = sessions.collect();
    assert_eq!(sessions.len(), 1, "{sessions:?}");
    let stats = service.telemetry.get_stats().spans;
    assert_eq!((stats.created, stats.dropped.total()), (2, 0));
    Ok(())
}

/// A Phoenix that has more to store than it wants to hold answers 503 and does not say for how
/// long. Spans are sent again until it takes them, and each is stored once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_phoenix_that_is_overrun_is_waited_for() -> Result<()> {
    let phoenix = Phoenix::start_with(&[("PHOENIX_MAX_SPANS_QUEUE_SIZE", "50")]).await?;
    let settings = Settings {
        batch: "max_export_batch_size = 50\nexport_timeout_millis = 60000",
        ..Settings::default()
    };
    let service = Service::start(&phoenix, settings).await?;
    let tenant = unique("acme");
    // Somebody else's spans are in the way.
    let refusal = overrun(&phoenix).await?;
    assert_eq!(refusal.status(), 503);
    assert!(!refusal.headers().contains_key("retry-after"));
    for _ in 0..200 {
        service.telemetry.span("work", &tenant).in_scope(|_| ());
    }
    let report = service.telemetry.force_flush(Duration::from_secs(90)).await;
    assert_eq!((report.delivered, report.is_complete()), (200, true));
    assert_eq!(service.spans(&tenant, 200).await?.len(), 200);
    let stats = service.telemetry.get_stats().spans;
    assert_eq!(
        (stats.created, stats.delivered, stats.dropped.total()),
        (200, 200, 0)
    );
    Ok(())
}

/// Sends spans until there is no more room for them, and gives back the answer that says so.
async fn overrun(phoenix: &Phoenix) -> Result<reqwest::Response> {
    let client = reqwest::Client::builder().no_proxy().build()?;
    let url = format!("{}/v1/traces", phoenix.http_endpoint());
    for n in 1..200_u64 {
        let span = |m: u64| Span {
            trace_id: u128::from(n).to_be_bytes().to_vec(),
            span_id: (n * 1_000 + m).to_be_bytes().to_vec(),
            name: "in the way".to_owned(),
            start_time_unix_nano: 1_795_000_000_000_000_000,
            end_time_unix_nano: 1_795_000_000_500_000_000,
            ..Span::default()
        };
        let request = ExportTraceServiceRequest {
            resource_spans: vec![ResourceSpans {
                scope_spans: vec![ScopeSpans {
                    spans: (0..100).map(span).collect(),
                    ..ScopeSpans::default()
                }],
                ..ResourceSpans::default()
            }],
        };
        let request = client
            .post(&url)
            .header("content-type", "application/x-protobuf")
            .body(request.encode_to_vec());
        let answer = request.send().await?;
        if !answer.status().is_success() {
            return Ok(answer);
        }
    }
    anyhow::bail!("it took 20,000 spans at once")
}

/// A server that takes connections and never answers.
#[tokio::test(flavor = "current_thread")]
async fn flush_and_shutdown_return_in_time_from_a_backend_that_hangs() -> Result<()> {
    let mute = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let folder = roost_tests::PluginFolder::new()?;
    let toml = format!(
        "[telemetry]\notlp_endpoint = \"{}\"\n[plugins]\nfolder = \"{}\"\n",
        mute.local_addr()?,
        folder.path().display()
    );
    let config = roost::Config::from_toml(&toml, "/roost.toml")?;
    let telemetry = roost::TelemetryManager::start(config).await?;
    telemetry.span("stuck", &unique("acme")).in_scope(|_| ());
    let limit = Duration::from_millis(300);
    assert_eq!(telemetry.force_flush(limit).await.left, 1);
    assert_eq!(telemetry.shutdown(limit).await.dropped, 1);
    Ok(())
}
