//! Health, readiness, and numbers that add up.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use roost_tests::{Gateway, PluginFolder, eventually};

use crate::backend::{Backend, Mood};
use crate::client::{PROTOBUF, post, send, shop, span, spans};

async fn get(gateway: &Gateway, path: &str) -> Result<(u16, String)> {
    let client = reqwest::Client::builder().no_proxy().build()?;
    let answer = client
        .get(format!("http://{}{path}", gateway.admin()))
        .send()
        .await?;
    Ok((answer.status().as_u16(), answer.text().await?))
}

/// Every number, by its name with labels.
async fn numbers(gateway: &Gateway) -> Result<BTreeMap<String, f64>> {
    let (status, text) = get(gateway, "/metrics").await?;
    ensure!(
        status == 200 && text.ends_with("# EOF\n"),
        "{status} {text}"
    );
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let (name, value) = line.rsplit_once(' ').context(line.to_owned())?;
            Ok((name.to_owned(), value.parse()?))
        })
        .collect()
}

#[tokio::test]
async fn metrics_add_up() -> Result<()> {
    let backend = Backend::start(Mood::Willing).await?;
    let gateway = backend.gateway("").await?;
    for (tenant, count) in [("acme", 3), ("globex", 2)] {
        let header = [("x-roost-tenant", tenant)];
        send(&gateway, &header, &shop(spans(count)))
            .await?
            .error_for_status()?;
    }
    let mut bad = span("bad");
    bad.span_id.clear();
    let header = [("x-roost-tenant", "acme")];
    send(&gateway, &header, &shop(vec![span("good"), bad]))
        .await?
        .error_for_status()?;
    assert_eq!(
        post(&gateway, PROTOBUF, b"\xff".to_vec())
            .send()
            .await?
            .status(),
        400
    );
    backend.wait_for(6).await?;

    let of = |name: &str, tenant: &str| {
        format!("roost_spans_{name}{{project=\"cogniverse-{tenant}-shop\"}}")
    };
    let numbers = eventually("all is delivered", Duration::from_secs(30), async || {
        let numbers = numbers(&gateway).await?;
        let delivered = |tenant| numbers.get(&of("delivered_total", tenant)).copied();
        ensure!(
            delivered("acme") == Some(4.0) && delivered("globex") == Some(2.0),
            "{numbers:?}"
        );
        Ok(numbers)
    })
    .await?;
    let spans = |labels: &str| numbers[&format!("roost_gateway_spans_total{{{labels}}}")];
    assert_eq!(spans(r#"tenant="acme",outcome="taken""#), 4.0);
    assert_eq!(spans(r#"tenant="globex",outcome="taken""#), 2.0);
    assert_eq!(spans(r#"tenant="(unknown)",outcome="refused""#), 1.0);
    let requests = |status: &str| {
        numbers[&format!("roost_gateway_requests_total{{protocol=\"http\",status=\"{status}\"}}")]
    };
    assert_eq!(
        (requests("ok"), requests("partial"), requests("invalid")),
        (2.0, 1.0, 1.0)
    );
    let count = "roost_gateway_request_duration_seconds_count{protocol=\"http\"}";
    assert_eq!(numbers[count], 4.0);
    assert_eq!(numbers[&of("created_total", "acme")], 4.0);
    assert_eq!(numbers[&of("queued", "acme")], 0.0);
    assert_eq!(numbers[&of("spooled", "acme")], 0.0);
    let lost = numbers
        .iter()
        .filter(|(name, _)| name.starts_with("roost_spans_dropped_total"));
    assert_eq!(lost.map(|(_, spans)| spans).sum::<f64>(), 0.0);
    assert_eq!(numbers["roost_gateway_requests_in_flight"], 0.0);
    Ok(())
}

#[tokio::test]
async fn it_is_alive_and_ready_where_spans_have_a_way_out() -> Result<()> {
    let backend = Backend::start(Mood::Willing).await?;
    let gateway = backend.gateway("").await?;
    assert_eq!(get(&gateway, "/healthz").await?, (200, "ok\n".to_owned()));
    assert_eq!(get(&gateway, "/readyz").await?, (200, "ready\n".to_owned()));
    assert_eq!(get(&gateway, "/other").await?.0, 404);
    Ok(())
}

/// Whoever sends here then would be told to come again; another replica may have room.
#[tokio::test]
async fn it_is_not_ready_while_the_spool_takes_nothing() -> Result<()> {
    let backend = Backend::start(Mood::Status(503)).await?;
    let settings = "telemetry.batch_config.on_queue_full = \"spool\"\n\
         telemetry.batch_config.export_timeout_millis = 200\n\
         telemetry.spool.folder = \"spool\"\n\
         telemetry.spool.max_bytes = 1048576\n";
    let gateway = backend.gateway(settings).await?;
    assert_eq!(get(&gateway, "/readyz").await?.0, 200);
    // So many tenants have their shares that nothing is left.
    let long = "x".repeat(20_000);
    for round in 0..60 {
        let header = format!("tenant{}", round % 8);
        let sent = shop(vec![span(&long)]);
        send(&gateway, &[("x-roost-tenant", &header)], &sent).await?;
    }
    let (status, said) = get(&gateway, "/readyz").await?;
    assert_eq!(
        (status, said.as_str()),
        (503, "the spool cannot take spans\n")
    );

    backend.become_(Mood::Willing);
    eventually("it has room again", Duration::from_secs(60), async || {
        let (status, said) = get(&gateway, "/readyz").await?;
        ensure!(status == 200, "{said}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn it_is_not_ready_where_no_connection_can_be_used() -> Result<()> {
    let backend = Backend::start(Mood::Willing).await?;
    let folder = PluginFolder::new()?;
    let settings = format!(
        "plugins.folder = \"{}\"\nconnections.default.provider = \"phoenix\"\n",
        folder.path().display()
    );
    let gateway = backend.gateway(&settings).await?;
    assert_eq!(get(&gateway, "/healthz").await?.0, 200);
    let (status, said) = get(&gateway, "/readyz").await?;
    assert_eq!(
        (status, said.as_str()),
        (503, "none of 1 connections can be used\n")
    );

    let settings = format!("{settings}connections.plain = {{}}\n");
    let gateway = backend.gateway(&settings).await?;
    let (status, said) = get(&gateway, "/readyz").await?;
    assert_eq!(
        (status, said.as_str()),
        (200, "ready, but 1 of 2 connections cannot be used\n")
    );
    Ok(())
}
