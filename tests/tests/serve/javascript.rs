//! The OpenTelemetry SDK for JavaScript, through the gateway.

use anyhow::Result;
use roost_tests::node;
use serde_json::json;

use crate::backend::{Backend, Mood, texts};

#[tokio::test]
async fn spans_of_the_javascript_sdk_arrive_by_every_protocol() -> Result<()> {
    let backend = Backend::start(Mood::Willing).await?;
    let gateway = backend.gateway("serve.acknowledge = \"durable\"").await?;
    let http = format!("http://{}/v1/traces", gateway.http());
    let table = [
        ("grpc", format!("http://{}", gateway.grpc()), "none"),
        ("grpc", format!("http://{}", gateway.grpc()), "gzip"),
        ("proto", http.clone(), "gzip"),
        ("json", http, "none"),
    ];
    for (protocol, endpoint, compression) in &table {
        let input = json!({
            "protocol": protocol,
            "endpoint": endpoint,
            "compression": compression,
            "headers": { "x-roost-tenant": "acme" },
            "name": format!("{protocol} {compression}"),
        });
        let answer = node("send_spans.mjs", &input).await?;
        assert_eq!(answer, json!({ "sent": 1 }), "{}", gateway.log());
    }
    let seen = backend.wait_for(table.len()).await?;
    let mut names: Vec<_> = seen.iter().map(|(_, span)| span.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["grpc gzip", "grpc none", "json none", "proto gzip"]);
    for (resource, span) in &seen {
        assert_eq!(
            resource["openinference.project.name"],
            "cogniverse-acme--javascript-app"
        );
        assert_eq!(texts(&span.attributes)["input.value"], "Grüße");
        assert_eq!((span.events.len(), span.trace_id.len()), (1, 16));
    }
    Ok(())
}
