//! Writing a message anew where something in it changes.

use super::{Field, Value, fields, put_bytes};

/// What becomes of something.
#[derive(Debug)]
pub(in crate::serve) enum Change {
    /// Nothing.
    None,
    /// These bytes take its place.
    To(Vec<u8>),
    /// It goes.
    Drop,
}

/// Writes a message anew with what `change` makes of its fields and their content, which is empty
/// for those that are not length-delimited; none where nothing changes.
pub(in crate::serve) fn each_field(
    message: &[u8],
    mut change: impl FnMut(&Field<'_>, &[u8]) -> Change,
) -> Option<Vec<u8>> {
    let mut out: Option<Vec<u8>> = None;
    let mut done = 0;
    // What comes here is valid.
    for field in fields(message).filter_map(Result::ok) {
        let change = match field.value {
            Value::Bytes(content) => change(&field, content),
            _ => change(&field, &[]),
        };
        if let (None, Change::To(_) | Change::Drop) = (&out, &change) {
            let mut before = Vec::with_capacity(message.len());
            before.extend_from_slice(message.get(..done).unwrap_or_default());
            out = Some(before);
        }
        done += field.raw.len();
        match (&mut out, change) {
            (Some(out), Change::None) => out.extend_from_slice(field.raw),
            (Some(out), Change::To(content)) => put_bytes(field.number, &content, out),
            (_, Change::Drop) | (None, _) => {}
        }
    }
    out
}

/// The parts of a valid `KeyValue` message.
pub(in crate::serve) fn key_and_value(pair: &[u8]) -> (&str, &[u8]) {
    let (mut key, mut value) = ("", [].as_slice());
    for field in fields(pair).filter_map(Result::ok) {
        match (field.number, field.value) {
            (1, Value::Bytes(bytes)) => key = std::str::from_utf8(bytes).unwrap_or_default(),
            (2, Value::Bytes(bytes)) => value = bytes,
            _ => {}
        }
    }
    (key, value)
}

/// A `KeyValue` message.
pub(in crate::serve) fn pair_of(key: &str, value: &[u8]) -> Vec<u8> {
    let mut pair = Vec::with_capacity(key.len() + value.len() + 8);
    put_bytes(1, key.as_bytes(), &mut pair);
    put_bytes(2, value, &mut pair);
    pair
}
