//! A thousand spans of calls to a language model, read back from a real Phoenix.

use std::hint::black_box;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use roost::ProviderError;
use roost::contract::{Span, TimeWindow};
use roost::provider::{Provider, SpanQuery};
use roost_tests::Phoenix;
use tokio::runtime::Runtime;

use crate::native::Reader;
use crate::replay::Replay;
use crate::report::{Comparison, Report, Target};
use crate::service::Service;
use crate::written;

const SPANS: usize = 1_000;

pub(crate) fn compare(report: &mut Report, runtime: &Runtime) -> Result<()> {
    let phoenix = runtime.block_on(Phoenix::start())?;
    let service = runtime.block_on(Service::start(phoenix.http_endpoint(), ""))?;
    let reader = Reader::new(phoenix.http_endpoint(), &service.project()?)?;
    eprintln!("Phoenix stores {SPANS} spans; it takes its time");
    runtime.block_on(written::write(&service, SPANS))?;
    runtime.block_on(both_read_the_same(&service, &reader))?;
    report.compare(
        Comparison {
            name: "1,000 spans of Phoenix",
            baseline: "reqwest and serde",
            target: Target::Times(1.15),
            turn: 1,
            samples: 60,
            time: Duration::from_secs(30),
        },
        with_roost(runtime, &service)?,
        natively(runtime, &reader),
    );

    let answer = runtime.block_on(reader.answer())?;
    eprintln!("its answer has {} KiB", answer.len() / 1024);
    let replay = Replay::start("application/json", &answer)?;
    let service = runtime.block_on(Service::start(replay.endpoint(), ""))?;
    let reader = Reader::new(replay.endpoint(), &service.project()?)?;
    runtime.block_on(both_read_the_same(&service, &reader))?;
    report.compare(
        Comparison {
            name: "the same 1,000 spans, the answer from memory",
            baseline: "reqwest and serde",
            target: Target::None,
            turn: 1,
            samples: 50,
            time: Duration::from_secs(10),
        },
        with_roost(runtime, &service)?,
        natively(runtime, &reader),
    );
    Ok(())
}

fn with_roost(runtime: &Runtime, service: &Service) -> Result<impl FnMut(u64) -> Duration> {
    let provider = service.provider()?;
    let query = query(service)?;
    Ok(move |times| {
        runtime.block_on(async {
            let began = Instant::now();
            for _ in 0..times {
                black_box(read(&provider, &query).await.unwrap());
            }
            began.elapsed()
        })
    })
}

fn natively(runtime: &Runtime, reader: &Reader) -> impl FnMut(u64) -> Duration {
    move |times| {
        runtime.block_on(async {
            let began = Instant::now();
            for _ in 0..times {
                black_box(reader.get_spans(SPANS).await.unwrap());
            }
            began.elapsed()
        })
    }
}

fn query(service: &Service) -> Result<SpanQuery> {
    Ok(SpanQuery::new(service.project()?, TimeWindow::all()).limit(SPANS))
}

async fn read(provider: &Provider, query: &SpanQuery) -> Result<Vec<Span>, ProviderError> {
    provider.traces().get_spans(query).await
}

/// A comparison of two ways that come to different results would be worth nothing.
async fn both_read_the_same(service: &Service, reader: &Reader) -> Result<()> {
    let spans = read(&service.provider()?, &query(service)?).await?;
    ensure!(spans.len() == SPANS, "{} spans", spans.len());
    ensure!(spans.iter().all(|span| span.attributes.len() == 22));
    ensure!(spans == reader.get_spans(SPANS).await?, "the spans differ");
    Ok(())
}
