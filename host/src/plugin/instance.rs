//! A running instance of a provider: made, initialised, and called one call at a time.

use std::time::Instant;

use tokio::time::timeout_at;
use wasmtime::Store;

use super::component::{ProviderComponent, root_cause};
#[cfg(feature = "database")]
use super::database::GuestDatabase;
use super::engine::Engine;
use super::guests::{Guests, NotExported};
use super::outbound::Outbound;
use super::spec::Resolved;
use super::state::{DeadlinePassed, LimitPassed, State};
use crate::contract::Error;

/// An initialised instance.
pub(crate) struct Instance {
    pub(crate) store: Store<State>,
    pub(crate) guests: Guests,
    /// How many calls it has served.
    pub(crate) calls: u64,
}

impl Instance {
    /// Make an instance and hand it its configuration, until `deadline`.
    pub(crate) async fn start(
        engine: &Engine,
        component: &ProviderComponent,
        connection: &Resolved,
        outbound: Outbound,
        memory_bytes: usize,
        deadline: Instant,
    ) -> Result<Self, Error> {
        let mut store = State::store(engine, &component.name, outbound, memory_bytes);
        arm(&mut store, deadline);
        #[cfg(feature = "database")]
        {
            store.data_mut().database = GuestDatabase::of(&connection.database);
        }
        let started = async {
            let instance = component.pre.instantiate_async(&mut store).await?;
            let guests = component.indices.load(&mut store, &instance)?;
            let config = &connection.config;
            let initialized = guests.provider.call_initialize(&mut store, config).await?;
            Ok((guests, initialized))
        };
        let (guests, initialized) = timeout_at(deadline.into(), started)
            .await
            .unwrap_or_else(|_| Err(DeadlinePassed.into()))
            .map_err(|error| explain("initialize", &error))?;
        initialized?;
        Ok(Self {
            store,
            guests,
            calls: 0,
        })
    }
}

/// Give the next call of a store its deadline.
pub(crate) fn arm(store: &mut Store<State>, deadline: Instant) {
    store.data_mut().deadline = deadline;
    store.set_epoch_deadline(1);
}

/// The contract's word for what ended a call from the host's side.
pub(crate) fn explain(operation: &str, error: &wasmtime::Error) -> Error {
    if error.is::<DeadlinePassed>() {
        return Error::Timeout(format!(
            "{operation} was ended at its deadline; raise call_timeout_millis under [limits] in \
             roost.toml if the backend needs longer"
        ));
    }
    if let Some(missing) = error.downcast_ref::<NotExported>() {
        return Error::Unsupported(missing.to_string());
    }
    if let Some(limit) = error.downcast_ref::<LimitPassed>() {
        return Error::Internal(format!("{operation} was ended: {limit}"));
    }
    tracing::debug!(operation, "the guest trapped: {error:?}");
    Error::Internal(format!("{operation} trapped: {}", root_cause(error)))
}
