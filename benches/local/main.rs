//! `local` on SQLite beside a real Phoenix, and beside the same rows inserted natively: `make
//! bench-local`.
//!
//! Everything is measured in one run, on databases that are made for it. What is compared with
//! what, and how the figures are to be read, is in `BENCHMARKS.md`.

#![allow(clippy::unwrap_used, reason = "a benchmark that fails has to stop")]

#[path = "../chat.rs"]
mod chat;
mod native;
mod service;
mod spans;

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use roost::contract::{Error, GroupKey, MetricName, MetricsQuery, TimeWindow};
use roost::provider::SpanQuery;
use roost_tests::{Phoenix, Postgres};
use tokio::time::sleep;

use native::Rows;
use service::Service;
use spans::Kind;

/// What is stored in Phoenix, and read from both.
const READ: usize = 10_000;
/// What a round of ingestion stores, and how many rounds there are.
const STORED: usize = 30_000;
const ROUNDS: usize = 3;
/// What percentiles are asked of.
const COUNTED: usize = 1_000_000;
const READS: usize = 5;
/// How long Phoenix may take for a span.
const PATIENCE: Duration = Duration::from_millis(180);
/// How often it is looked whether it has stored all.
const PAUSE: Duration = Duration::from_secs(2);

#[tokio::main]
async fn main() -> Result<()> {
    // Those parts that the command line names, or all.
    let named: Vec<_> = std::env::args()
        .skip(1)
        .filter(|it| !it.starts_with("--"))
        .collect();
    let wanted = |part: &str| named.is_empty() || named.iter().any(|it| it == part);
    println!("| what | `local` on SQLite | beside it | | ratio | target |");
    println!("|---|--:|--:|---|--:|---|");
    if wanted("ingest") {
        ingest().await?;
    }
    if wanted("phoenix") {
        beside_phoenix().await?;
    }
    if wanted("postgresql") {
        on_postgresql().await?;
    }
    if wanted("count") {
        count().await?;
    }
    Ok(())
}

/// Rounds of `local` and of native inserts in turns.
async fn ingest() -> Result<()> {
    let (mut through_roost, mut natively) = (Vec::new(), Vec::new());
    let mut bytes = 0;
    for _ in 0..ROUNDS {
        let service = Service::local().await?;
        through_roost.push(service.store(Kind::Chat, STORED).await?);
        bytes = service.database_bytes()?;
        let rows = Rows::read(&service.database())?;
        ensure!(rows.count() == STORED, "{} rows", rows.count());
        natively.push(rows.insert_into(&service.folder().join("databases/native.db"))?);
    }
    let ratios = through_roost.iter().zip(&natively);
    let ratio = median(ratios.map(|(with, without)| with / without).collect());
    let (with, without) = (median(through_roost), median(natively));
    println!(
        "| {STORED} spans of a chat stored, on disk when answered | {with:.2} s, {:.0} spans/s | \
         {without:.2} s | the same rows with rusqlite | {ratio:.2} | 1.6 times: {} |",
        per_second(STORED, with),
        verdict(ratio <= 1.6),
    );
    let each = bytes as f64 / STORED as f64;
    println!("| such a span on disk, indexes included | {each:.0} bytes | | | | |");
    Ok(())
}

