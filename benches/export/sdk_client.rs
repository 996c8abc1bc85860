//! A service that makes its spans with opentelemetry-rust: a provider for each tenant.

use std::time::{Duration, Instant};

use anyhow::Result;
use opentelemetry::KeyValue;
use opentelemetry::trace::{Tracer, TracerProvider};
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, SdkTracer, SdkTracerProvider,
};

use crate::attributes::{NAME, attributes, automatic, tenant};
use crate::process::{as_client, median};

const BURSTS: (usize, u32) = (500, 200);

/// How long the last span may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// `sdk <endpoint> <tenants> <spans>`, as `roost`.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let [endpoint, tenants, spans] = arguments else {
        anyhow::bail!("an endpoint, tenants and spans");
    };
    let (tenants, spans): (usize, usize) = (tenants.parse()?, spans.parse()?);
    // Exporters want one; they share it.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let _inside = runtime.enter();
    // Room for all of them: it has no way to wait, and would lose what finds none.
    let queue = spans.div_ceil(tenants).max(BURSTS.0);
    let providers = (0..tenants)
        .map(|number| provider(endpoint, &tenant(number), queue))
        .collect::<Result<Vec<_>>>()?;
    let tenants: Vec<_> = providers
        .iter()
        .enumerate()
        .map(|(number, provider)| (tenant(number), provider.tracer("bench")))
        .collect();
    if spans == 0 {
        return cost(&providers, &tenants);
    }
    as_client(|| {
        for (tenant, tracer) in tenants.iter().cycle().take(spans) {
            make(tracer, tenant);
        }
        // `force_flush` gives up after five seconds.
        for provider in &providers {
            provider.shutdown_with_timeout(PATIENCE)?;
        }
        Ok(())
    })
}

fn make(tracer: &SdkTracer, tenant: &str) {
    drop(
        tracer
            .span_builder(NAME)
            .with_attributes(attributes().into_iter().chain(automatic(tenant)))
            .start(tracer),
    );
}

fn provider(endpoint: &str, tenant: &str, queue: usize) -> Result<SdkTracerProvider> {
    let exporter = SpanExporter::builder()
        .with_tonic()
        .with_endpoint(endpoint)
        .build()?;
    let config = BatchConfigBuilder::default()
        .with_max_queue_size(queue)
        .with_max_export_batch_size(512)
        .build();
    let processor = BatchSpanProcessor::builder(exporter)
        .with_batch_config(config)
        .build();
    let project = KeyValue::new(
        "openinference.project.name",
        format!("{tenant}-video-search"),
    );
    Ok(SdkTracerProvider::builder()
        .with_span_processor(processor)
        .with_resource(Resource::builder().with_attribute(project).build())
        .build())
}

fn cost(providers: &[SdkTracerProvider], tenants: &[(String, SdkTracer)]) -> Result<()> {
    let (spans, times) = BURSTS;
    let mut costs = Vec::new();
    for _ in 0..times {
        let began = Instant::now();
        for (tenant, tracer) in tenants.iter().cycle().take(spans) {
            make(tracer, tenant);
        }
        costs.push(began.elapsed().as_nanos() as f64 / spans as f64);
        for provider in providers {
            provider.force_flush()?;
        }
    }
    println!("{}", median(costs));
    Ok(())
}
