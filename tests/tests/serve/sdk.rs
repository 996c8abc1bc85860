//! The OpenTelemetry SDK for Python, through the gateway, into a real Phoenix.

use std::time::Duration;

use anyhow::{Result, ensure};
use roost_tests::{Gateway, Phoenix, eventually, phoenix_provider, python, unique};
use serde_json::{Value, json};

async fn names(phoenix: &Phoenix, project: &str) -> Result<Vec<String>> {
    let url = format!("{}/v1/projects/{project}/spans", phoenix.http_endpoint());
    let answer: Value = reqwest::Client::builder()
        .no_proxy()
        .build()?
        .get(url)
        .send()
        .await?
        .error_for_status()?
        .json()
        .await?;
    let spans = answer["data"].as_array().cloned().unwrap_or_default();
    let mut names: Vec<_> = spans
        .iter()
        .filter_map(|span| Some(span["name"].as_str()?.to_owned()))
        .collect();
    names.sort();
    Ok(names)
}

#[tokio::test]
async fn spans_of_the_python_sdk_land_in_the_projects_of_their_tenants() -> Result<()> {
    let phoenix = Phoenix::shared().await?;
    let settings = format!(
        "connections.default.provider_config = {{ http_endpoint = \"{}\", grpc_endpoint = \"{}\" }}\n\
         serve.acknowledge = \"durable\"\n",
        phoenix.http_endpoint(),
        phoenix.grpc_endpoint()
    );
    let provider = phoenix_provider()?;
    let gateway = Gateway::start(&settings, |folder| {
        std::fs::copy(provider, folder.join("plugins/phoenix.wasm"))?;
        Ok(())
    })
    .await?;
    let (by_header, by_attribute) = (unique("header"), unique("attribute"));
    let table = [
        (
            "grpc",
            format!("http://{}", gateway.grpc()),
            None,
            &by_header,
            true,
        ),
        (
            "http",
            format!("http://{}/v1/traces", gateway.http()),
            Some("gzip"),
            &by_header,
            true,
        ),
        (
            "grpc",
            format!("http://{}", gateway.grpc()),
            Some("gzip"),
            &by_attribute,
            false,
        ),
        (
            "http",
            format!("http://{}/v1/traces", gateway.http()),
            None,
            &by_attribute,
            false,
        ),
    ];
    for (protocol, endpoint, compression, tenant, is_header) in table {
        let mut resource = json!({ "service.name": "python app" });
        let mut headers = json!({});
        if is_header {
            headers["x-roost-tenant"] = json!(tenant);
        } else {
            resource["tenant.id"] = json!(tenant);
        }
        let input = json!({
            "protocol": protocol,
            "endpoint": endpoint,
            "headers": headers,
            "resource": resource,
            "compression": compression,
            "names": [format!("{protocol} one"), format!("{protocol} two")],
        });
        let answer = python("send_spans.py", &[], &input).await?;
        assert_eq!(
            answer,
            json!({ "sent": 2, "flushed": true }),
            "{}",
            gateway.log()
        );
    }
    for tenant in [&by_header, &by_attribute] {
        // The blank of the service's name cannot be in a project's.
        let project = format!("cogniverse-{tenant}--python-app");
        let wanted = ["grpc one", "grpc two", "http one", "http two"];
        eventually(
            "Phoenix has the spans",
            Duration::from_secs(60),
            async || {
                let seen = names(phoenix, &project).await?;
                ensure!(seen == wanted, "{seen:?}");
                Ok(())
            },
        )
        .await?;
    }
    let stopped = gateway.stop().await?;
    assert_eq!(stopped.code, 0, "{stopped:?}");
    Ok(())
}
