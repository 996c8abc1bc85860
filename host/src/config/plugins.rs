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
    /// The file that says which contents of providers were accepted; one in a file is
    /// relative to that file. Where it is there, nothing else is compiled. None, the
    /// default: the folder's name with `.lock` behind it, such as `plugins.lock`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lock_file: Option<PathBuf>,
    /// Public keys of minisign. A file with a signature beside it has to be signed with one
    /// of them. Default none: signatures are not looked at.
    pub trusted_keys: Vec<String>,
    /// Whether a file without a signature is refused. Default false.
    pub require_signatures: bool,
    /// How long the calls of a replaced provider may go on before they are ended. Seconds,
    /// 0 to 3,600; default 30.
    pub drain_timeout_seconds: u64,
    /// How often the folder is looked through where the file system sends no events.
    /// Seconds, 1 to 3,600; default 2.
    pub poll_interval_seconds: u64,
    /// The stack of one instance, which bounds how deep its calls go. One for all connections.
    /// Bytes, 64 KiB to 16 MiB; default 512 KiB.
    pub stack_bytes: u64,
    /// How many starts of an instance have to fail in a row, by a trap or the deadline, for its
    /// connection to be quarantined. 1 to 1,000; default 5.
    pub quarantine_after_starts: u32,
    /// How many calls have to trap within `quarantine_window_seconds` for their connection to
    /// be quarantined. 1 to 1,000,000; default 50.
    pub quarantine_after_traps: u32,
    /// The window of `quarantine_after_traps`. Seconds, 1 to 3,600; default 60.
    pub quarantine_window_seconds: u64,
    /// How many of the first 20 calls of a new content have to trap, or fail to start, for the
    /// one before to serve again. 0 to 20; 0 is never. Default 3.
    pub rollback_after_failures: u32,
}

impl Default for PluginsConfig {
    fn default() -> Self {
        Self {
            folder: PathBuf::from("plugins"),
            cache_folder: None,
            lock_file: None,
            trusted_keys: Vec::new(),
            require_signatures: false,
            drain_timeout_seconds: 30,
            poll_interval_seconds: 2,
            stack_bytes: 512 << 10,
            quarantine_after_starts: 5,
            quarantine_after_traps: 50,
            quarantine_window_seconds: 60,
            rollback_after_failures: 3,
        }
    }
}

impl PluginsConfig {
    /// Where the lock file is, or would be.
    #[must_use]
    pub fn lock_file(&self) -> PathBuf {
        if let Some(lock) = &self.lock_file {
            return lock.clone();
        }
        match self.folder.file_name() {
            Some(name) => {
                let mut name = name.to_owned();
                name.push(".lock");
                self.folder.with_file_name(name)
            }
            None => self.folder.join("plugins.lock"),
        }
    }

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

    /// `quarantine_window_seconds` as a duration.
    #[must_use]
    pub const fn quarantine_window(&self) -> Duration {
        Duration::from_secs(self.quarantine_window_seconds)
    }
}
