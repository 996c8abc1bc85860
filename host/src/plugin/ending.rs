//! How a call ended that the guest did not answer: in the contract's words, and by whose fault.

use wasmtime::{Trap, WasmBacktrace};

use super::component::root_cause;
use super::guests::NotExported;
use super::limits::Limits;
use super::state::{DeadlinePassed, LimitPassed, State};
use crate::contract::Error;

/// How many functions of a backtrace an error names.
const NAMED_FRAMES: usize = 6;

/// How a call ended.
pub(super) struct Ending {
    pub(super) error: Error,
    /// Whether it was the guest's doing, and no backend's or caller's.
    pub(super) is_fault: bool,
}

impl Ending {
    /// What happened, without the contract's word for it.
    pub(super) fn why(&self) -> &str {
        match &self.error {
            Error::Timeout(why) | Error::Internal(why) | Error::Unsupported(why) => why,
            _ => "",
        }
    }
}

/// The contract's word for what ended a call from the host's side. `setting` is what raises its
/// deadline.
pub(super) fn explain(
    operation: &str,
    setting: &str,
    limits: &Limits,
    state: &State,
    error: &wasmtime::Error,
) -> Ending {
    if error.is::<DeadlinePassed>() {
        return Ending {
            error: Error::Timeout(format!(
                "{operation} was ended at its deadline; if the backend needs longer, {}",
                limits.raise(setting)
            )),
            is_fault: !state.waits_for_others(),
        };
    }
    if let Some(missing) = error.downcast_ref::<NotExported>() {
        return Ending {
            error: Error::Unsupported(missing.to_string()),
            is_fault: false,
        };
    }
    tracing::debug!(operation, "the guest was ended: {error:?}");
    let why = if let Some(limit) = error.downcast_ref::<LimitPassed>() {
        format!("{operation} was ended: {limit}")
    } else if error.downcast_ref() == Some(&Trap::StackOverflow) {
        format!(
            "{operation} was ended: its calls are nested too deeply for its stack; raise \
             stack_bytes under [plugins] in roost.toml"
        )
    } else if is_too_much(error) {
        let bytes = limits.result_bytes;
        format!(
            "{operation} was ended: it handed over more than {bytes} bytes at once; {}",
            limits.raise("result_bytes")
        )
    } else {
        format!("{operation} trapped: {}", root_cause(error))
    };
    Ending {
        error: Error::Internal(why + &backtrace(error)),
        is_fault: true,
    }
}

/// Whether a guest handed over more than its `result_bytes`: wasmtime has a type for that, but
/// keeps it to itself.
fn is_too_much(error: &wasmtime::Error) -> bool {
    error
        .root_cause()
        .to_string()
        .contains("fuel allocated for hostcalls")
}

/// Where in the guest it happened, innermost first; empty where the component has no names.
fn backtrace(error: &wasmtime::Error) -> String {
    let frames = error
        .downcast_ref::<WasmBacktrace>()
        .map(WasmBacktrace::frames);
    let names = frames
        .into_iter()
        .flatten()
        .filter_map(|frame| frame.func_name());
    // Without the hash that Rust puts at the end of a name.
    let names = names.map(|name| format!("{:#}", rustc_demangle::demangle(name)));
    let named: Vec<_> = names.take(NAMED_FRAMES).collect();
    if named.is_empty() {
        String::new()
    } else {
        format!(" (in {})", named.join(" < "))
    }
}
