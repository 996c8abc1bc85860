//! What a provider should not do. The guest does it and a test sees what becomes of it: both
//! are written over this list, so a misdeed without a test does not compile.

use serde::{Deserialize, Serialize};

/// The configuration of the guest.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Config {
    /// What it does in each call for spans, or when it is initialised.
    pub(crate) misdeed: Misdeed,
    /// Where its requests go.
    #[serde(default)]
    pub(crate) url: String,
}

/// A misdeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Misdeed {
    /// Computes for ever.
    Loop,
    /// Asks the host for ever what time it is.
    BusyHostCalls,
    /// Takes memory without end.
    Memory,
    /// Takes memory once, more than an instance should keep, and then asks for the address, if
    /// there is one; answers how many calls the instance has had.
    Growth,
    /// Has large tables; they are the component's, whatever it does.
    Table,
    /// Calls itself without end.
    Recursion,
    /// Makes headers of requests without end, and keeps them.
    Hoard,
    /// Answers spans of several megabytes.
    GiantResult,
    /// Sends several megabytes.
    GiantRequest,
    /// Reads an answer that drips in, to its end.
    SlowDrip,
    /// Reads an answer of any size.
    GiantResponse,
    /// Calls a host it was not granted.
    ForbiddenHost,
    /// Follows a redirect to one.
    ForbiddenRedirect,
    /// Reads the environment, arguments and files.
    Snoop,
    /// Writes log records without end.
    LogFlood,
    /// Traps in every third call of an instance.
    TrapEveryThird,
    /// Computes for ever when it is initialised.
    InitializeHangs,
    /// Traps when it is initialised.
    InitializeTraps,
    /// Says of itself that it is another, that any host is its own and that it wants the
    /// credentials; and answers more spans than it is asked for.
    DescribeLies,
}

/// What stands in the file before what it does when it is asked to describe itself.
pub(crate) const DESCRIBES: &[u8; 15] = b"when described:";

/// What it does when it is asked to describe itself. It has no configuration then, so a test
/// writes another of these behind [`DESCRIBES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Describes {
    /// It does so, with lies.
    Lies = b'0',
    /// Computes for ever.
    Hangs = b'1',
    /// Traps.
    Traps = b'2',
    /// Takes memory without end.
    TakesMemory = b'3',
}
