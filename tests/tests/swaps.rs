//! Under fire: what a process holds, before and after. Each of these tests is alone in the
//! process while it runs, since it counts what belongs to all of it.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use roost::config::{ConnectionLimits, LimitsConfig, PluginsConfig};
use roost::contract::TimeWindow;
use roost::plugin::{ConnectionSpec, DatabaseSpec, Host};
use roost::provider::{Provider, Scope, SpanQuery};
use roost_tests::{PluginFolder, echo, echo_next, eventually, misdeeds, span_id, trace_id};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::Mutex;
use tokio::task::JoinSet;

static ALONE: Mutex<()> = Mutex::const_new(());

const SOON: Duration = Duration::from_secs(60);

/// What this process holds.
#[derive(Debug, Clone, Copy)]
struct Held {
    memory_mib: u64,
    threads: u64,
    files: u64,
}

impl Held {
    fn now() -> Result<Self> {
        let status = std::fs::read_to_string("/proc/self/status")?;
        let field = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name));
            let value = line.and_then(|line| line.split_whitespace().nth(1));
            anyhow::Ok(value.context("no such field")?.parse::<u64>()?)
        };
        Ok(Self {
            memory_mib: field("VmRSS:")? / 1_024,
            threads: field("Threads:")?,
            files: std::fs::read_dir("/proc/self/fd")?.count() as u64,
        })
    }
}

async fn host(folder: &PluginFolder) -> Result<Host> {
    let plugins = PluginsConfig {
        folder: folder.path().to_owned(),
        ..PluginsConfig::default()
    };
    Ok(Host::start(&plugins, &LimitsConfig::default()).await?)
}

fn spec(config: Value) -> ConnectionSpec {
    ConnectionSpec {
        name: "default".to_owned(),
        provider: "echo".to_owned(),
        provider_config: config.as_object().unwrap().clone(),
        secrets: [].into(),
        secrets_refresh: Duration::from_secs(300),
        database: DatabaseSpec::default(),
        allow_hosts: Vec::new(),
        limits: ConnectionLimits::default(),
    }
}

fn query() -> SpanQuery {
    SpanQuery::new("any", TimeWindow::all())
}

/// Thirty-two instances take eight megabytes each, at once, and are idle then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_memory_of_a_storm_is_given_back() -> Result<()> {
    const INSTANCES: u64 = 32;
    let _alone = ALONE.lock().await;
    let folder = PluginFolder::new()?;
    folder.install("echo", &misdeeds()?)?;
    let host = host(&folder).await?;
    let backend = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", backend.local_addr()?);
    let spec = ConnectionSpec {
        allow_hosts: vec![url.clone()],
        limits: ConnectionLimits {
            max_instances: Some(INSTANCES),
            idle_timeout_seconds: Some(1),
            ..ConnectionLimits::default()
        },
        ..spec(json!({ "misdeed": "growth", "url": url }))
    };
    let provider = Provider::connect(&host, spec, Scope::All);
    let before = Held::now()?;
    let mut calls = JoinSet::new();
    for _ in 0..INSTANCES {
        let provider = provider.clone();
        calls.spawn(async move { provider.traces().get_spans(&query()).await });
    }
    let mut streams = Vec::new();
    for _ in 0..INSTANCES {
        let mut stream = backend.accept().await?.0;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await?);
        }
        streams.push(stream);
    }
    let during = Held::now()?;
    for stream in &mut streams {
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
        stream.write_all(answer).await?;
    }
    while let Some(call) = calls.join_next().await {
        call??;
    }
    // Instances are dropped after a second, beside.
    let after = eventually("the memory", SOON, async || {
        let held = Held::now()?;
        let wanted = before.memory_mib + 32;
        ensure!(held.memory_mib < wanted, "{held:?}, before {before:?}");
        Ok(held)
    })
    .await?;
    assert_eq!(host.activity()[0].idle_instances, 0);
    println!("before {before:?}\nduring {during:?}\nafter  {after:?}");
    assert!(during.memory_mib > before.memory_mib + 128);
    Ok(())
}

/// Swaps before the first figures.
const WARM_UP: u64 = 50;

/// 200 reads at a time and a hundred swaps, or as many as `ROOST_TEST_SWAPS` says.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn swaps_under_fire_fail_no_call_and_leave_nothing_behind() -> Result<()> {
    let _alone = ALONE.lock().await;
    let swaps: u64 = match std::env::var("ROOST_TEST_SWAPS") {
        Ok(swaps) => swaps.parse()?,
        Err(_) => 100,
    };
    let folder = PluginFolder::new()?;
    folder.install("echo", &echo()?)?;
    let host = host(&folder).await?;
    let spans = json!([{ "trace_id": trace_id(), "span_id": span_id(), "name": "one" }]);
    let provider = Provider::connect(&host, spec(json!({ "spans": spans })), Scope::All);

    let stop = Arc::new(AtomicBool::new(false));
    let served = Arc::new(AtomicU64::new(0));
    let mut readers = JoinSet::new();
    for _ in 0..200 {
        let (provider, stop, served) = (provider.clone(), Arc::clone(&stop), Arc::clone(&served));
        readers.spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                let spans = provider.traces().get_spans(&query()).await?;
                ensure!(spans.len() == 1, "{} spans", spans.len());
                served.fetch_add(1, Ordering::Relaxed);
            }
            anyhow::Ok(())
        });
    }
    let swap = async |number: u64| {
        let component = if number.is_multiple_of(2) {
            echo_next()?
        } else {
            echo()?
        };
        folder.install("echo", &component)?;
        Ok::<_, anyhow::Error>(host.reload().await?)
    };
    // What is made once is made by now, and the engine's pool has its fill of what was
    // replaced: it keeps the images of as many components as it has warm slots.
    for number in 0..WARM_UP {
        swap(number).await?;
    }
    let before = Held::now()?;
    for number in WARM_UP..WARM_UP + swaps {
        swap(number).await?;
    }
    let under_fire = Held::now()?;
    stop.store(true, Ordering::Relaxed);
    while let Some(reader) = readers.join_next().await {
        reader??;
    }
    host.shutdown().await;
    let after = Held::now()?;
    let generation = host.providers()[0].generation.clone().context("gone")?;
    let calls = served.load(Ordering::Relaxed);
    println!("{swaps} swaps, {calls} calls\nbefore     {before:?}");
    println!("under fire {under_fire:?}\nafter      {after:?}");
    assert_eq!(generation.number, 1 + WARM_UP + swaps);
    assert!(after.threads <= before.threads + 4);
    assert!(after.files <= before.files + 8);
    assert!(after.memory_mib <= before.memory_mib + 64);
    Ok(())
}
