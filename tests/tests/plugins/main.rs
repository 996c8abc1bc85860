//! Components in a folder: loaded, refused, replaced while calls run, fenced in. The
//! provider is `echo`, which needs no server.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod configuration;
mod database;
mod distribution;
mod fixture;
mod hot_reload;
mod limits;
mod loading;
#[path = "../../guests/misdeeds/src/misdeed.rs"]
mod misdeed;
mod misdeeds;
mod network;
mod observability;
mod secrets;
mod supervision;
mod tokens;
mod trust;
