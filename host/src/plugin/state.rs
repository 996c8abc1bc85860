//! What the host keeps for one running instance: its fences and its view of WASI, in
//! which nothing is granted but output, clocks, randomness and the connection's hosts.

use std::sync::Arc;
use std::time::Instant;

use wasmtime::component::ResourceTable;
use wasmtime::{ResourceLimiter, Store, UpdateDeadline};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

#[cfg(feature = "database")]
use super::database::{DatabaseView, GuestDatabase};
use super::engine::{Engine, TICK};
use super::limits::Limits;
use super::logs::{GuestLog, LogBudget};
use super::outbound::Outbound;
use super::runtime::size;
use super::turns::Clock;

/// The data of an instance's store.
pub(crate) struct State {
    table: ResourceTable,
    wasi: WasiCtx,
    http: WasiHttpCtx,
    pub(crate) outbound: Outbound,
    #[cfg(feature = "database")]
    pub(crate) database: GuestDatabase,
    fence: Fence,
    /// When the call that runs now began.
    pub(super) began: Instant,
    /// When it must have ended.
    pub(crate) deadline: Instant,
    /// When guest code was last seen to run.
    ran: Instant,
    pub(super) clock: Arc<Clock>,
}

/// Resources, such as requests and their headers, that a guest may hold at once. Each costs
/// memory of the host: 128 KiB at the most.
const MAX_RESOURCES: usize = 1_000;

/// The guest passed the deadline of its call.
#[derive(Debug, thiserror::Error)]
#[error("the call passed its deadline")]
pub(crate) struct DeadlinePassed;

/// A guest wanted more of something than it may have.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub(crate) struct LimitPassed(String);

struct Fence {
    limits: Arc<Limits>,
    /// What is left of the memory, over all memories of the instance.
    memory_left: usize,
    /// Table elements that are left, over all tables.
    elements_left: usize,
}

impl State {
    /// A store for an instance of `provider`. Guest code in it runs only until the
    /// deadline, which is set for each call.
    pub(super) fn store(
        engine: &Engine,
        provider: &Arc<str>,
        outbound: Outbound,
        limits: &Arc<Limits>,
        log: &Arc<LogBudget>,
    ) -> Store<Self> {
        let wasi = WasiCtx::builder()
            .stdout(GuestLog::stdout(provider, log))
            .stderr(GuestLog::stderr(provider, log))
            .allow_tcp(false)
            .allow_udp(false)
            .build();
        let mut table = ResourceTable::new();
        table.set_max_capacity(MAX_RESOURCES);
        let state = Self {
            table,
            wasi,
            http: WasiHttpCtx::new(),
            outbound,
            #[cfg(feature = "database")]
            database: GuestDatabase::default(),
            fence: Fence {
                limits: Arc::clone(limits),
                memory_left: limits.memory(),
                elements_left: limits.elements(),
            },
            began: Instant::now(),
            deadline: Instant::now(),
            ran: Instant::now(),
            clock: Arc::default(),
        };
        let mut store = Store::new(&engine.wasmtime, state);
        store.limiter(|state| &mut state.fence);
        // A list of a million strings can share one string in the guest, and not here.
        store.set_hostcall_fuel(size(limits.result_bytes));
        // A busy guest gives way at every tick, goes on when it has a turn, and traps once its
        // time is over.
        store.epoch_deadline_callback(|mut store| {
            let now = Instant::now();
            store.data_mut().ran = now;
            store.data().clock.interrupted();
            if now < store.data().deadline {
                Ok(UpdateDeadline::Yield(1))
            } else {
                Err(DeadlinePassed.into())
            }
        });
        store
    }

    /// The memory of the instance, in bytes.
    pub(super) fn memory(&self) -> usize {
        self.fence
            .limits
            .memory()
            .saturating_sub(self.fence.memory_left)
    }

    /// Whether it waits for what it cannot hasten: a backend, or turns of which guests of other
    /// connections have three quarters and more.
    pub(super) fn waits_for_others(&self) -> bool {
        if self.clock.wants_turn() {
            return self.clock.computed() < self.began.elapsed() / 4;
        }
        self.ran.elapsed() > 2 * TICK && self.outbound.is_waiting()
    }
}

impl State {
    /// Whether what the last call left behind must not reach the next one.
    pub(super) fn is_spent(&self) -> bool {
        #[cfg(feature = "database")]
        return self.database.in_transaction();
        #[cfg(not(feature = "database"))]
        false
    }

    #[cfg(feature = "database")]
    pub(super) fn database(&mut self) -> DatabaseView<'_> {
        DatabaseView {
            table: &mut self.table,
            database: &mut self.database,
            deadline: self.deadline,
        }
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

/// Take what is wanted beyond `current` out of `left`; the error is how much that is.
fn take(left: &mut usize, current: usize, desired: usize) -> Result<(), usize> {
    let more = desired.saturating_sub(current);
    *left = left.checked_sub(more).ok_or(more)?;
    Ok(())
}

impl ResourceLimiter for Fence {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        take(&mut self.memory_left, current, desired).map_err(|more| {
            LimitPassed(format!(
                "it wanted {more} more bytes of memory, and {} of {} are left; {}",
                self.memory_left,
                self.limits.memory_bytes,
                self.limits.raise("memory_bytes")
            ))
        })?;
        Ok(true)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        take(&mut self.elements_left, current, desired).map_err(|more| {
            LimitPassed(format!(
                "it wanted {more} more table elements, and {} of {} are left; {}",
                self.elements_left,
                self.limits.table_elements,
                self.limits.raise("table_elements")
            ))
        })?;
        Ok(true)
    }
}
