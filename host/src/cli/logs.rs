//! Log records, on standard error.

use tracing_subscriber::EnvFilter;

/// Why a file is refused is told by the command that needs it, and a command is over
/// before the watcher sees anything.
const QUIET: &str = "warn,roost::plugin::host=error,roost::plugin::watcher=error";

/// Begin to log: warnings, more with each `-v`, and what `RUST_LOG` says where there is
/// no `-v`.
pub(super) fn start(verbose: u8) {
    let filter = match verbose {
        0 => EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(QUIET)),
        1 => EnvFilter::new("warn,roost=info"),
        2 => EnvFilter::new("info,roost=debug"),
        _ => EnvFilter::new("trace"),
    };
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        // The stream takes the colours out again where none are wanted.
        .with_ansi(true)
        .with_writer(anstream::stderr)
        .init();
}
