//! What `roost new` writes in each language, beside the one in Rust: sizes, starts, a call. `make
//! bench-languages`.
//!
//! All four ask the same server, which gives one answer from memory. They take turns, and of each the
//! least of many times is kept: what else the machine does only adds to it.

#![allow(clippy::unwrap_used, reason = "a benchmark that fails has to stop")]

#[path = "../replay.rs"]
mod replay;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use roost::config::{LimitsConfig, PluginsConfig};
use roost::contract::TimeWindow;
use roost::provider::SpanQuery;
use roost::{Config, Host, TelemetryManager};
use serde_json::json;
use tempfile::TempDir;

use replay::Replay;

const LANGUAGES: [&str; 4] = ["rust", "c", "javascript", "python"];
/// How many spans a page has, and how many attributes each.
const SPANS: usize = 1_000;
const ATTRIBUTES: usize = 10;

/// How often each is done.
const COMPILED: usize = 3;
const STARTED: usize = 20;
const CALLED: usize = 40;

#[tokio::main]
async fn main() -> Result<()> {
    let folder = std::env::args().skip(1).find(|it| !it.starts_with("--"));
    let folder = PathBuf::from(folder.context("which folder has the components?")?);
    let replay = Replay::start("application/json", page().to_string().as_bytes())?;
    let mut subjects = Vec::new();
    for language in LANGUAGES {
        subjects.push(Subject::new(language, &folder, replay.endpoint()).await?);
    }
    for _ in 0..COMPILED {
        for subject in &mut subjects {
            subject.compile().await?;
        }
    }
    for _ in 0..STARTED {
        for subject in &mut subjects {
            subject.start().await?;
        }
    }
    for _ in 0..CALLED {
        for subject in &mut subjects {
            subject.call().await?;
        }
    }
    print(&subjects);
    Ok(())
}

/// A component, and what was seen of it.
struct Subject {
    language: &'static str,
    plugins: TempDir,
    cache: TempDir,
    /// A service whose instances stay, and one with an instance for each call.
    warm: TelemetryManager,
    fresh: TelemetryManager,
    component: u64,
    compiled: u64,
    compiles: Duration,
    starts: Duration,
    instance: Duration,
    call: Duration,
}

impl Subject {
    async fn new(language: &'static str, folder: &Path, endpoint: &str) -> Result<Self> {
        let name = format!("my-{language}");
        let file = folder.join(&name).join(name + ".wasm");
        let plugins = TempDir::with_prefix("roost-plugins-")?;
        let cache = TempDir::with_prefix("roost-cache-")?;
        let copied = fs::copy(&file, plugins.path().join("it.wasm"));
        let component = copied.with_context(|| format!("{} is not built", file.display()))?;
        let service = async |limits: &str| {
            let toml = format!(
                "[cache]\nenabled = false\n[plugins]\nfolder = \"{}\"\ncache_folder = \"{}\"\n\
                 [limits]\n{limits}\n[connections.default]\nprovider = \"it\"\n\
                 provider_config = {{ http_endpoint = \"{endpoint}\" }}\n",
                plugins.path().display(),
                cache.path().display(),
            );
            anyhow::Ok(TelemetryManager::start(Config::from_toml(&toml, "/roost.toml")?).await?)
        };
        Ok(Self {
            language,
            warm: service("").await?,
            fresh: service("calls_per_instance = 1").await?,
            component,
            compiled: bytes_below(cache.path())?,
            plugins,
            cache,
            compiles: Duration::MAX,
            starts: Duration::MAX,
            instance: Duration::MAX,
            call: Duration::MAX,
        })
    }

    /// A host starts, and has to compile it.
    async fn compile(&mut self) -> Result<()> {
        let empty = TempDir::with_prefix("roost-cache-")?;
        self.compiles = self.compiles.min(self.host(empty.path()).await?);
        Ok(())
    }

    /// A host starts that has compiled it before; a call on an instance that is made for it.
    async fn start(&mut self) -> Result<()> {
        self.starts = self.starts.min(self.host(self.cache.path()).await?);
        let provider = self.fresh.get_provider("acme", None)?;
        let project = self.fresh.project_name("acme", None)?;
        let began = Instant::now();
        provider.session_attributes(&project, "session").await?;
        self.instance = self.instance.min(began.elapsed());
        Ok(())
    }

    /// A page of spans, on a warm instance.
    async fn call(&mut self) -> Result<()> {
        let provider = self.warm.get_provider("acme", None)?;
        let project = self.warm.project_name("acme", None)?;
        let query = SpanQuery::new(project, TimeWindow::all()).limit(SPANS);
        let began = Instant::now();
        let spans = provider.traces().get_spans(&query).await?;
        self.call = self.call.min(began.elapsed());
        ensure!(spans.len() == SPANS, "{} spans", spans.len());
        Ok(())
    }

    async fn host(&self, cache: &Path) -> Result<Duration> {
        let config = PluginsConfig {
            folder: self.plugins.path().to_owned(),
            cache_folder: Some(cache.to_owned()),
            ..PluginsConfig::default()
        };
        let began = Instant::now();
        let host = Host::start(&config, &LimitsConfig::default()).await?;
        let took = began.elapsed();
        ensure!(host.providers().len() == 1);
        Ok(took)
    }
}

/// The practice service's answer.
fn page() -> serde_json::Value {
    let attribute =
        |n: usize| json!({ "key": format!("llm.attribute.{n}"), "text": "a text of some words" });
    let attributes: Vec<_> = (0..ATTRIBUTES).map(attribute).collect();
    let span = |n: usize| {
        json!({
            "trace_id": format!("{n:032x}"),
            "span_id": format!("{n:016x}"),
            "parent_id": null,
            "name": "a span",
            "kind": "LLM",
            "status": "ok",
            "status_message": "",
            "start": (1_795_003_200_000_000_000 + n).to_string(),
            "end": (1_795_003_200_100_000_000 + n).to_string(),
            "attributes": attributes,
            "events": [],
        })
    };
    json!({ "spans": (1..=SPANS).map(span).collect::<Vec<_>>(), "next": null })
}

fn bytes_below(folder: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        bytes += match entry.metadata()? {
            it if it.is_dir() => bytes_below(&entry.path())?,
            it => it.len(),
        };
    }
    Ok(bytes)
}

fn print(subjects: &[Subject]) {
    println!(
        "| | component | compiled, in the cache | a host compiles it and starts | a host starts | a fresh \
         instance and a call | `get-spans` of {SPANS} |"
    );
    println!("|---|--:|--:|--:|--:|--:|--:|");
    let Some(rust) = subjects.first() else { return };
    for it in subjects {
        let time = |time: Duration, of_rust: Duration| {
            let ratio = time.as_secs_f64() / of_rust.as_secs_f64();
            format!("{:.2} ms, {ratio:.1}", time.as_secs_f64() * 1e3)
        };
        println!(
            "| {} | {} KB | {} KB | {} | {} | {} | {} |",
            it.language,
            it.component / 1_000,
            it.compiled / 1_000,
            time(it.compiles, rust.compiles),
            time(it.starts, rust.starts),
            time(it.instance, rust.instance),
            time(it.call, rust.call),
        );
    }
}
