//! rotel, an OpenTelemetry gateway of others.

use std::fs::read_dir;
use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::repository;

/// Its program, as `scripts/rotel.sh` installs it.
///
/// # Errors
/// When it is not there.
pub fn rotel() -> Result<PathBuf> {
    let missing = "no rotel in .venv/rotel: run `make setup`";
    let pythons = read_dir(repository(".venv/rotel/lib"))
        .context(missing)?
        .flatten();
    pythons
        .map(|python| python.path().join("site-packages/rotel/rotel-agent"))
        .find(|agent| agent.exists())
        .context(missing)
}
