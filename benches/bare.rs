//! The Phoenix provider on wasmtime alone: no pool of instances, no deadline, no limits, no
//! policy for its requests. The engine's settings are those of Roost's, since they decide
//! what is compiled into the guest's code.

use std::path::Path;

use anyhow::Result;
use wasmtime::component::{Component, Linker, ResourceTable};
use wasmtime::{
    Cache, CacheConfig, Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Store,
};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{
    Error, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks, WasiHttpView,
};

use bindings::exports::roost::telemetry::telemetry_provider::{Guest, GuestIndices};
pub(crate) use bindings::roost::telemetry::types::Attribute;

#[allow(missing_docs, unreachable_pub, unsafe_code)]
mod bindings {
    wasmtime::component::bindgen!({
        path: "../wit",
        world: "provider",
        exports: { default: async },
        with: {
            "wasi:cli": wasmtime_wasi::p2::bindings::cli,
            "wasi:clocks": wasmtime_wasi::p2::bindings::clocks,
            "wasi:http": wasmtime_wasi_http::p2::bindings::http,
            "wasi:io": wasmtime_wasi::p2::bindings::io,
            "wasi:random": wasmtime_wasi::p2::bindings::random,
        },
    });
}

/// An engine that keeps compiled code in `cache_folder`.
pub(crate) fn engine(cache_folder: &Path) -> Result<Engine> {
    let mut cache = CacheConfig::new();
    cache.with_directory(cache_folder);
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(10_000)
        .total_core_instances(10_000)
        .total_memories(10_000)
        .total_tables(10_000)
        .total_stacks(10_000)
        .max_memory_size(256 << 20)
        .table_elements(200_000)
        .linear_memory_keep_resident(64 << 10)
        .table_keep_resident(64 << 10);
    let mut config = Config::new();
    config
        .concurrency_support(false)
        .epoch_interruption(true)
        .cache(Some(Cache::new(cache)?))
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    Ok(Engine::new(&config)?)
}

/// A component that is ready to be instantiated.
pub(crate) struct Prepared {
    engine: Engine,
    pre: wasmtime::component::InstancePre<State>,
    indices: GuestIndices,
}

impl Prepared {
    pub(crate) fn new(engine: &Engine, component: &Component) -> Result<Self> {
        let mut linker = Linker::new(engine);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
        wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
        let pre = linker.instantiate_pre(component)?;
        Ok(Self {
            engine: engine.clone(),
            indices: GuestIndices::new(&pre)?,
            pre,
        })
    }

    pub(crate) async fn instantiate(&self) -> Result<Instance> {
        let mut store = Store::new(&self.engine, State::default());
        // Nobody moves the epoch of this engine on.
        store.set_epoch_deadline(1);
        let instance = self.pre.instantiate_async(&mut store).await?;
        let guest = self.indices.load(&mut store, &instance)?;
        Ok(Instance { store, guest })
    }
}

/// A running instance.
pub(crate) struct Instance {
    store: Store<State>,
    guest: Guest,
}

impl Instance {
    pub(crate) async fn initialize(&mut self, config: &String) -> Result<()> {
        let initialized = self.guest.call_initialize(&mut self.store, config).await?;
        Ok(initialized?)
    }

    pub(crate) async fn session_attributes(
        &mut self,
        project: &str,
        session_id: &str,
    ) -> Result<Vec<Attribute>> {
        let attributes = self
            .guest
            .call_session_attributes(&mut self.store, project, session_id)
            .await?;
        Ok(attributes?)
    }
}

#[derive(Default)]
pub(crate) struct State {
    table: ResourceTable,
    wasi: WasiCtx,
    http: WasiHttpCtx,
    network: NoNetwork,
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
            ctx: &mut self.http,
            table: &mut self.table,
            hooks: &mut self.network,
        }
    }
}

/// What runs on this side sends nothing.
#[derive(Default)]
struct NoNetwork;

type Outcome<T> = Box<dyn Future<Output = Result<T, Error>> + Send>;

impl WasiHttpHooks for NoNetwork {
    fn send_request(
        &mut self,
        _request: http::Request<WasiBody>,
        _options: Option<RequestOptions>,
        _response_error: Outcome<()>,
    ) -> Outcome<(http::Response<WasiBody>, Outcome<()>)> {
        Box::new(async { Err(Error::HttpRequestDenied) })
    }
}
