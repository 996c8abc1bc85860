//! The components that tests load: the providers that are shipped, and fixtures that do
//! on purpose what no provider should.

use std::path::PathBuf;

use anyhow::{Result, ensure};

use crate::repository;

/// The Phoenix provider.
///
/// # Errors
/// When it is not built.
pub fn phoenix_provider() -> Result<PathBuf> {
    built("plugins/phoenix.wasm", "plugins")
}

/// The provider without a backend.
///
/// # Errors
/// When it is not built.
pub fn local_provider() -> Result<PathBuf> {
    built("plugins/local.wasm", "plugins")
}

/// The MLflow provider.
///
/// # Errors
/// When it is not built.
pub fn mlflow_provider() -> Result<PathBuf> {
    built("plugins/mlflow.wasm", "plugins")
}

/// The Langfuse provider.
///
/// # Errors
/// When it is not built.
pub fn langfuse_provider() -> Result<PathBuf> {
    built("plugins/langfuse.wasm", "plugins")
}

/// A provider without a backend: it serves the spans of its configuration, and a
/// project's name can make it misbehave (`tests/guests/echo`). It is version 1.0.0.
///
/// # Errors
/// When it is not built.
pub fn echo() -> Result<PathBuf> {
    built("tests/guests/echo.wasm", "guests")
}

/// [`echo`] of version 2.0.0, to replace it with.
///
/// # Errors
/// When it is not built.
pub fn echo_next() -> Result<PathBuf> {
    built("tests/guests/echo-next.wasm", "guests")
}

/// A provider that takes spans itself and keeps them in its instance; a span's name can make it
/// fail (`tests/guests/sink`).
///
/// # Errors
/// When it is not built.
pub fn sink() -> Result<PathBuf> {
    built("tests/guests/sink.wasm", "guests")
}

/// The provider `local` with one rule of `roost check` broken, the one that its configuration or a
/// mark in its file names (`tests/guests/wrong`).
///
/// # Errors
/// When it is not built.
pub fn wrong() -> Result<PathBuf> {
    built("tests/guests/wrong.wasm", "guests")
}

/// A provider that does what no provider should: what, its configuration says
/// (`tests/guests/misdeeds`).
///
/// # Errors
/// When it is not built.
pub fn misdeeds() -> Result<PathBuf> {
    built("tests/guests/misdeeds.wasm", "guests")
}

/// A component that is sound, and a provider, but of version 0.2.0 of the contract.
///
/// # Errors
/// When its text cannot be parsed.
pub fn other_contract() -> Result<Vec<u8>> {
    Ok(wat::parse_str(include_str!(
        "../guests/other-contract.wat"
    ))?)
}

/// A core WebAssembly module: what compilers make before it becomes a component.
///
/// # Errors
/// When its text cannot be parsed.
pub fn core_module() -> Result<Vec<u8>> {
    Ok(wat::parse_str(include_str!("../guests/core-module.wat"))?)
}

fn built(path: &str, target: &str) -> Result<PathBuf> {
    let file = repository(path);
    ensure!(file.exists(), "{path} is not built: run `make {target}`");
    Ok(file)
}
