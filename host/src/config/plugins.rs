//! Where providers are found, and how they are swapped.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// `[plugins]`: where providers are found, and how they are swapped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PluginsConfig {
    /// The folder that is watched for providers; one in a file is relative to that file.
    /// A provider's name is its file's stem: `phoenix.wasm` is `phoenix`. Default
    /// `plugins`.
    pub folder: PathBuf,
    /// Where compiled providers are kept; one in a file is relative to that file. Only the
    /// host may be able to write there: native code is loaded from it. None, the default:
    /// in the user's cache folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_folder: Option<PathBuf>,
    /// How long the calls of a replaced provider may go on before they are ended. Seconds,
    /// 0 to 3,600; default 30.
    pub drain_timeout_seconds: u64,
    /// How often the folder is looked through where the file system sends no events.
    /// Seconds, 1 to 3,600; default 2.
    pub poll_interval_seconds: u64,
}

impl Default for PluginsConfig {
    fn default() -> Self {
        Self {
            folder: PathBuf::from("plugins"),
            cache_folder: None,
            drain_timeout_seconds: 30,
            poll_interval_seconds: 2,
        }
    }
}

impl PluginsConfig {
    /// `drain_timeout_seconds` as a duration.
    #[must_use]
    pub const fn drain_timeout(&self) -> Duration {
        Duration::from_secs(self.drain_timeout_seconds)
    }

    /// Where the providers are that come with Roost: in `plugins` beside the program, or in
    /// `../lib/roost/plugins` from it. Those in `folder` stand over them.
    #[must_use]
    pub fn shipped(&self) -> Option<PathBuf> {
        let program = std::env::current_exe().ok()?.canonicalize().ok()?;
        let beside = program.parent()?;
        ["plugins", "../lib/roost/plugins"]
            .into_iter()
            .map(|place| beside.join(place))
            .find(|folder| folder.is_dir())
    }

    /// `poll_interval_seconds` as a duration.
    #[must_use]
    pub const fn poll_interval(&self) -> Duration {
        Duration::from_secs(self.poll_interval_seconds)
    }
}
