//! The buffers of a span that has ended, kept for the next one that its thread begins.

use std::cell::Cell;

use opentelemetry::KeyValue;

use super::SpanEncoder;

/// A span larger than this gives its buffer back to the system.
const MAX_BYTES: usize = 16 * 1_024;
/// As one with more attributes than this does.
const MAX_ATTRIBUTES: usize = 256;

thread_local! {
    static BYTES: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
    static ATTRIBUTES: Cell<Vec<KeyValue>> = const { Cell::new(Vec::new()) };
    static ENCODER: Cell<Option<Box<SpanEncoder>>> = const { Cell::new(None) };
}

/// An empty buffer with room for so many bytes at least.
pub(super) fn bytes(room: usize) -> Vec<u8> {
    // A thread that is ending has no thread-local values any more; here and below.
    let mut bytes = BYTES.try_with(Cell::take).unwrap_or_default();
    bytes.reserve(room);
    bytes
}

/// An empty list for the attributes that a span is to begin with.
pub(crate) fn attributes() -> Vec<KeyValue> {
    ATTRIBUTES.try_with(Cell::take).unwrap_or_default()
}

/// An encoder in whatever state.
pub(super) fn encoder() -> Box<SpanEncoder> {
    let spare = ENCODER.try_with(Cell::take).ok().flatten();
    spare.unwrap_or_default()
}

/// Keeps the bytes of a span that nobody needs any more.
pub(in crate::export) fn keep_bytes(mut bytes: Vec<u8>) {
    if bytes.capacity() <= MAX_BYTES {
        bytes.clear();
        let _ = BYTES.try_with(|spare| spare.set(bytes));
    }
}

/// Keeps the list of attributes that are written.
pub(in crate::export) fn keep_attributes(mut attributes: Vec<KeyValue>) {
    if attributes.capacity() <= MAX_ATTRIBUTES {
        attributes.clear();
        let _ = ATTRIBUTES.try_with(|spare| spare.set(attributes));
    }
}

/// Keeps an encoder without its bytes.
pub(super) fn keep_encoder(encoder: Box<SpanEncoder>) {
    let _ = ENCODER.try_with(|spare| spare.set(Some(encoder)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_comes_back_empty_unless_it_is_large() {
        for (room, is_kept) in [(1_000, true), (MAX_BYTES + 1, false)] {
            let mut buffer = bytes(room);
            buffer.extend_from_slice(b"a span");
            let address = buffer.as_ptr();
            keep_bytes(buffer);
            let again = BYTES.take();
            assert!(again.is_empty());
            assert_eq!(again.as_ptr() == address, is_kept, "{room}");
        }
    }
}
