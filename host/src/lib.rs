//! Roost.
pub mod config;
pub mod contract;
pub mod export;
