//! Whether a guest can find something in its own memory: `find:<hex digits>` looks for the
//! bytes whose complement the digits are, so that asking puts nothing there.

// Reading one's own memory from its beginning to its end is what `unsafe` is for.
#![allow(unsafe_code)]

use crate::bindings::roost::telemetry::types::Error;

/// Look as the project's name says; nothing for every other name.
pub(crate) fn named(project: &str) -> Option<Error> {
    let digits = project.strip_prefix("find:")?;
    let wanted: Vec<u8> = digits
        .as_bytes()
        .chunks(2)
        .filter_map(|pair| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok())
        .collect();
    let found = memory().windows(wanted.len()).any(|window| {
        let pairs = window.iter().zip(&wanted);
        pairs.into_iter().all(|(byte, flipped)| *byte == !*flipped)
    });
    Some(match found {
        true => Error::Conflict("it is there".to_owned()),
        false => Error::NotFound("it is not there".to_owned()),
    })
}

#[cfg(target_arch = "wasm32")]
fn memory() -> &'static [u8] {
    const PAGE: usize = 65_536;
    let length = core::arch::wasm32::memory_size(0) * PAGE;
    // SAFETY: all of a memory can be read. Address 0 is no reference's, and is left out.
    unsafe { core::slice::from_raw_parts(core::ptr::without_provenance(1), length - 1) }
}

#[cfg(not(target_arch = "wasm32"))]
fn memory() -> &'static [u8] {
    &[]
}
