//! Roost.
pub mod contract;
