//! The one wasmtime engine of a host: how components are compiled, where their memory
//! comes from, and the clock that interrupts them.

use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use wasmtime::component::Linker;
use wasmtime::{Cache, CacheConfig, Config, InstanceAllocationStrategy, PoolingAllocationConfig};

use super::state::State;

/// How often a running guest is interrupted to let others run and to look at its
/// deadline.
const TICK: Duration = Duration::from_millis(10);

/// What a slot of the pool keeps resident between two instances, in bytes.
const KEEP_RESIDENT: usize = 64 * 1024;

/// Core instances, memories, tables and stacks of all providers together. It costs address
/// space alone; a component is several core instances.
const MAX_INSTANCES: u32 = 10_000;

/// Table elements of one instance at most. Language runtimes have tens of thousands.
pub(crate) const MAX_TABLE_ELEMENTS: usize = 200_000;

/// What an engine is made with.
#[derive(Debug, Clone)]
pub(crate) struct EngineOptions {
    /// Where compiled code is kept; `None` is the user's cache folder, if there is one.
    pub(crate) cache_folder: Option<PathBuf>,
    /// The most memory of one instance, in bytes.
    pub(crate) memory_bytes: usize,
}

/// The engine, with everything a guest may import already linked.
pub(crate) struct Engine {
    pub(crate) wasmtime: wasmtime::Engine,
    pub(crate) linker: Linker<State>,
}

impl Engine {
    pub(crate) fn new(options: &EngineOptions) -> wasmtime::Result<Self> {
        // Pooled memory needs a large address space, which containers sometimes forbid.
        let wasmtime = wasmtime::Engine::new(config(options)?.allocation_strategy(pooled(options)))
            .or_else(|reason| {
                tracing::info!(%reason, "instances are not pooled");
                wasmtime::Engine::new(&config(options)?)
            })?;
        let mut linker = Linker::new(&wasmtime);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
        wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
        #[cfg(feature = "database")]
        super::database::add_to_linker(&mut linker)?;
        start_clock(&wasmtime)?;
        Ok(Self { wasmtime, linker })
    }
}

fn config(options: &EngineOptions) -> wasmtime::Result<Config> {
    let mut config = Config::new();
    // Guests are synchronous: a call costs a fifth without the machinery for async ones.
    config.concurrency_support(false);
    config.epoch_interruption(true);
    let mut cache = CacheConfig::new();
    if let Some(folder) = &options.cache_folder {
        cache.with_directory(folder);
    }
    match Cache::new(cache) {
        Ok(cache) => config.cache(Some(cache)),
        Err(reason) if options.cache_folder.is_none() => {
            tracing::info!(%reason, "there is no cache folder: providers are compiled at each start");
            &mut config
        }
        Err(reason) => return Err(reason),
    };
    Ok(config)
}

fn pooled(options: &EngineOptions) -> InstanceAllocationStrategy {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(MAX_INSTANCES)
        .total_core_instances(MAX_INSTANCES)
        .total_memories(MAX_INSTANCES)
        .total_tables(MAX_INSTANCES)
        .total_stacks(MAX_INSTANCES)
        .max_memory_size(options.memory_bytes)
        .table_elements(MAX_TABLE_ELEMENTS)
        .linear_memory_keep_resident(KEEP_RESIDENT)
        .table_keep_resident(KEEP_RESIDENT);
    InstanceAllocationStrategy::Pooling(pool)
}

/// A thread that advances the engine's epoch; it ends by itself when the engine is gone.
fn start_clock(engine: &wasmtime::Engine) -> wasmtime::Result<()> {
    let engine = engine.weak();
    thread::Builder::new()
        .name("roost-epoch".to_owned())
        .spawn(move || {
            while let Some(engine) = engine.upgrade() {
                engine.increment_epoch();
                drop(engine);
                thread::sleep(TICK);
            }
        })?;
    Ok(())
}
