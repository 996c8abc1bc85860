//! A provider that comes into a host which runs, and one beside it that misbehaves.

use std::hint::black_box;
use std::time::{Duration, Instant};
use std::{fs, iter, thread};

use anyhow::Result;
use roost::Host;
use roost::config::{ConnectionLimits, LimitsConfig, PluginsConfig};
use roost::contract::TimeWindow;
use roost::plugin::{ConnectionSpec, DatabaseSpec};
use roost::provider::{Provider, Scope, SpanQuery};
use roost_tests::{PluginFolder, echo, misdeeds, phoenix_provider};
use serde_json::{Map, Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::task::yield_now;
use wasmtime::component::Component;

use crate::bare;
use crate::provoker::{self, Provoke};
use crate::report::{Comparison, Report, Target};

/// How many calls a 99th percentile is taken from, and how long it is from one to the next.
const CALLS: usize = 500;
const BETWEEN: Duration = Duration::from_millis(1);

pub(crate) fn compare(report: &mut Report, runtime: &Runtime) -> Result<()> {
    drops(report, runtime)?;
    restart(report, runtime)?;
    beside(report, runtime)
}

/// From a file in the folder to a provider that serves.
fn drops(report: &mut Report, runtime: &Runtime) -> Result<()> {
    let bytes = fs::read(phoenix_provider()?)?;
    let comparison = |name| Comparison {
        name,
        baseline: "wasmtime, the component alone",
        target: Target::Times(1.2),
        turn: 1,
        samples: 20,
        time: Duration::from_secs(15),
    };
    report.compare(
        comparison("a provider dropped into a host: compiled, described, serving"),
        |times| {
            (0..times)
                .map(|_| {
                    let (folder, cache) = (PluginFolder::new().unwrap(), TempDir::new().unwrap());
                    let host = runtime.block_on(start(&folder, &cache)).unwrap();
                    ready(runtime, &host, &folder, &bytes)
                })
                .sum()
        },
        |times| {
            (0..times)
                .map(|_| {
                    let cache = TempDir::new().unwrap();
                    let engine = bare::engine(cache.path()).unwrap();
                    let began = Instant::now();
                    black_box(Component::new(&engine, &bytes).unwrap());
                    began.elapsed()
                })
                .sum()
        },
    );
    let (folder, cache) = (PluginFolder::new()?, TempDir::new()?);
    let host = runtime.block_on(start(&folder, &cache))?;
    ready(runtime, &host, &folder, &bytes);
    let engine = bare::engine(cache.path())?;
    report.compare(
        Comparison {
            // What wasmtime does here takes a millisecond.
            target: Target::More(Duration::from_millis(30)),
            ..comparison("the same, compiled before")
        },
        |times| {
            (0..times)
                .map(|_| {
                    folder.remove("phoenix").unwrap();
                    runtime.block_on(host.reload()).unwrap();
                    ready(runtime, &host, &folder, &bytes)
                })
                .sum()
        },
        |times| {
            let began = Instant::now();
            for _ in 0..times {
                black_box(Component::new(&engine, &bytes).unwrap());
            }
            began.elapsed()
        },
    );
    Ok(())
}

async fn start(folder: &PluginFolder, cache: &TempDir) -> Result<Host> {
    let plugins = PluginsConfig {
        folder: folder.path().to_owned(),
        cache_folder: Some(cache.path().to_owned()),
        // What is timed is asked for, and not found by looking.
        poll_interval_seconds: 3_600,
        ..PluginsConfig::default()
    };
    Ok(Host::start(&plugins, &LimitsConfig::default()).await?)
}

fn ready(runtime: &Runtime, host: &Host, folder: &PluginFolder, bytes: &[u8]) -> Duration {
    let began = Instant::now();
    folder.install_bytes("phoenix", bytes).unwrap();
    runtime.block_on(host.reload()).unwrap();
    let took = began.elapsed();
    assert_eq!(host.providers().len(), 1);
    took
}

/// A start with five providers that were compiled before.
fn restart(report: &mut Report, runtime: &Runtime) -> Result<()> {
    let bytes = fs::read(phoenix_provider()?)?;
    // A custom section of its own makes each another content.
    let contents = (0..5_u8).map(|number| {
        let section = [0, 2, 1, b'a' + number];
        bytes.iter().copied().chain(section).collect::<Vec<_>>()
    });
    let contents: Vec<_> = contents.collect();
    let (folder, cache) = (PluginFolder::new()?, TempDir::new()?);
    for (number, content) in contents.iter().enumerate() {
        folder.install_bytes(&format!("phoenix-{number}"), content)?;
    }
    drop(runtime.block_on(start(&folder, &cache))?);
    let engine = bare::engine(cache.path())?;
    report.compare(
        Comparison {
            name: "a host starts with five providers, compiled before",
            baseline: "wasmtime, the five components alone",
            target: Target::More(Duration::from_secs(1)),
            turn: 1,
            samples: 20,
            time: Duration::from_secs(5),
        },
        |times| {
            (0..times)
                .map(|_| {
                    let began = Instant::now();
                    let host = runtime.block_on(start(&folder, &cache)).unwrap();
                    let took = began.elapsed();
                    assert_eq!(host.providers().len(), 5);
                    took
                })
                .sum()
        },
        |times| {
            let began = Instant::now();
            for content in iter::repeat_n(&contents, times as usize).flatten() {
                black_box(Component::new(&engine, content).unwrap());
            }
            began.elapsed()
        },
    );
    Ok(())
}

/// What another provider does, at full speed, while a provider's 99th percentile is taken.
const MISDEEDS: [(&str, &str, Option<Provoke>); 16] = [
    ("p99 of calls beside a provider that loops", "loop", None),
    (
        "p99 beside one that asks the host without end",
        "busy-host-calls",
        None,
    ),
    (
        "p99 beside one that takes memory without end",
        "memory",
        None,
    ),
    ("p99 beside one that grows with each call", "growth", None),
    ("p99 beside one with large tables", "table", None),
    (
        "p99 beside one that calls itself without end",
        "recursion",
        None,
    ),
    ("p99 beside one that hoards resources", "hoard", None),
    ("p99 beside one that answers 4 MiB", "giant-result", None),
    (
        "p99 beside one that sends megabytes",
        "giant-request",
        Some(Provoke::Take),
    ),
    (
        "p99 beside one that reads an answer without end",
        "giant-response",
        Some(Provoke::Pour),
    ),
    (
        "p99 beside one whose answer drips in",
        "slow-drip",
        Some(Provoke::Drip),
    ),
    (
        "p99 beside one that follows redirects to where it may not",
        "forbidden-redirect",
        Some(Provoke::Redirect),
    ),
    ("p99 beside one that floods the log", "log-flood", None),
    (
        "p99 beside one that traps in every third call",
        "trap-every-third",
        None,
    ),
    (
        "p99 beside one that hangs when it is initialised",
        "initialize-hangs",
        None,
    ),
    (
        "p99 beside one that answers more than it is asked for",
        "describe-lies",
        None,
    ),
];

/// How many callers it has, and how long they have been at it when the first call is timed.
const CALLERS: usize = 4;
const FULL_SPEED: Duration = Duration::from_millis(300);

fn beside(report: &mut Report, runtime: &Runtime) -> Result<()> {
    let (folder, cache) = (PluginFolder::new()?, TempDir::new()?);
    folder.install("echo", &echo()?)?;
    folder.install("bad", &misdeeds()?)?;
    let host = runtime.block_on(start(&folder, &cache))?;
    let connect = |provider: &str, config: Value, host_of: Option<&String>| {
        let spec = ConnectionSpec {
            name: provider.to_owned(),
            provider: provider.to_owned(),
            provider_config: config.as_object().cloned().unwrap_or_else(Map::new),
            secrets: [].into(),
            secrets_refresh: Duration::from_secs(300),
            database: DatabaseSpec::default(),
            allow_hosts: host_of.cloned().into_iter().collect(),
            limits: ConnectionLimits::default(),
        };
        Provider::connect(&host, spec, Scope::All)
    };
    let good = connect("echo", json!({}), None);
    for (name, misdeed, provoke) in MISDEEDS {
        let server = provoke.map(provoker::start).transpose()?;
        let url = server.as_deref().unwrap_or_default();
        let config = json!({ "misdeed": misdeed, "url": url });
        let bad = connect("bad", config, server.as_ref());
        report.compare(
            Comparison {
                name,
                baseline: "p99 of the same calls, alone",
                target: Target::Times(2.0),
                turn: 1,
                samples: 10,
                time: Duration::from_secs(10),
            },
            |times| {
                let callers: Vec<_> = (0..CALLERS)
                    .map(|_| {
                        let bad = bad.clone();
                        runtime.spawn(async move {
                            loop {
                                let _ = bad.traces().get_spans(&query()).await;
                                // What is refused is refused at once.
                                yield_now().await;
                            }
                        })
                    })
                    .collect();
                // A guest that has just begun has not been interrupted yet.
                thread::sleep(FULL_SPEED);
                let took = (0..times).map(|_| p99(runtime, &good)).sum();
                for caller in callers {
                    caller.abort();
                    let _ = runtime.block_on(caller);
                }
                runtime.block_on(host.lift("bad")).unwrap();
                took
            },
            |times| (0..times).map(|_| p99(runtime, &good)).sum(),
        );
    }
    Ok(())
}

fn query() -> SpanQuery {
    SpanQuery::new("any", TimeWindow::all())
}

/// The 99th percentile of calls that come whether the one before is answered or not: from when
/// one comes, which a thread of the runtime has to notice, to its answer.
fn p99(runtime: &Runtime, provider: &Provider) -> Duration {
    let calls: Vec<_> = (0..CALLS)
        .map(|_| {
            thread::sleep(BETWEEN);
            let (provider, came) = (provider.clone(), Instant::now());
            runtime.spawn(async move {
                provider.traces().get_spans(&query()).await.unwrap();
                came.elapsed()
            })
        })
        .collect();
    let mut took: Vec<_> = calls
        .into_iter()
        .map(|call| runtime.block_on(call).unwrap())
        .collect();
    took.sort_unstable();
    took.get(CALLS * 99 / 100).copied().unwrap_or_default()
}
