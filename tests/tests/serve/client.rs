//! Requests made by hand.

use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Result;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;
use reqwest::{RequestBuilder, Response};
use roost_tests::Gateway;
use tonic::transport::Channel;

pub(crate) const PROTOBUF: &str = "application/x-protobuf";

pub(crate) fn text(key: &str, text: &str) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue {
            value: Some(Value::StringValue(text.to_owned())),
        }),
        ..KeyValue::default()
    }
}

/// A span nobody else has.
pub(crate) fn span(name: &str) -> Span {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let id = NEXT.fetch_add(1, Ordering::Relaxed);
    Span {
        trace_id: u128::from(id).to_be_bytes().to_vec(),
        span_id: id.to_be_bytes().to_vec(),
        name: name.to_owned(),
        start_time_unix_nano: 1_795_000_000_000_000_000,
        end_time_unix_nano: 1_795_000_000_500_000_000,
        ..Span::default()
    }
}

pub(crate) fn spans(count: usize) -> Vec<Span> {
    (0..count).map(|_| span("work")).collect()
}

/// Spans of a resource with these attributes.
pub(crate) fn group(resource: &[(&str, &str)], spans: Vec<Span>) -> ResourceSpans {
    let attributes = resource.iter().map(|(key, value)| text(key, value));
    ResourceSpans {
        resource: Some(Resource {
            attributes: attributes.collect(),
            ..Resource::default()
        }),
        scope_spans: vec![ScopeSpans {
            spans,
            ..ScopeSpans::default()
        }],
        ..ResourceSpans::default()
    }
}

pub(crate) fn request(groups: Vec<ResourceSpans>) -> ExportTraceServiceRequest {
    ExportTraceServiceRequest {
        resource_spans: groups,
    }
}

/// Spans of the service `shop`.
pub(crate) fn shop(spans: Vec<Span>) -> ExportTraceServiceRequest {
    request(vec![group(&[("service.name", "shop")], spans)])
}

/// A request to post.
pub(crate) fn post(gateway: &Gateway, kind: &str, body: Vec<u8>) -> RequestBuilder {
    reqwest::Client::builder()
        .no_proxy()
        .build()
        .unwrap()
        .post(format!("http://{}/v1/traces", gateway.http()))
        .header("content-type", kind)
        .body(body)
}

/// Posts spans as protobuf, with these headers.
pub(crate) async fn send(
    gateway: &Gateway,
    headers: &[(&str, &str)],
    request: &ExportTraceServiceRequest,
) -> Result<Response> {
    let post = post(gateway, PROTOBUF, request.encode_to_vec());
    let post = headers
        .iter()
        .fold(post, |post, (name, value)| post.header(*name, *value));
    Ok(post.send().await?)
}

pub(crate) async fn grpc(gateway: &Gateway) -> Result<TraceServiceClient<Channel>> {
    let endpoint = Channel::from_shared(format!("http://{}", gateway.grpc()))?;
    Ok(TraceServiceClient::new(endpoint.connect().await?))
}

/// The `google.rpc.Status` in an answer over HTTP.
#[derive(Message)]
pub(crate) struct RpcStatus {
    #[prost(int32, tag = "1")]
    pub(crate) code: i32,
    #[prost(string, tag = "2")]
    pub(crate) message: String,
}
