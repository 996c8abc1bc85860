//! Where spans wait on disk.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// `[telemetry.spool]`: where spans wait on disk for a backend that is away. Used with
/// `on_queue_full = "spool"` only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SpoolConfig {
    /// The folder, which belongs to one process alone; it is made when it is missing. Relative
    /// paths are relative to the file. No default.
    pub folder: Option<PathBuf>,
    /// How many bytes its files may have together. 1 MiB to 1 TiB; default 1 GiB.
    pub max_bytes: u64,
    /// How old a span grows in it before it is dropped. Seconds, 1 to 31,536,000; default
    /// 259,200, three days.
    pub max_age_seconds: u64,
}

impl Default for SpoolConfig {
    fn default() -> Self {
        Self {
            folder: None,
            max_bytes: 1 << 30,
            max_age_seconds: 259_200,
        }
    }
}
