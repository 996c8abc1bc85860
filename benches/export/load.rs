//! Applications that send to a gateway: requests of 512 spans, eight at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use bytes::Bytes;
use opentelemetry::Value;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;

use crate::attributes::{NAME, attributes, tenant};
use crate::process::as_client;

/// How many spans are in a request.
pub(crate) const SPANS: usize = 512;
const AT_A_TIME: usize = 8;

/// `load <address> <tenants a request> <requests>`; it says the seconds, and then at the next
/// line the 99th percentile of how long a request took, in milliseconds, and how many were
/// sent again.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let [address, tenants, requests] = arguments else {
        anyhow::bail!("an address, tenants and requests");
    };
    let body = Bytes::from(request(tenants.parse()?).encode_to_vec());
    let url = format!("http://{address}/v1/traces");
    let left = Arc::new(AtomicI64::new(requests.parse()?));
    let again = Arc::new(AtomicU64::new(0));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let mut times = Vec::new();
    as_client(|| {
        let client = reqwest::Client::new();
        let workers: Vec<_> = (0..AT_A_TIME)
            .map(|_| {
                runtime.spawn(work(
                    client.clone(),
                    url.clone(),
                    body.clone(),
                    Arc::clone(&left),
                    Arc::clone(&again),
                ))
            })
            .collect();
        for worker in workers {
            times.extend(runtime.block_on(worker)??);
        }
        Ok(())
    })?;
    times.sort_unstable();
    let p99 = times
        .get(times.len() * 99 / 100)
        .copied()
        .unwrap_or_default();
    println!(
        "{} {}",
        p99.as_secs_f64() * 1e3,
        again.load(Ordering::SeqCst)
    );
    std::io::stdin().read_line(&mut String::new())?;
    Ok(())
}

async fn work(
    client: reqwest::Client,
    url: String,
    body: Bytes,
    left: Arc<AtomicI64>,
    again: Arc<AtomicU64>,
) -> Result<Vec<Duration>> {
    let mut times = Vec::new();
    while left.fetch_sub(1, Ordering::SeqCst) > 0 {
        let began = Instant::now();
        while !send(client.clone(), url.clone(), body.clone()).await? {
            again.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        times.push(began.elapsed());
    }
    Ok(times)
}

/// Whether it was taken.
async fn send(client: reqwest::Client, url: String, body: Bytes) -> Result<bool> {
    let request = client
        .post(url)
        .header("content-type", "application/x-protobuf")
        .body(body);
    let answer = request.send().await?;
    let status = answer.status();
    ensure!(
        status.is_success() || status == 503 || status == 429,
        "{status} {}",
        answer.text().await?
    );
    answer.bytes().await?;
    Ok(status.is_success())
}

/// The spans of so many tenants.
fn request(tenants: usize) -> ExportTraceServiceRequest {
    let span = |number: usize| Span {
        trace_id: (number as u128 + 1).to_be_bytes().to_vec(),
        span_id: (number as u64 + 1).to_be_bytes().to_vec(),
        name: NAME.to_owned(),
        kind: 1,
        start_time_unix_nano: 1_760_000_000_000_000_000,
        end_time_unix_nano: 1_760_000_001_000_000_000,
        attributes: attributes()
            .iter()
            .map(|attribute| pair(attribute.key.as_str(), &attribute.value))
            .collect(),
        ..Default::default()
    };
    let resource_spans = (0..tenants)
        .map(|number| ResourceSpans {
            resource: Some(Resource {
                attributes: vec![
                    pair("service.name", &"video-search".into()),
                    pair("tenant.id", &tenant(number).into()),
                    pair("telemetry.sdk.language", &"python".into()),
                    pair("host.name", &"worker-1".into()),
                ],
                ..Default::default()
            }),
            scope_spans: vec![ScopeSpans {
                scope: Some(InstrumentationScope {
                    name: "openinference.instrumentation.openai".to_owned(),
                    ..Default::default()
                }),
                spans: (0..SPANS)
                    .filter(|span| span % tenants == number)
                    .map(span)
                    .collect(),
                ..Default::default()
            }],
            ..Default::default()
        })
        .collect();
    ExportTraceServiceRequest { resource_spans }
}

fn pair(key: &str, value: &Value) -> KeyValue {
    let value = match value {
        Value::Bool(value) => Any::BoolValue(*value),
        Value::I64(value) => Any::IntValue(*value),
        Value::F64(value) => Any::DoubleValue(*value),
        other => Any::StringValue(other.as_str().into_owned()),
    };
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(value) }),
        ..Default::default()
    }
}
