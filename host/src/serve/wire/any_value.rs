//! What an `AnyValue` message holds.

use std::borrow::Cow;

use super::{Value, fields};

/// The kinds of `AnyValue`, by their fields.
pub(in crate::serve) const TEXT: u32 = 1;
pub(in crate::serve) const BOOL: u32 = 2;
pub(in crate::serve) const INT: u32 = 3;
pub(in crate::serve) const DOUBLE: u32 = 4;
pub(in crate::serve) const ARRAY: u32 = 5;
pub(in crate::serve) const KEY_VALUE_LIST: u32 = 6;
pub(in crate::serve) const BYTES: u32 = 7;

/// What an `AnyValue` message holds; none where it holds nothing.
pub(in crate::serve) fn kind(value: &[u8]) -> Option<(u32, Value<'_>)> {
    fields(value)
        .filter_map(Result::ok)
        .find(|field| (TEXT..=BYTES).contains(&field.number))
        .map(|field| (field.number, field.value))
}

/// A value that is neither an array nor a list of pairs as a text.
pub(in crate::serve) fn plain(value: &[u8]) -> Option<Cow<'_, str>> {
    match kind(value)? {
        (TEXT | BYTES, Value::Bytes(bytes)) => Some(String::from_utf8_lossy(bytes)),
        (BOOL, Value::Varint(bit)) => Some((bit != 0).to_string().into()),
        (INT, Value::Varint(number)) => Some(number.cast_signed().to_string().into()),
        (DOUBLE, Value::Fixed64(bits)) => Some(f64::from_bits(bits).to_string().into()),
        _ => None,
    }
}
