//! What the host keeps for one running instance: its fences and its view of WASI, in
//! which nothing is granted but output, clocks, randomness and the connection's hosts.

use std::sync::Arc;
use std::time::Instant;

use wasmtime::component::ResourceTable;
use wasmtime::{ResourceLimiter, Store, UpdateDeadline};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use super::engine::{Engine, MAX_TABLE_ELEMENTS};
use super::logs::GuestLog;
use super::outbound::Outbound;

/// The data of an instance's store.
pub(crate) struct State {
    table: ResourceTable,
    wasi: WasiCtx,
    http: WasiHttpCtx,
    pub(crate) outbound: Outbound,
    fence: Fence,
    /// When the call that runs now must have ended.
    pub(crate) deadline: Instant,
}

/// The guest passed the deadline of its call.
#[derive(Debug, thiserror::Error)]
#[error("the call passed its deadline")]
pub(crate) struct DeadlinePassed;

/// A guest wanted more of something than it may have.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub(crate) struct LimitPassed(String);

struct Fence {
    memory_bytes: usize,
}

impl State {
    /// A store for an instance of `provider`. Guest code in it runs only until the
    /// deadline, which is set for each call.
    pub(crate) fn store(
        engine: &Engine,
        provider: &Arc<str>,
        outbound: Outbound,
        memory_bytes: usize,
    ) -> Store<Self> {
        let wasi = WasiCtx::builder()
            .stdout(GuestLog::stdout(provider))
            .stderr(GuestLog::stderr(provider))
            .allow_tcp(false)
            .allow_udp(false)
            .build();
        let state = Self {
            table: ResourceTable::new(),
            wasi,
            http: WasiHttpCtx::new(),
            outbound,
            fence: Fence { memory_bytes },
            deadline: Instant::now(),
        };
        let mut store = Store::new(&engine.wasmtime, state);
        store.limiter(|state| &mut state.fence);
        // A busy guest gives way at every tick, so it cannot hold a thread of the host,
        // and traps once its time is over.
        store.epoch_deadline_callback(|store| {
            if Instant::now() < store.data().deadline {
                Ok(UpdateDeadline::Yield(1))
            } else {
                Err(DeadlinePassed.into())
            }
        });
        store
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView {
            hooks: &mut self.outbound,
            table: &mut self.table,
            ctx: &mut self.http,
        }
    }
}

impl ResourceLimiter for Fence {
    fn memory_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if desired <= self.memory_bytes {
            return Ok(true);
        }
        Err(LimitPassed(format!(
            "it wanted {desired} bytes of memory and may have {}; raise memory_bytes under \
             [limits] in roost.toml",
            self.memory_bytes
        ))
        .into())
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if desired <= MAX_TABLE_ELEMENTS {
            return Ok(true);
        }
        Err(LimitPassed(format!(
            "it wanted a table of {desired} elements and may have {MAX_TABLE_ELEMENTS}"
        ))
        .into())
    }
}
