//! Log records, on standard error.

use tracing_subscriber::EnvFilter;

/// Why a file is refused is told by the command that needs it, and a command is over
/// before the watcher sees anything.
const QUIET: &str = "warn,roost::plugin::host=error,roost::plugin::watcher=error";
/// Whoever writes a provider wants to see what it prints.
const DEVELOPING: &str = "warn,roost::guest=info,roost::plugin::host=error";
/// A server is watched through its log alone.
const SERVING: &str = "warn,roost=info";

/// Who logs, and for whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Logs {
    /// A command that asks and is over.
    Asking,
    /// A command that shows what a provider prints.
    Developing,
    /// A server, for people.
    Serving,
    /// A server, for machines: JSON, one object a line.
    ServingJson,
}

/// Begin to log: warnings, more with each `-v`, and what `RUST_LOG` says where there is
/// no `-v`.
pub(super) fn start(verbose: u8, logs: Logs) {
    let usual = match logs {
        Logs::Asking => QUIET,
        Logs::Developing => DEVELOPING,
        Logs::Serving | Logs::ServingJson => SERVING,
    };
    let filter = match verbose {
        0 => EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(usual)),
        1 => EnvFilter::new("warn,roost=info"),
        2 => EnvFilter::new("info,roost=debug"),
        _ => EnvFilter::new("trace"),
    };
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter);
    if logs == Logs::ServingJson {
        subscriber.json().with_writer(std::io::stderr).init();
        return;
    }
    subscriber
        // The stream takes the colours out again where none are wanted.
        .with_ansi(true)
        .with_writer(anstream::stderr)
        .init();
}
