//! What a Roost provider written in Rust would otherwise repeat, and no more.
//!
//! A provider is a WebAssembly component that exports the interfaces of `roost:telemetry`
//! its backend can serve. This crate generates the shared half of the bindings once (the
//! contract's [`types`] and what a provider may import), so that the provider's own macro
//! call names just its exports:
//!
//! ```text
//! wit_bindgen::generate!({
//!     path: "wit",
//!     inline: "
//!         package my:backend;
//!         world backend {
//!             export roost:telemetry/telemetry-provider@0.1.0;
//!             export roost:telemetry/trace-store@0.1.0;
//!         }
//!     ",
//!     world: "my:backend/backend",
//!     with: { "roost:telemetry/types@0.1.0": roost_provider::types },
//! });
//! ```
//!
//! The world need not include `roost:telemetry/imports`: whatever a provider uses of
//! [`http`], [`database`] or [`time`] brings its import along, and nothing else is imported.
//!
//! HTTP, time, randomness and the database come from the imports and never from `std`, so a provider
//! builds for `wasm32-wasip2` and for `wasm32-unknown-unknown` alike. On a native target
//! everything compiles, for unit tests of a provider's logic; calling an import there
//! panics.

pub mod bindings;
pub mod cursor;
pub mod database;
pub mod error;
pub mod http;
pub mod time;
mod transport;
mod url;

pub use bindings::roost::telemetry::types;
pub use types::Error;