/// The same spans stored in Phoenix, and read from both in turns.
async fn beside_phoenix() -> Result<()> {
    let server = Phoenix::start().await?;
    let (phoenix, local) = (Service::phoenix(&server).await?, Service::local().await?);
    eprintln!("Phoenix stores {READ} spans; it takes its time");
    let began = Instant::now();
    phoenix.store(Kind::Chat, READ).await?;
    let limit = PATIENCE * u32::try_from(READ)?;
    let count = question(&phoenix, MetricName::SpanCount)?;
    loop {
        let counted = phoenix.provider()?.analytics().get_metrics(&count).await;
        let stored = match counted {
            Ok(points) => points.first().and_then(|point| point.value),
            // The first span makes the project.
            Err(error) if matches!(error.kind(), Error::NotFound(_)) => None,
            Err(error) => return Err(error.into()),
        };
        if stored == Some(READ as f64) {
            break;
        }
        ensure!(began.elapsed() < limit, "{stored:?} of {READ} are stored");
        // Asking takes its time from storing.
        sleep(PAUSE).await;
    }
    let rate = per_second(READ, began.elapsed().as_secs_f64());
    let local_rate = per_second(READ, local.store(Kind::Chat, READ).await?);
    let ratio = local_rate / rate;
    println!(
        "| spans of a chat stored a second | {local_rate:.0} | {rate:.0} | Phoenix | {ratio:.0} | \
         100 times: {} |",
        verdict(ratio >= 100.0),
    );

    let (mut from_local, mut from_phoenix) = (Vec::new(), Vec::new());
    for _ in 0..READS {
        for (service, times) in [(&local, &mut from_local), (&phoenix, &mut from_phoenix)] {
            let began = Instant::now();
            ensure!(read(service).await? == READ);
            times.push(began.elapsed().as_secs_f64());
        }
    }
    let (from_local, from_phoenix) = (median(from_local), median(from_phoenix));
    let ratio = from_phoenix / from_local;
    println!(
        "| `get-spans` of {READ} spans | {:.0} ms | {:.0} ms | Phoenix | {ratio:.1} | 10 times: {} |",
        from_local * 1e3,
        from_phoenix * 1e3,
        verdict(ratio >= 10.0),
    );
    Ok(())
}

/// The same spans stored in a PostgreSQL on this machine, as its packages configure it.
async fn on_postgresql() -> Result<()> {
    let server = Postgres::start().await?;
    let address = server.database().await?;
    let service = Service::postgresql(&address).await?;
    let took = service.store(Kind::Chat, STORED).await?;
    let sql = "SELECT SUM(pg_total_relation_size(oid)) FROM pg_class WHERE relkind = 'r' AND \
        relnamespace = 'roost_default'::regnamespace";
    let bytes: f64 = server.ask(&address, sql).await?.parse()?;
    println!(
        "\nPostgreSQL stored {:.0} spans of a chat a second, {:.0} bytes each, indexes included.",
        per_second(STORED, took),
        bytes / STORED as f64
    );
    Ok(())
}

async fn read(service: &Service) -> Result<usize> {
    let query = SpanQuery::new(service.project()?, TimeWindow::all()).limit(READ);
    Ok(service.provider()?.traces().get_spans(&query).await?.len())
}

/// Percentiles by name over a million small spans.
async fn count() -> Result<()> {
    let service = Service::local().await?;
    eprintln!("{COUNTED} spans are stored");
    let took = service.store(Kind::Small, COUNTED).await?;
    let mut query = question(&service, MetricName::LatencyP95)?;
    query.group_by = vec![GroupKey::Name];
    let provider = service.provider()?;
    let mut times = Vec::new();
    for _ in 0..READS {
        let began = Instant::now();
        let points = provider.analytics().get_metrics(&query).await?;
        times.push(began.elapsed().as_secs_f64());
        ensure!(points.len() == spans::NAMES, "{} names", points.len());
    }
    let time = median(times);
    println!("\n| over {COUNTED} small spans | |\n|---|--:|");
    println!(
        "| p95 by name | {:.0} ms (under 1 s: {}) |",
        time * 1e3,
        verdict(time < 1.0)
    );
    println!(
        "| stored in | {took:.0} s, {:.0} spans/s |",
        per_second(COUNTED, took)
    );
    let each = service.database_bytes()? as f64 / COUNTED as f64;
    println!("| on disk, each | {each:.0} bytes |\n");
    for line in native::plan(&service.database())? {
        println!("    {line}");
    }
    Ok(())
}

fn question(service: &Service, metric: MetricName) -> Result<MetricsQuery> {
    Ok(MetricsQuery {
        project: service.project()?,
        metrics: vec![metric],
        window: TimeWindow::all(),
        bucket: None,
        group_by: Vec::new(),
    })
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn per_second(count: usize, seconds: f64) -> f64 {
    count as f64 / seconds
}

fn verdict(met: bool) -> &'static str {
    if met { "met" } else { "**not met**" }
}
