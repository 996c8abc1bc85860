//! The ground the end-to-end tests stand on: real servers that cannot outlive the
//! tests, the backend's own client for a second opinion, plugin folders, and waiting
//! without guessing how long.
//!
//! A server takes seconds to start and hundreds of megabytes, so the tests of a binary
//! share one ([`Phoenix::shared`]) and keep apart by project names nobody else uses
//! ([`unique`]). Only a test that ends a server starts its own.

mod eventually;
mod folder;
mod gateway;
mod guard;
mod guests;
mod langfuse;
mod mlflow;
mod names;
mod node;
mod page;
mod phoenix;
mod ports;
mod postgres;
mod program;
mod python;
mod registry;
mod rotel;
mod script;
mod scripted;
mod server;

pub use eventually::eventually;
pub use folder::PluginFolder;
pub use gateway::{Gateway, Stopped};
pub use guests::{
    core_module, echo, echo_next, langfuse_provider, local_provider, misdeeds, mlflow_provider,
    other_contract, phoenix_provider, sink, wrong,
};
pub use langfuse::Langfuse;
pub use mlflow::Mlflow;
pub use names::{span_id, trace_id, unique};
pub use node::node;
pub use page::page_has;
pub use phoenix::Phoenix;
pub use postgres::Postgres;
pub use program::{Ran, begin_shell, program, roost, shell};
pub use python::{pandas, python};
pub use registry::Registry;
pub use rotel::rotel;
pub use scripted::Scripted;

use std::path::{Path, PathBuf};

/// A path inside the repository, from its root.
fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}
