//! The provider's file is replaced while a service reads.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use anyhow::{Context, Result, ensure};
use roost::contract::TimeWindow;
use roost::provider::SpanQuery;
use roost_tests::{eventually, phoenix_provider, unique};

use crate::{SOON, Service};

const READS: usize = 200;
const SWAPS: u64 = 10;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_reads_during_ten_swaps_without_one_failure() -> Result<()> {
    let service = Service::shared().await?;
    let tenant = unique("acme");
    service.telemetry.span("work", &tenant).in_scope(|_| ());
    service.delivered().await?;
    service.spans(&tenant, 1).await?;

    let provider = service.provider(&tenant)?;
    let query = SpanQuery::new(service.project(&tenant)?, TimeWindow::all());
    let (reads, swapped) = (
        Arc::new(AtomicUsize::new(0)),
        Arc::new(AtomicBool::new(false)),
    );
    let mut readers = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let (provider, query) = (provider.clone(), query.clone());
        let (reads, swapped) = (Arc::clone(&reads), Arc::clone(&swapped));
        readers.spawn(async move {
            while reads.load(Ordering::Relaxed) < READS || !swapped.load(Ordering::Relaxed) {
                let spans = provider.traces().get_spans(&query).await?;
                ensure!(spans.len() == 1, "{} spans", spans.len());
                reads.fetch_add(1, Ordering::Relaxed);
            }
            Ok(())
        });
    }
    let host = service.telemetry.host().context("there is a host")?;
    let component = std::fs::read(phoenix_provider()?)?;
    for swap in 1..=SWAPS {
        // A custom section makes another content of the same provider.
        let mut next = component.clone();
        next.extend([0, 3, 1, b's', u8::try_from(swap)?]);
        let before = reads.load(Ordering::Relaxed);
        service.folder.install_bytes("phoenix", &next)?;
        eventually("the swap, and a read after it", SOON, async || {
            let status = host.providers().remove(0);
            let generation = status.generation.context("it does not serve")?;
            ensure!(generation.number == swap + 1, "{}", generation.number);
            ensure!(reads.load(Ordering::Relaxed) > before, "no read yet");
            Ok(())
        })
        .await?;
    }
    swapped.store(true, Ordering::Relaxed);
    while let Some(reader) = readers.join_next().await {
        reader??;
    }
    assert!(reads.load(Ordering::Relaxed) >= READS);
    Ok(())
}
