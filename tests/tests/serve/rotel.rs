//! rotel, a collector, in front of the gateway.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Result, ensure};
use prost::Message;
use roost_tests::{eventually, rotel};
use tokio::process::{Child, Command};

use crate::backend::{Backend, Mood};
use crate::client::{PROTOBUF, group, request, spans};

const LONG: Duration = Duration::from_secs(30);
fn free_address() -> Result<String> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string())
}

/// A rotel that sends on to this endpoint, and where it takes OTLP over HTTP.
async fn start(rotel: &Path, protocol: &str, endpoint: &str) -> Result<(Child, String)> {
    let (grpc, http) = (free_address()?, free_address()?);
    let child = Command::new(rotel)
        .args(["start", "--exporter", "otlp"])
        .args(["--otlp-grpc-endpoint", &grpc, "--otlp-http-endpoint", &http])
        .args(["--otlp-exporter-endpoint", endpoint])
        .args(["--otlp-exporter-protocol", protocol])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    eventually("rotel listens", LONG, async || {
        Ok(tokio::net::TcpStream::connect(&http).await?)
    })
    .await?;
    Ok((child, http))
}

/// What rotel gathers, of two tenants in one request, compressed, arrives as theirs, once.
#[tokio::test]
async fn spans_from_rotel_are_their_tenants() -> Result<()> {
    let rotel = rotel()?;
    let backend = Backend::start(Mood::Willing).await?;
    let gateway = backend.gateway("serve.acknowledge = \"durable\"\n").await?;
    let ways = [
        ("grpc", format!("http://{}", gateway.grpc())),
        ("http", format!("http://{}", gateway.http())),
    ];
    let mut sent = 0;
    for (protocol, endpoint) in ways {
        let (_rotel, address) = start(&rotel, protocol, &endpoint).await?;
        let of = |tenant| {
            group(
                &[("service.name", "shop"), ("tenant.id", tenant)],
                spans(10),
            )
        };
        let client = reqwest::Client::builder().no_proxy().build()?;
        let answer = client
            .post(format!("http://{address}/v1/traces"))
            .header("content-type", PROTOBUF)
            .body(request(["acme", "globex"].map(of).to_vec()).encode_to_vec())
            .send()
            .await?;
        ensure!(answer.status() == 200, "{}", answer.status());
        sent += 20;
        backend.wait_for(sent).await?;
    }
    let mut tenants = BTreeMap::<_, Vec<_>>::new();
    for (resource, span) in backend.spans() {
        let project = resource["openinference.project.name"].clone();
        tenants.entry(project).or_default().push(span.span_id);
    }
    let wanted = ["acme", "globex"].map(|tenant| format!("cogniverse-{tenant}-shop"));
    assert!(tenants.keys().eq(&wanted), "{:?}", tenants.keys());
    for ids in tenants.values_mut() {
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 20);
    }
    let stopped = gateway.stop().await?;
    assert_eq!(stopped.code, 0, "{stopped:?}");
    Ok(())
}
