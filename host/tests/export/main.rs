//! The span pipeline against receivers that answer as real servers do only now and then:
//! overloaded, too strict, half willing, silent.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

mod accounting;
mod encoded;
mod fairness;
mod fixture;
mod isolation;
mod outcomes;
mod receiver;
mod requests;
mod sinks;
mod spool;
mod waiting;
