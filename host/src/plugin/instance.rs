//! A running instance of a provider: made, initialised, and called one call at a time.

use std::sync::Arc;
use std::time::Instant;

use tokio::time::timeout_at;
use wasmtime::Store;

use super::component::ProviderComponent;
#[cfg(feature = "database")]
use super::database::{Database, GuestDatabase};
use super::ending::{Ending, explain};
use super::engine::Engine;
use super::guests::Guests;
use super::limits::Limits;
use super::logs::LogBudget;
use super::outbound::Outbound;
use super::state::{DeadlinePassed, State};
use super::turns::Share;
use crate::contract::Error;

/// An initialised instance.
pub(crate) struct Instance {
    pub(crate) store: Store<State>,
    pub(crate) guests: Guests,
    /// How many calls it has served.
    pub(super) calls: u64,
    /// Its memory when it was initialised, in bytes.
    memory: usize,
}

/// What an instance is made of.
pub(super) struct Start<'a> {
    pub(super) engine: &'a Engine,
    pub(super) share: &'a Share,
    pub(super) component: &'a ProviderComponent,
    /// The configuration for the guest.
    pub(super) config: &'a String,
    #[cfg(feature = "database")]
    pub(super) database: &'a Arc<Database>,
    pub(super) outbound: Outbound,
    pub(super) limits: &'a Arc<Limits>,
    pub(super) log: &'a Arc<LogBudget>,
    pub(super) deadline: Instant,
    /// The setting of the deadline.
    pub(super) setting: &'static str,
}

/// Why there is no instance.
pub(super) enum NotStarted {
    /// The guest says so.
    Answered(Error),
    /// It did not come to its end.
    Ended(Ending),
}

impl Instance {
    /// Make an instance and hand it its configuration.
    pub(super) async fn start(start: Start<'_>) -> Result<Self, NotStarted> {
        let Start {
            component,
            config,
            limits,
            deadline,
            ..
        } = start;
        let name = &component.name;
        let mut store = State::store(start.engine, name, start.outbound, limits, start.log);
        arm(&mut store, "initialize", deadline);
        #[cfg(feature = "database")]
        {
            store.data_mut().database = GuestDatabase::of(start.database);
        }
        let clock = Arc::clone(&store.data().clock);
        let started = async {
            let instance = component.pre.instantiate_async(&mut store).await?;
            let guests = component.indices.load(&mut store, &instance)?;
            let initialized = guests.provider.call_initialize(&mut store, config).await?;
            Ok((guests, initialized))
        };
        let started = start.share.run(&clock, started);
        let outcome = timeout_at(deadline.into(), started)
            .await
            .unwrap_or_else(|_| Err(DeadlinePassed.into()));
        let (guests, initialized) = outcome.map_err(|error| {
            let state = store.data();
            NotStarted::Ended(explain("initialize", start.setting, limits, state, &error))
        })?;
        initialized.map_err(NotStarted::Answered)?;
        Ok(Self {
            memory: store.data().memory(),
            store,
            guests,
            calls: 0,
        })
    }

    /// Whether it should serve another call.
    pub(super) fn is_fresh(&self, limits: &Limits) -> bool {
        let grown = self.store.data().memory().saturating_sub(self.memory);
        self.calls < limits.calls_per_instance
            && !self.store.data().is_spent()
            && u64::try_from(grown).is_ok_and(|grown| grown <= limits.growth_bytes)
    }
}

/// Tell a store of the next call: what it is, and its deadline.
pub(super) fn arm(store: &mut Store<State>, operation: &'static str, deadline: Instant) {
    let state = store.data_mut();
    state.outbound.operation = operation;
    state.clock.reset();
    state.began = Instant::now();
    state.deadline = deadline;
    store.set_epoch_deadline(1);
}
