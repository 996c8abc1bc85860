//! What a provider should not do, asked for by the project's name:
//!
//! * `loop` computes for ever,
//! * `grow` takes memory without end,
//! * `trap` ends in a trap.
//!
//! And for spans, `endless` answers pages that lead to themselves.

use std::hint::black_box;

use crate::bindings::roost::telemetry::types::Error;
use crate::{memory, requests};

/// Misbehave as the project's name says; returns for every other name.
pub(crate) fn named(project: &str) -> Result<(), Error> {
    match project {
        "loop" => spin(),
        "grow" => grow(),
        "trap" => std::process::abort(),
        _ => match requests::named(project).or_else(|| memory::named(project)) {
            Some(told) => Err(told),
            None => Ok(()),
        },
    }
}

fn spin() -> ! {
    let mut count = 0_u64;
    loop {
        count = black_box(count.wrapping_add(1));
    }
}

fn grow() -> ! {
    let mut taken = Vec::new();
    loop {
        // Not zero: an allocator may hand out zeroed pages without touching them.
        taken.push(black_box(vec![1_u8; 1 << 20]));
    }
}
