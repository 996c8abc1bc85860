//! A thousand spans of calls to a language model, read back from a real Phoenix.

use std::hint::black_box;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use roost::ProviderError;
use roost::contract::{Span, TimeWindow};
use roost::provider::{Provider, SpanQuery};
use roost_tests::{Phoenix, eventually};
use tokio::runtime::Runtime;

use crate::native::Reader;
use crate::replay::Replay;
use crate::report::{Comparison, Report, Target};
use crate::service::{Service, TENANT};

const SPANS: usize = 1_000;

/// Phoenix stores some hundred spans a second, on a machine with nothing else to do.
const STORED: Duration = Duration::from_secs(180);

pub(crate) fn compare(report: &mut Report, runtime: &Runtime) -> Result<()> {
    let phoenix = runtime.block_on(Phoenix::start())?;
    let service = runtime.block_on(Service::start(phoenix.http_endpoint(), ""))?;
    let reader = Reader::new(phoenix.http_endpoint(), &service.project()?)?;
    eprintln!("Phoenix stores {SPANS} spans; it takes its time");
    runtime.block_on(write(&service))?;
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
                black_box(reader.get_spans().await.unwrap());
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
    ensure!(spans == reader.get_spans().await?, "the spans differ");
    Ok(())
}

/// Write the spans, and wait until the backend has stored them all.
async fn write(service: &Service) -> Result<()> {
    for number in 0..SPANS {
        write_one(service, i64::try_from(number)?);
    }
    let report = service.telemetry.force_flush(STORED).await;
    ensure!(report.is_complete(), "{report:?}");
    let provider = service.provider()?;
    let query = query(service)?;
    eventually("Phoenix has stored the spans", STORED, async || {
        let stored = read(&provider, &query).await?.len();
        ensure!(stored == SPANS, "{stored} of {SPANS}");
        Ok(())
    })
    .await
}

/// A span as the instrumentation of a chat library makes it.
fn write_one(service: &Service, number: i64) {
    const SYSTEM: &str = "You help the users of a video library to find the scene they have in \
        mind. Answer with the number of the clip, the time in it and one sentence that says why \
        it fits. If nothing fits say so; never make up a clip.";
    const FOUND: &str = "Clip 4711 at 00:12:35 fits best: the camera follows a barn owl that \
        leaves the \"tower\" at dusk, circles over the field twice and comes back with a mouse.\n\
        Clip 812 at 00:03:10 shows an owl as well, but in daylight and from far away.";
    let asked = format!("Where does the owl fly home at night? It was about minute {number}.");
    let input = format!(
        r#"{{"messages":[{{"role":"system","content":"{SYSTEM}"}},{{"role":"user","content":"{asked}"}}]}}"#
    );
    service
        .telemetry
        .span("ChatCompletion", TENANT)
        .kind("LLM")
        .attribute("llm.provider", "openai")
        .attribute("llm.model_name", "gpt-4o-mini")
        .attribute(
            "llm.invocation_parameters",
            r#"{"temperature": 0.2, "max_tokens": 512, "top_p": 1.0}"#,
        )
        .attribute("llm.input_messages.0.message.role", "system")
        .attribute("llm.input_messages.0.message.content", SYSTEM)
        .attribute("llm.input_messages.1.message.role", "user")
        .attribute("llm.input_messages.1.message.content", asked)
        .attribute("llm.output_messages.0.message.role", "assistant")
        .attribute("llm.output_messages.0.message.content", FOUND)
        .attribute("llm.token_count.prompt", 180 + number)
        .attribute("llm.token_count.completion", 74)
        .attribute("llm.token_count.total", 254 + number)
        .attribute("input.value", input)
        .attribute("input.mime_type", "application/json")
        .attribute("output.value", FOUND)
        .attribute("output.mime_type", "text/plain")
        .attribute("score", 0.5 + number as f64 / 4096.0)
        .attribute("cached", number % 2 == 0)
        .attribute("user.id", format!("user-{}", number % 100))
        .in_scope(|_| ());
}
