//! Stopping with work under way, and what an acknowledgement is worth.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use roost_tests::{begin_shell, eventually, phoenix_provider, roost};
use tokio::process::Command;

use crate::backend::{Backend, Mood};
use crate::client::{send, shop, spans};

const LONG: Duration = Duration::from_secs(60);
/// Nothing leaves by itself: only a flush sends.
const HOARDING: &str = "telemetry.batch_config.schedule_delay_millis = 3600000\n";

#[tokio::test]
async fn what_waits_when_it_is_told_to_stop_is_delivered() -> Result<()> {
    let backend = Backend::start(Mood::Willing).await?;
    let gateway = backend.gateway(HOARDING).await?;
    assert_eq!(send(&gateway, &[], &shop(spans(7))).await?.status(), 200);
    assert_eq!(backend.spans().len(), 0, "they wait");
    let stopped = gateway.stop().await?;
    assert_eq!(backend.spans().len(), 7);
    assert_eq!(stopped.code, 0, "{stopped:?}");
    assert_eq!(stopped.report["spans"]["delivered"], 7);
    assert_eq!(stopped.report["requests_cut"], 0);
    Ok(())
}

#[tokio::test]
async fn what_cannot_be_delivered_in_time_is_told_by_the_exit_code() -> Result<()> {
    let backend = Backend::start(Mood::Silent).await?;
    let settings = format!("{HOARDING}serve.shutdown_timeout_seconds = 2");
    let gateway = backend.gateway(&settings).await?;
    assert_eq!(send(&gateway, &[], &shop(spans(3))).await?.status(), 200);
    let stopped = gateway.stop().await?;
    assert_eq!(stopped.code, 1, "{stopped:?}");
    assert_eq!(stopped.report["spans"]["dropped"], 3);
    Ok(())
}

#[tokio::test]
async fn a_durable_request_under_way_is_answered_before_the_end() -> Result<()> {
    let backend = Backend::start(Mood::Willing).await?;
    let settings =
        format!("{HOARDING}serve.acknowledge = \"durable\"\nserve.request_timeout_millis = 60000");
    let gateway = backend.gateway(&settings).await?;
    let sent = shop(spans(4));
    let sending = send(&gateway, &[], &sent);
    let stopping = async {
        let client = reqwest::Client::builder().no_proxy().build()?;
        let url = format!("http://{}/metrics", gateway.admin());
        eventually(
            "the spans are in the pipeline",
            Duration::from_secs(30),
            async || {
                let text = client.get(&url).send().await?.text().await?;
                anyhow::ensure!(
                    text.contains("roost_spans_queued{project=\"cogniverse-default-shop\"} 4"),
                    "{text}"
                );
                Ok(())
            },
        )
        .await?;
        gateway.terminate().await
    };
    let (answer, stopping) = tokio::join!(sending, stopping);
    stopping?;
    assert_eq!(answer?.status(), 200);
    assert_eq!(backend.spans().len(), 4);
    let stopped = gateway.stopped().await?;
    assert_eq!(stopped.code, 0, "{stopped:?}");
    Ok(())
}

#[tokio::test]
async fn a_durable_acknowledgement_is_only_given_for_what_the_backend_has() -> Result<()> {
    let backend = Backend::start(Mood::Status(503)).await?;
    let gateway = backend
        .gateway("serve.acknowledge = \"durable\"\nserve.request_timeout_millis = 500")
        .await?;
    let answer = send(&gateway, &[], &shop(spans(2))).await?;
    assert_eq!(answer.status(), 503);
    assert!(answer.headers().contains_key("retry-after"));

    backend.become_(Mood::Status(403));
    let gateway = backend.gateway("serve.acknowledge = \"durable\"").await?;
    let answer = send(&gateway, &[], &shop(spans(2))).await?;
    assert_eq!(answer.status(), 200, "sending them again would not help");
    let body = answer.bytes().await?;
    assert!(String::from_utf8_lossy(&body).contains("the backend rejected them"));

    backend.become_(Mood::Willing);
    let answer = send(&gateway, &[], &shop(spans(2))).await?;
    assert_eq!(
        (answer.status().as_u16(), answer.bytes().await?.len()),
        (200, 0)
    );
    assert_eq!(backend.spans().len(), 2);
    Ok(())
}

