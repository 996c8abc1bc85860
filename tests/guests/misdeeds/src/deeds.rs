//! Misdeeds that need no network.

use std::hint::black_box;

use crate::bindings::wasi::cli::environment;
use crate::bindings::wasi::cli::stderr;
use crate::bindings::wasi::clocks::monotonic_clock;
use crate::bindings::wasi::filesystem::preopens;
use crate::bindings::wasi::http::types::Fields;

const MIB: usize = 1 << 20;

pub(crate) fn spin() -> ! {
    let mut count = 0_u64;
    loop {
        count = black_box(count.wrapping_add(1));
    }
}

pub(crate) fn ask_the_time() -> ! {
    loop {
        black_box(monotonic_clock::now());
    }
}

pub(crate) fn take_memory() -> ! {
    let mut taken = Vec::new();
    loop {
        taken.push(touched(MIB));
    }
}

/// Eight megabytes, given back to the guest's allocator and not to the host.
pub(crate) fn grow() {
    drop(touched(8 * MIB));
}

/// Not zero: an allocator may hand out zeroed pages without touching them.
fn touched(bytes: usize) -> Vec<u8> {
    black_box(vec![1_u8; bytes])
}

#[expect(unconditional_recursion, reason = "that is the misdeed")]
pub(crate) fn dive(depth: u64) -> u64 {
    // What is done after the call keeps it from becoming a loop.
    black_box(dive(black_box(depth + 1))).wrapping_add(depth)
}

pub(crate) fn hoard() -> ! {
    let mut kept = Vec::new();
    loop {
        let fields = Fields::new();
        let _ = fields.append("x-hoard", &vec![b'x'; 4 << 10]);
        kept.push(fields);
    }
}

/// Everything of the host that can be seen.
pub(crate) fn snoop() -> Vec<String> {
    let environment = environment::get_environment();
    let variables = environment
        .into_iter()
        .map(|(name, value)| format!("{name}={value}"));
    let folders = preopens::get_directories()
        .into_iter()
        .map(|(_, path)| path);
    variables
        .chain(environment::get_arguments())
        .chain(environment::initial_cwd())
        .chain(folders)
        .collect()
}

pub(crate) fn flood() -> Vec<String> {
    let stream = stderr::get_stderr();
    for line in 0..2_000 {
        let text = format!("line {line} of many\n");
        let _ = stream.blocking_write_and_flush(text.as_bytes());
    }
    Vec::new()
}
