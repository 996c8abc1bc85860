//! Spans from every interface an application may know, as they arrive at a receiver.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

mod eviction;
mod fixture;
mod processor;
#[allow(dead_code, reason = "the tests of the export need more of it")]
#[path = "../export/receiver.rs"]
mod receiver;
mod sampling;
mod search;
mod tracer;
mod tracing_layer;
