//! `kill -9` at any moment: what was acknowledged with a spool is never lost.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use anyhow::Result;
use prost::Message;
use roost_tests::{Gateway, eventually};

use crate::backend::{Backend, Mood};
use crate::client::{PROTOBUF, shop, spans};

/// How often it is killed, where the environment does not say.
const KILLS: usize = 20;
const VARIABLE: &str = "ROOST_TEST_KILLS";
const LONG: Duration = Duration::from_secs(120);

/// Sends until the gateway is gone. The ids of the spans that were acknowledged.
async fn send_until_the_end(address: String) -> Vec<Vec<u8>> {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut acknowledged = Vec::new();
    loop {
        let sent = spans(5);
        let ids: Vec<_> = sent.iter().map(|span| span.span_id.clone()).collect();
        let post = client
            .post(format!("http://{address}/v1/traces"))
            .header("content-type", PROTOBUF)
            .body(shop(sent).encode_to_vec());
        match post.send().await {
            Ok(answer) if answer.status() == 200 => acknowledged.extend(ids),
            // Not taken for good; these are never sent again.
            Ok(_) => {}
            Err(_) => return acknowledged,
        }
    }
}

#[tokio::test]
async fn a_killed_gateway_loses_nothing_that_was_acknowledged() -> Result<()> {
    let kills = std::env::var(VARIABLE).map_or(Ok(KILLS), |kills| kills.parse())?;
    let backend = Backend::start(Mood::Willing).await?;
    let spool = tempfile::tempdir()?;
    let settings = format!(
        "telemetry.batch_config.on_queue_full = \"spool\"\n\
         telemetry.batch_config.export_timeout_millis = 100\n\
         telemetry.batch_config.schedule_delay_millis = 5\n\
         telemetry.spool.folder = \"{}\"\n",
        spool.path().display()
    );
    let mut acknowledged = Vec::new();
    for round in 0..kills {
        // Mostly it is away, so that spans go to disk; now and then some leave from there.
        let is_willing = chance() < 80;
        backend.become_(if is_willing {
            Mood::Willing
        } else {
            Mood::Status(503)
        });
        let gateway = start(&backend, &settings).await?;
        let senders = [gateway.http(), gateway.http()].map(str::to_owned);
        let senders = senders.map(|address| tokio::spawn(send_until_the_end(address)));
        tokio::time::sleep(Duration::from_millis(u64::from(chance()) * 2)).await;
        gateway.kill().await?;
        for sender in senders {
            acknowledged.extend(sender.await?);
        }
        assert!(round < 5 || !acknowledged.is_empty());
    }
    backend.become_(Mood::Willing);
    let _gateway = start(&backend, &settings).await?;
    eventually("all of them arrive", LONG, async || {
        let seen: HashMap<_, _> = ids(&backend).into_iter().collect();
        let missing = acknowledged.iter().filter(|id| !seen.contains_key(*id));
        let missing = missing.count();
        anyhow::ensure!(missing == 0, "{missing} of {}", acknowledged.len());
        Ok(())
    })
    .await?;
    // Whatever comes twice is the same span, so that a backend knows it.
    let mut bodies = BTreeMap::new();
    for (id, body) in ids(&backend) {
        assert_eq!(*bodies.entry(id).or_insert_with(|| body.clone()), body);
    }
    println!("{kills} kills, {} spans acknowledged", acknowledged.len());
    Ok(())
}

/// Of each span that arrived, its id and all of it.
fn ids(backend: &Backend) -> Vec<(Vec<u8>, Vec<u8>)> {
    let seen = backend.spans().into_iter();
    seen.map(|(_, span)| (span.span_id.clone(), span.encode_to_vec()))
        .collect()
}

/// The lock of a process that was killed may be there for a moment.
async fn start(backend: &Backend, settings: &str) -> Result<Gateway> {
    eventually("it starts", LONG, async || backend.gateway(settings).await).await
}

fn chance() -> u8 {
    u8::from_str_radix(&roost_tests::span_id()[14..], 16).unwrap()
}