#[tokio::test]
async fn what_was_acknowledged_with_a_spool_is_sent_after_a_kill() -> Result<()> {
    let backend = Backend::start(Mood::Status(503)).await?;
    let spool = tempfile::tempdir()?;
    let settings = format!(
        "telemetry.batch_config.on_queue_full = \"spool\"\n\
         telemetry.batch_config.export_timeout_millis = 300\n\
         telemetry.spool.folder = \"{}\"\n",
        spool.path().display()
    );
    let gateway = backend.gateway(&settings).await?;
    let mut acknowledged = Vec::new();
    for _ in 0..5 {
        let sent = spans(3);
        let ids: Vec<_> = sent.iter().map(|span| span.span_id.clone()).collect();
        assert_eq!(send(&gateway, &[], &shop(sent)).await?.status(), 200);
        acknowledged.extend(ids);
    }
    // SIGKILL: nothing can be written any more.
    gateway.kill().await?;
    assert_eq!(backend.spans().len(), 0);

    backend.become_(Mood::Willing);
    let _gateway = backend.gateway(&settings).await?;
    let seen = backend.wait_for(acknowledged.len()).await?;
    for id in acknowledged {
        assert!(seen.iter().any(|(_, span)| span.span_id == id));
    }
    Ok(())
}

/// Told to stop before it listens, it ends well: nothing was taken.
#[tokio::test]
async fn a_stop_during_the_start_is_heard() -> Result<()> {
    let folder = tempfile::tempdir()?;
    std::fs::create_dir(folder.path().join("plugins"))?;
    std::fs::copy(
        phoenix_provider()?,
        folder.path().join("plugins/phoenix.wasm"),
    )?;
    // Without a cache of compiled code the start takes its time.
    let cache = folder.path().join("compiled");
    let config = format!(
        "plugins.cache_folder = '{}'\n\
         serve.grpc_address = \"127.0.0.1:0\"\n\
         serve.http_address = \"127.0.0.1:0\"\n\
         serve.admin_address = \"127.0.0.1:0\"\n",
        cache.display()
    );
    std::fs::write(folder.path().join("roost.toml"), config)?;
    let process = begin_shell(folder.path(), "exec roost serve")?;
    let id = process.id().context("it has ended")?;
    eventually("it listens to signals", LONG, async || {
        const TERMINATE: u64 = 1 << 14;
        let status = std::fs::read_to_string(format!("/proc/{id}/status"))?;
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
        let caught = u64::from_str_radix(caught.context("no mask")?.trim(), 16)?;
        ensure!(caught & TERMINATE != 0, "{caught:x}");
        Ok(())
    })
    .await?;
    let kill = Command::new("kill").arg(id.to_string()).status().await?;
    assert!(kill.success());
    let output = tokio::time::timeout(LONG, process.wait_with_output()).await??;
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    Ok(())
}

/// Spans that reach the disk only after their sender was told to send them again would come
/// twice: that is refused at the start, with what to change.
#[tokio::test]
async fn a_spool_that_is_slower_than_senders_wait_is_refused() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let config = "telemetry.batch_config.on_queue_full = \"spool\"\n\
         telemetry.spool.folder = \"spool\"\n\
         plugins.folder = \".\"\n";
    std::fs::write(folder.path().join("roost.toml"), config)?;
    let ran = roost(folder.path(), &["serve"]).await?;
    assert_ne!(ran.code, 0, "{ran:?}");
    for words in [
        "export_timeout_millis = 30000",
        "request_timeout_millis = 8000",
        "queued",
    ] {
        assert!(ran.stderr.contains(words), "{}", ran.stderr);
    }
    Ok(())
}
