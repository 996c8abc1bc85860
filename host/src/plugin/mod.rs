//! Runs providers: loads components from a folder, swaps them while calls run, and
//! fences each one in.
//!
//! [`Host`] owns the engine and watches the folder. A file becomes a *generation* once
//! it is compiled, its contract is checked and it has described itself; only then does
//! one pointer move, and the generation before it ends with its last call. Calls run on
//! warm instances that tenants of one connection share.

mod address;
mod component;
mod connection;
#[cfg(feature = "database")]
mod database;
mod ending;
mod engine;
mod error;
mod folder;
mod generation;
mod guests;
mod host;
mod instance;
mod limits;
mod logs;
mod meter;
mod outbound;
mod policy;
mod pool;
mod quota;
mod refusal;
mod resolver;
mod retry;
mod runtime;
mod schema;
mod secrets;
mod slot;
mod spec;
mod state;
mod status;
mod supervisor;
mod trust;
mod turns;
mod watcher;

pub use error::{HostError, SwapError};
pub use host::Host;
pub use meter::{Counted, DURATION_BUCKETS, Durations};
pub use refusal::Refusal;
pub use resolver::{Lookup, SystemLookup};
pub use spec::{ConnectionSpec, DatabaseSpec};
pub use status::{
    GenerationActivity, GenerationStatus, ProviderActivity, ProviderStatus, Quarantine,
};
pub use trust::{LockError, LockFile, LockTurn, Provenance};
pub use turns::runtime_builder;

#[cfg(feature = "distribution")]
pub(crate) use component::digest;

pub(crate) use connection::{Connection, SpanAccess};
pub(crate) use guests::Guests;
pub(crate) use limits::Class;
pub(crate) use meter::error_name;
pub(crate) use state::State;
