//! Ten thousand spans of a real Phoenix, read in all the ways there are.

use std::hint::black_box;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use roost::contract::TimeWindow;
use roost::provider::SpanQuery;
use roost_tests::Phoenix;
use tokio::runtime::Runtime;

use crate::native::Reader;
use crate::report::{Comparison, Report, Target};
use crate::service::Service;
use crate::written;

const SPANS: usize = 10_000;

pub(crate) fn compare(report: &mut Report, runtime: &Runtime) -> Result<()> {
    let phoenix = runtime.block_on(Phoenix::start())?;
    let service = runtime.block_on(Service::start(phoenix.http_endpoint(), ""))?;
    eprintln!("Phoenix stores {SPANS} spans; it takes its time");
    runtime.block_on(written::write(&service, SPANS))?;
    let provider = service.provider()?;
    let query = SpanQuery::new(service.project()?, TimeWindow::all()).limit(SPANS);
    let all = || async { provider.traces().get_spans(&query).await };
    let reader = Reader::new(phoenix.http_endpoint(), &service.project()?)?;
    let mut python = PythonClient::start(phoenix.http_endpoint(), &service.project()?)?;
    ensure!(runtime.block_on(all())? == runtime.block_on(reader.get_spans(SPANS))?);
    let comparison = |name, baseline, target| Comparison {
        name,
        baseline,
        target,
        turn: 1,
        samples: 10,
        time: Duration::from_secs(10),
    };
    report.compare(
        comparison(
            "10,000 spans of Phoenix",
            "reqwest and serde",
            Target::Times(1.1),
        ),
        timed(runtime, all),
        timed(runtime, || reader.get_spans(SPANS)),
    );
    report.compare(
        comparison(
            "the same 10,000 spans",
            "Phoenix's Python client",
            Target::Times(1.0),
        ),
        timed(runtime, all),
        |times| {
            let began = Instant::now();
            for _ in 0..times {
                python.read().unwrap();
            }
            began.elapsed()
        },
    );
    let project = service.project()?;
    report.compare(
        comparison(
            "statistics of the same 10,000 spans",
            "reading the spans whole",
            Target::Times(0.25),
        ),
        timed(runtime, || async {
            let analytics = provider.analytics();
            analytics
                .get_trace_statistics(&project, TimeWindow::all())
                .await
        }),
        timed(runtime, all),
    );
    Ok(())
}

fn timed<T, E: std::fmt::Debug, F: Future<Output = Result<T, E>>>(
    runtime: &Runtime,
    read: impl Fn() -> F,
) -> impl FnMut(u64) -> Duration {
    move |times| {
        runtime.block_on(async {
            let began = Instant::now();
            for _ in 0..times {
                black_box(read().await.unwrap());
            }
            began.elapsed()
        })
    }
}

/// A Python process that reads all spans whenever it is told to.
struct PythonClient {
    process: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl PythonClient {
    fn start(endpoint: &str, project: &str) -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let mut process = Command::new(root.join(".venv/client/bin/python"))
            .arg(root.join("benches/python/read_spans.py"))
            .args([endpoint, project, &SPANS.to_string()])
            .env("PHOENIX_DISCOVER_CONFIG", "false")
            .env("NO_PROXY", "127.0.0.1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("no Python in .venv/client: run `make setup`")?;
        Ok(Self {
            orders: process.stdin.take().context("no standard input")?,
            answers: BufReader::new(process.stdout.take().context("no standard output")?),
            process,
        })
    }

    fn read(&mut self) -> Result<()> {
        self.orders.write_all(b"\n")?;
        let mut answer = String::new();
        self.answers.read_line(&mut answer)?;
        ensure!(answer.trim() == SPANS.to_string(), "it read {answer}");
        Ok(())
    }
}

impl Drop for PythonClient {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
