//! A file in the plugins folder: refused with a reason, or it serves. The host goes on.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use roost::Host;
use roost::config::{LimitsConfig, PluginsConfig};
use tempfile::TempDir;
use tokio::runtime::Runtime;

struct Running {
    runtime: Runtime,
    host: Host,
    folder: TempDir,
    _cache: TempDir,
}

static RUNNING: LazyLock<Running> = LazyLock::new(|| {
    let (folder, cache) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let plugins = PluginsConfig {
        folder: folder.path().to_owned(),
        cache_folder: Some(cache.path().to_owned()),
        poll_interval_seconds: 3_600,
        drain_timeout_seconds: 0,
        ..PluginsConfig::default()
    };
    // What is found may run, and not for long.
    let limits = LimitsConfig {
        call_timeout_millis: 200,
        ..LimitsConfig::default()
    };
    let runtime = Runtime::new().unwrap();
    let host = runtime.block_on(Host::start(&plugins, &limits)).unwrap();
    Running {
        runtime,
        host,
        folder,
        _cache: cache,
    }
});

fuzz_target!(|bytes: &[u8]| {
    let Running {
        runtime,
        host,
        folder,
        ..
    } = &*RUNNING;
    std::fs::write(folder.path().join("fuzzed.wasm"), bytes).unwrap();
    runtime.block_on(host.reload()).unwrap();
    for provider in host.providers() {
        if let Some(refusal) = provider.refusal {
            assert!(!refusal.to_string().is_empty());
        }
    }
});
