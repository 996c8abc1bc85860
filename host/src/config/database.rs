//! Where the databases are that the host keeps for providers.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// `[database]`: the databases of providers that keep their own data, such as `local`. Each
/// connection has one to itself; `database` under `[connections.<name>]` puts it elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DatabaseConfig {
    /// The folder of SQLite files, `<connection>.db` each; it is made when it is missing.
    /// Relative paths are relative to the file. None, the default: `roost` in the user's data
    /// folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folder: Option<PathBuf>,
    /// How many bytes one database may have. 1 MiB to 1 PiB; default 10 GiB.
    pub max_bytes: u64,
}

impl Default for DatabaseConfig {
    fn default() -> Self {
        Self {
            folder: None,
            max_bytes: 10 << 30,
        }
    }
}
