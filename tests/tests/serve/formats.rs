//! What may be sent, and how answers are written.

use std::io::Write;

use anyhow::Result;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message;
use serde_json::{Value, json};
use tonic::{Code, Request};

use crate::backend::{Backend, Mood};
use crate::client::{PROTOBUF, RpcStatus, grpc, post, request, send, shop, span, spans};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Which semantic conventions a sender keeps to is its own to say.
#[tokio::test]
async fn schema_urls_arrive_with_what_they_are_about() -> Result<()> {
    let backend = Backend::start(Mood::Willing).await?;
    let gateway = backend.gateway("").await?;
    let mut sent = shop(vec![span("work")]);
    sent.resource_spans[0].schema_url = "https://example.org/resource".to_owned();
    sent.resource_spans[0].scope_spans[0].schema_url = "https://example.org/spans".to_owned();
    assert_eq!(send(&gateway, &[], &sent).await?.status(), 200);
    backend.wait_for(1).await?;
    let group = backend.groups().remove(0);
    assert_eq!(group.schema_url, "https://example.org/resource");
    assert_eq!(group.scope_spans[0].schema_url, "https://example.org/spans");
    Ok(())
}

#[tokio::test]
async fn protobuf_and_json_plain_and_compressed_arrive_whole() -> Result<()> {
    let backend = Backend::start(Mood::Willing).await?;
    let gateway = backend.gateway("").await?;
    let plain = shop(vec![span("plain")]);
    assert_eq!(send(&gateway, &[], &plain).await?.status(), 200);

    let body = gzip(&shop(vec![span("gzip")]).encode_to_vec());
    let sent = post(&gateway, PROTOBUF, body).header("content-encoding", "gzip");
    assert_eq!(sent.send().await?.status(), 200);

    let body = zstd::encode_all(shop(vec![span("zstd")]).encode_to_vec().as_slice(), 1)?;
    let sent = post(&gateway, PROTOBUF, body).header("content-encoding", "zstd");
    assert_eq!(sent.send().await?.status(), 200);

    let json = json!({ "resourceSpans": [{
        "resource": { "attributes": [{ "key": "service.name", "value": { "stringValue": "shop" } }] },
        "scopeSpans": [{ "spans": [{
            "traceId": "5b8efff798038103d269b633813fc60c",
            "spanId": "eee19b7ec3c1b174",
            "name": "json",
            "startTimeUnixNano": "1795000000000000000",
            "endTimeUnixNano": "1795000000500000000",
        }] }],
    }] });
    let sent = post(
        &gateway,
        "application/json; charset=utf-8",
        json.to_string().into_bytes(),
    );
    let answer = sent.send().await?;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "application/json");
    assert_eq!(answer.text().await?, "{}");

    let mut client = grpc(&gateway).await?;
    client.export(shop(vec![span("grpc")])).await?;

    let seen = backend.wait_for(5).await?;
    let mut names: Vec<_> = seen.iter().map(|(_, span)| span.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["grpc", "gzip", "json", "plain", "zstd"]);
    for (resource, _) in &seen {
        assert_eq!(
            resource["openinference.project.name"],
            "cogniverse-default-shop"
        );
        assert_eq!(resource["service.name"], "shop");
    }
    Ok(())
}

#[tokio::test]
async fn a_bad_span_is_answered_as_partial_success_and_the_rest_is_taken() -> Result<()> {
    let backend = Backend::start(Mood::Willing).await?;
    let gateway = backend.gateway("").await?;
    let mut bad = span("bad");
    bad.span_id = vec![1; 3];
    let request = shop(vec![span("good"), bad, span("good")]);

    let answer = send(&gateway, &[], &request).await?;
    assert_eq!(answer.status(), 200);
    let partial = ExportTraceServiceResponse::decode(answer.bytes().await?)?
        .partial_success
        .unwrap();
    assert_eq!(partial.rejected_spans, 1);
    assert!(
        partial.error_message.contains("`spanId` is no id"),
        "{partial:?}"
    );

    let answer = grpc(&gateway).await?.export(request).await?.into_inner();
    assert_eq!(answer.partial_success.unwrap().rejected_spans, 1);
    let seen = backend.wait_for(4).await?;
    assert!(seen.iter().all(|(_, span)| span.name == "good"));
    Ok(())
}

#[tokio::test]
async fn what_is_no_otlp_is_refused_in_the_form_it_was_asked_in() -> Result<()> {
    let backend = Backend::start(Mood::Willing).await?;
    let gateway = backend.gateway("").await?;
    let answer = post(&gateway, PROTOBUF, b"\x0a\xff".to_vec())
        .send()
        .await?;
    assert_eq!(answer.status(), 400);
    assert_eq!(answer.headers()["content-type"], PROTOBUF);
    let status = RpcStatus::decode(answer.bytes().await?)?;
    assert_eq!(status.code, Code::InvalidArgument as i32);
    assert!(status.message.contains("ends too early"), "{status:?}");

    let answer = post(&gateway, "application/json", b"{".to_vec())
        .send()
        .await?;
    assert_eq!(answer.status(), 400);
    let status: Value = answer.json().await?;
    assert_eq!(status["code"], Code::InvalidArgument as i32);

    for (kind, encoding, wanted) in [
        ("text/plain", "identity", 415),
        (PROTOBUF, "br", 415),
        (PROTOBUF, "gzip", 400),
        (PROTOBUF, "zstd", 400),
    ] {
        let sent = post(&gateway, kind, b"rubbish".to_vec()).header("content-encoding", encoding);
        assert_eq!(sent.send().await?.status(), wanted, "{kind} {encoding}");
    }
    let all_bad = shop(vec![{
        let mut bad = span("bad");
        bad.trace_id.clear();
        bad
    }]);
    assert_eq!(send(&gateway, &[], &all_bad).await?.status(), 400);
    assert_eq!(
        send(&gateway, &[], &request(Vec::new())).await?.status(),
        200
    );

    let client = reqwest::Client::builder().no_proxy().build()?;
    let base = format!("http://{}", gateway.http());
    assert_eq!(
        client
            .get(format!("{base}/v1/traces"))
            .send()
            .await?
            .status(),
        405
    );
    assert_eq!(
        client
            .post(format!("{base}/v1/metrics"))
            .send()
            .await?
            .status(),
        404
    );
    Ok(())
}

#[tokio::test]
async fn both_ports_take_both_protocols() -> Result<()> {
    let backend = Backend::start(Mood::Willing).await?;
    let gateway = backend.gateway("").await?;
    let client = reqwest::Client::builder().no_proxy().build()?;
    let answer = client
        .post(format!("http://{}/v1/traces", gateway.grpc()))
        .header("content-type", PROTOBUF)
        .body(shop(spans(1)).encode_to_vec())
        .send()
        .await?;
    assert_eq!(answer.status(), 200);
    let endpoint = tonic::transport::Channel::from_shared(format!("http://{}", gateway.http()))?;
    let channel = endpoint.connect().await?;
    let mut client = opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient::new(channel);
    client.export(Request::new(shop(spans(1)))).await?;
    backend.wait_for(2).await?;
    Ok(())
}
