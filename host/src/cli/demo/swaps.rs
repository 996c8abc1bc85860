//! The provider's file is replaced, again and again, while a tenant reads.

use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::ensure;
use roost::contract::TimeWindow;
use roost::provider::SpanQuery;
use tokio::time::sleep;

use super::screen::{Screen, duration, table};
use super::stage::Stage;
use super::steps::eventually;
use crate::cli::table::Column;
use crate::cli::terminal::{GOOD, paint};

/// What a reader does between two reads.
const PAUSE: Duration = Duration::from_millis(10);
/// Reads that each generation serves before it is replaced.
const READS_EACH: u64 = 20;

/// What became of the reads so far.
#[derive(Default)]
struct Reads {
    done: AtomicU64,
    failed: AtomicU64,
}

impl Reads {
    /// Those that brought spans, and those that did not.
    fn so_far(&self) -> (u64, u64) {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        (read(&self.done), read(&self.failed))
    }
}

pub(super) async fn show(
    screen: &Screen<'_>,
    stage: &Stage,
    component: &[u8],
    swaps: u8,
) -> anyhow::Result<()> {
    let file = format!("{}.wasm", stage.backend.provider());
    screen.step(&format!(
        "{file} is replaced {} while acme goes on reading",
        match swaps {
            1 => "once".to_owned(),
            more => format!("{more} times"),
        }
    ))?;
    let reads = Reads::default();
    let began = Instant::now();
    let rows = {
        let _waiting = screen.wait("reading and replacing");
        // Three readers, so that there is always a call under way when the file changes.
        tokio::select! {
            rows = replace(stage, component, swaps, &reads) => rows?,
            never = read(stage, &reads) => match never? {},
            never = read(stage, &reads) => match never? {},
            never = read(stage, &reads) => match never? {},
        }
    };
    let columns = [
        Column::whole("GENERATION").right(),
        Column::whole("SHA-256"),
        Column::whole("SERVED AFTER").right(),
        Column::whole("READS SO FAR").right(),
        Column::whole("FAILED").right(),
    ];
    screen.say(table(columns, rows))?;
    let (done, failed) = reads.so_far();
    ensure!(failed == 0, "{failed} of {} reads failed", failed + done);
    screen.done(format!(
        "{} generations, {done} reads, {} in {}",
        u64::from(swaps) + 1,
        paint(GOOD, "0 failures"),
        duration(began.elapsed())
    ))?;
    Ok(())
}

/// Replace the file; returned is a row for each generation.
async fn replace(
    stage: &Stage,
    component: &[u8],
    swaps: u8,
    reads: &Reads,
) -> anyhow::Result<Vec<[String; 5]>> {
    let mut rows = Vec::new();
    for swap in 1..=swaps {
        // A custom section makes another content of the same provider.
        let mut next = component.to_vec();
        next.extend([0, 3, 1, b's', swap]);
        let number = u64::from(swap) + 1;
        let began = Instant::now();
        stage.install(&next)?;
        let mut served_after = None;
        let generation = eventually("the new file serves reads", async || {
            let generation = stage.serving()?;
            ensure!(generation.number == number, "{} serves", generation.number);
            served_after.get_or_insert_with(|| began.elapsed());
            ensure!(generation.calls >= READS_EACH, "{} reads", generation.calls);
            Ok(generation)
        })
        .await?;
        let (done, failed) = reads.so_far();
        rows.push([
            number.to_string(),
            format!(
                "{}…",
                generation.digest.chars().take(16).collect::<String>()
            ),
            duration(served_after.unwrap_or_default()),
            done.to_string(),
            failed.to_string(),
        ]);
    }
    Ok(rows)
}

/// Read until the end.
async fn read(stage: &Stage, reads: &Reads) -> anyhow::Result<Infallible> {
    // An answer that is kept would say nothing about the swap.
    let provider = stage.provider("acme")?.uncached();
    let query = SpanQuery::new(stage.project("acme")?, TimeWindow::all());
    loop {
        let outcome = match provider.traces().get_spans(&query).await {
            Ok(spans) if !spans.is_empty() => &reads.done,
            _ => &reads.failed,
        };
        outcome.fetch_add(1, Ordering::Relaxed);
        // Phoenix and the compiler want to work as well.
        sleep(PAUSE).await;
    }
}
