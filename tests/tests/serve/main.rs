//! `roost serve` as its users meet it: a process, asked over its ports.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

mod admin;
mod backend;
mod client;
mod formats;
mod javascript;
mod killed;
mod limits;
mod local;
#[cfg(unix)]
mod providers;
mod redaction;
mod rotel;
mod sdk;
mod stopping;
mod tenants;
mod tls;
