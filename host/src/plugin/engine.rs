//! The one wasmtime engine of a host: how components are compiled, where their memory
//! comes from, and the clock that interrupts them.

use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use wasmtime::component::Linker;
use wasmtime::{Cache, CacheConfig, Config, InstanceAllocationStrategy, PoolingAllocationConfig};

use super::state::State;
use super::trust::check_cache;
use super::turns::Turns;

/// How often a running guest is interrupted to let others run and to look at its
/// deadline.
pub(super) const TICK: Duration = Duration::from_millis(10);

/// What a slot of the pool keeps resident between two instances, in bytes.
const KEEP_RESIDENT: usize = 64 * 1024;

/// Free slots of the pool that stay fitted to the component they had last. Each may hold the
/// image of one that is long replaced: a file, and its memory.
const WARM_SLOTS: u32 = 32;

/// Core instances, memories, tables and stacks of all providers together. It costs address
/// space alone; a component is several core instances.
const MAX_INSTANCES: u32 = 10_000;

/// The most memory and table elements that a limit may allow one instance. Address space
/// again: what an instance may use is its connection's affair.
const MAX_MEMORY_BYTES: usize = 4 << 30;
const MAX_TABLE_ELEMENTS: usize = 1_000_000;

/// What the host's own functions need of a stack, below the guest's.
const HOST_STACK_BYTES: usize = 3 << 19;

/// What an engine is made with.
#[derive(Debug, Clone)]
pub(crate) struct EngineOptions {
    /// Where compiled code is kept; `None` is the user's cache folder, if there is one.
    pub(crate) cache_folder: Option<PathBuf>,
    /// The stack of one instance, in bytes.
    pub(crate) stack_bytes: usize,
}

/// The engine, with everything a guest may import already linked.
pub(crate) struct Engine {
    pub(crate) wasmtime: wasmtime::Engine,
    pub(crate) linker: Linker<State>,
    pub(super) turns: Turns,
}

impl Engine {
    pub(crate) fn new(options: &EngineOptions) -> wasmtime::Result<Self> {
        // Pooled memory needs a large address space, which containers sometimes forbid.
        let wasmtime = wasmtime::Engine::new(config(options)?.allocation_strategy(pooled()))
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
        Ok(Self {
            wasmtime,
            linker,
            turns: Turns::of_runtime(),
        })
    }
}

fn config(options: &EngineOptions) -> wasmtime::Result<Config> {
    let mut config = Config::new();
    // Guests are synchronous: a call costs a fifth without the machinery for async ones.
    config.concurrency_support(false);
    config.epoch_interruption(true);
    config.max_wasm_stack(options.stack_bytes);
    config.async_stack_size(options.stack_bytes + HOST_STACK_BYTES);
    let mut cache = CacheConfig::new();
    if let Some(folder) = &options.cache_folder {
        check_cache(folder).map_err(wasmtime::Error::msg)?;
        cache.with_directory(folder);
    }
    let cache = Cache::new(cache).and_then(|cache| {
        check_cache(cache.directory()).map_err(wasmtime::Error::msg)?;
        Ok(cache)
    });
    match cache {
        Ok(cache) => config.cache(Some(cache)),
        Err(reason) if options.cache_folder.is_none() => {
            tracing::warn!(%reason, "there is no cache folder: providers are compiled at each start");
            &mut config
        }
        Err(reason) => return Err(reason),
    };
    Ok(config)
}

fn pooled() -> InstanceAllocationStrategy {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(MAX_INSTANCES)
        .total_core_instances(MAX_INSTANCES)
        .total_memories(MAX_INSTANCES)
        .total_tables(MAX_INSTANCES)
        .total_stacks(MAX_INSTANCES)
        .max_unused_warm_slots(WARM_SLOTS)
        .max_memory_size(MAX_MEMORY_BYTES)
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
