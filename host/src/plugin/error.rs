//! What goes wrong with a host as a whole.

use std::path::PathBuf;

/// Why a host cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HostError {
    /// The plugins folder cannot be read.
    #[error(
        "the plugins folder {} cannot be read: {reason}. Create it, or name another with `folder` \
         under [plugins] in roost.toml or with ROOST_PLUGINS", folder.display()
    )]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// What the file system said.
        reason: std::io::Error,
    },
    /// WebAssembly cannot be run here.
    #[error("the WebAssembly engine cannot start: {0}")]
    Engine(String),
    /// A key that is to be trusted is none.
    #[error("trusted_keys under [plugins]: {0}")]
    TrustedKey(String),
    /// The HTTP client cannot be built.
    #[error("the HTTP client cannot start: {0}")]
    Client(#[from] reqwest::Error),
}

/// Why what serves cannot be changed by hand.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SwapError {
    /// There is no such provider.
    #[error("there is no provider {name}; there are: {}", .known.join(", "))]
    Unknown {
        /// What was asked for.
        name: String,
        /// The providers there are.
        known: Vec<String>,
    },
    /// Nothing served before what serves.
    #[error(
        "nothing served before the generation of {0} that serves now, so there is nothing to go \
         back to"
    )]
    NothingBefore(String),
    /// The folder cannot be looked at.
    #[error(transparent)]
    Host(#[from] HostError),
}
