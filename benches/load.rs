//! From a folder with a provider to a host that serves it.

use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;
use roost::Host;
use roost::config::{LimitsConfig, PluginsConfig};
use roost_tests::{PluginFolder, phoenix_provider};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use wasmtime::component::Component;

use crate::bare::{self, Prepared};
use crate::report::{Comparison, Report, Target};

pub(crate) fn compare(report: &mut Report, runtime: &Runtime) -> Result<()> {
    let bytes = fs::read(phoenix_provider()?)?;
    let plugins = PluginFolder::new()?;
    plugins.install_bytes("phoenix", &bytes)?;
    let start = |cache_folder: &Path| {
        let config = PluginsConfig {
            folder: plugins.path().to_owned(),
            cache_folder: Some(cache_folder.to_owned()),
            ..PluginsConfig::default()
        };
        runtime.block_on(async {
            let began = Instant::now();
            let host = Host::start(&config, &LimitsConfig::default()).await;
            let took = began.elapsed();
            assert_eq!(host.unwrap().providers().len(), 1);
            took
        })
    };

    let warm = TempDir::with_prefix("roost-cache-")?;
    let engine = bare::engine(warm.path())?;
    Component::new(&engine, &bytes)?;
    report.compare(
        Comparison {
            name: "a host starts, its provider compiled before",
            baseline: "wasmtime, an engine, the component, linked",
            target: Target::None,
            turn: 1,
            samples: 50,
            time: Duration::from_secs(5),
        },
        |times| (0..times).map(|_| start(warm.path())).sum(),
        |times| {
            let one = |_| {
                let began = Instant::now();
                let engine = bare::engine(warm.path()).unwrap();
                let component = Component::new(&engine, &bytes).unwrap();
                let prepared = black_box(Prepared::new(&engine, &component).unwrap());
                let took = began.elapsed();
                drop(prepared);
                took
            };
            (0..times).map(one).sum()
        },
    );
    report.compare(
        Comparison {
            name: "the same, beside the component",
            baseline: "wasmtime, the component alone",
            target: Target::None,
            turn: 1,
            samples: 50,
            time: Duration::from_secs(5),
        },
        |times| (0..times).map(|_| start(warm.path())).sum(),
        |times| {
            let began = Instant::now();
            for _ in 0..times {
                black_box(Component::new(&engine, &bytes).unwrap());
            }
            began.elapsed()
        },
    );
    report.compare(
        Comparison {
            name: "a host starts and compiles its provider",
            baseline: "wasmtime, the component alone",
            target: Target::None,
            turn: 1,
            samples: 10,
            time: Duration::from_secs(10),
        },
        |times| (0..times).map(|_| start(cold().path())).sum(),
        |times| {
            let one = |_| {
                let cache = cold();
                let engine = bare::engine(cache.path()).unwrap();
                let began = Instant::now();
                black_box(Component::new(&engine, &bytes).unwrap());
                began.elapsed()
            };
            (0..times).map(one).sum()
        },
    );
    Ok(())
}

/// A cache with nothing in it.
fn cold() -> TempDir {
    TempDir::with_prefix("roost-cache-").unwrap()
}
