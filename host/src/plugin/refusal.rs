//! Why a file in the plugins folder is not served.

use crate::contract::{PACKAGE, VERSION};

/// Why a file is not served. The message says what was found, what was expected and how
/// to mend it; it is shown by `roost providers` until the file changes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The file cannot be read.
    #[error("the file cannot be read: {0}")]
    Unreadable(String),
    /// It is something else altogether; holds how it begins.
    #[error(
        "this is no WebAssembly: it begins with {0:?}. Drop a component, built for the target \
         wasm32-wasip2 or by your language's componentize tool"
    )]
    NotWebAssembly(String),
    /// It is a core module.
    #[error(
        "this is a core module, not a component. Build it for wasm32-wasip2, or wrap it with \
         `wasm-tools component new`"
    )]
    CoreModule,
    /// The lock file does not have its content.
    #[error(
        "it is sha256:{found}, and {lock} {}. If that is what you want, accept it with \
         `roost providers lock {name}`",
        accepted.as_ref().map_or_else(
            || "does not have it".to_owned(),
            |accepted| format!("has sha256:{accepted}"),
        )
    )]
    NotLocked {
        /// The provider.
        name: String,
        /// The lock file.
        lock: String,
        /// The SHA-256 of the file that is there.
        found: String,
        /// That of the content that was accepted, if one was.
        accepted: Option<String>,
    },
    /// The lock file cannot be used; holds why.
    #[error("whether it may run cannot be told: {0}")]
    Lock(String),
    /// It is not signed as it has to be; holds why.
    #[error("its signature is not accepted: {0}")]
    Signature(String),
    /// It cannot be compiled; holds what the compiler said.
    #[error("the component is damaged or was not written to its end: {0}")]
    Damaged(String),
    /// It was built against another version of the contract; holds that version.
    #[error(
        "it speaks {PACKAGE}@{0} and this host {PACKAGE}@{VERSION}. Build it against the host's \
         wit/, or take a host that speaks its version"
    )]
    OtherContract(String),
    /// It does not export `telemetry-provider`; holds what it does export.
    #[error(
        "it exports no {PACKAGE}/telemetry-provider@{VERSION}, so it is no provider; it exports {}",
        list(.0)
    )]
    NotAProvider(Vec<String>),
    /// It imports something the host does not have; holds what.
    #[error("it imports what this host does not provide: {0}")]
    Import(String),
    /// A function of an interface is missing or has another signature.
    #[error("an interface it exports is not as {PACKAGE}@{VERSION} has it: {0}")]
    Incompatible(String),
    /// It failed before it had described itself; holds why.
    #[error("it failed to start: {0}")]
    Failed(String),
    /// Its description cannot be used; holds why.
    #[error("its description cannot be used: {0}. This is a defect of the provider")]
    BadDescription(String),
    /// An open connection that works with what serves would not with this; holds why.
    #[error(
        "it does not fit a connection that is in use: {0}. Change the connection and restart, \
         or drop a version that fits"
    )]
    Misfit(String),
    /// It served, and what served before does again.
    #[error(
        "version {version} was rolled back: {reason}. Drop another file, or have it tried again \
         with `roost providers lift`"
    )]
    RolledBack {
        /// The version it gave itself.
        version: String,
        /// Why.
        reason: String,
    },
}

impl Refusal {
    /// Whether the same file may be taken another time, without anybody saying so: what failed
    /// has reasons that pass, such as a busy machine.
    pub(super) fn may_pass(&self) -> bool {
        matches!(self, Self::Failed(_) | Self::Misfit(_))
    }
}

fn list(names: &[String]) -> String {
    if names.is_empty() {
        "nothing".to_owned()
    } else {
        names.join(", ")
    }
}
