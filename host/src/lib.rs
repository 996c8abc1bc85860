//! Roost.
pub mod contract;
pub mod export;
