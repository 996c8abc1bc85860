//! Roost.
pub mod config;
pub mod contract;
pub mod plugin;
pub mod provider;
