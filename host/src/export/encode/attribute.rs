//! Attributes as OTLP spells them: `KeyValue` messages with an `AnyValue` in each.

use opentelemetry::{Array, KeyValue, Value};
use prost::encoding::{WireType, encoded_len_varint};

use super::field::{
    SHORT_LEN, SHORT_TAG, delimited_len, put_bytes, put_delimiter, put_fixed64, put_key,
    put_raw_varint, short_delimiter, short_key,
};

/// The key of a `KeyValue`'s value.
const VALUE: u8 = short_key(2, WireType::LengthDelimited);
/// Those of what can be in an `AnyValue` and is short.
const TEXT: u8 = short_key(1, WireType::LengthDelimited);
const BOOL: u8 = short_key(2, WireType::Varint);
const INT: u8 = short_key(3, WireType::Varint);
const DOUBLE: u8 = short_key(4, WireType::SixtyFourBit);

/// Attributes as repeated `KeyValue` fields with this tag: what a message that has such a field
/// may have appended. What cannot be written is left out.
pub(in crate::export) fn encode_attributes(tag: u32, attributes: &[KeyValue]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(attributes_len(tag, attributes));
    put_attributes(tag, attributes, &mut bytes);
    bytes
}

pub(super) fn put_attributes(tag: u32, attributes: &[KeyValue], bytes: &mut Vec<u8>) {
    for attribute in attributes {
        put_attribute(tag, attribute.key.as_str(), &attribute.value, bytes);
    }
}

pub(super) fn attributes_len(tag: u32, attributes: &[KeyValue]) -> usize {
    writable(attributes)
        .map(|(key, len)| delimited_len(tag, pair_len(key, len)))
        .sum()
}

/// The keys of those that can be written, and how long their values are.
fn writable(attributes: &[KeyValue]) -> impl Iterator<Item = (&str, usize)> {
    attributes
        .iter()
        .map(|attribute| (attribute.key.as_str(), &attribute.value))
        .filter(|(key, _)| !key.is_empty())
        .filter_map(|(key, value)| Some((key, value_len(value)?)))
}

pub(super) fn unwritable(attributes: &[KeyValue]) -> u64 {
    (attributes.len() - writable(attributes).count()) as u64
}

fn pair_len(key: &str, value_len: usize) -> usize {
    delimited_len(1, key.len()) + delimited_len(2, value_len)
}

/// Writes an attribute, and says whether it could: one with an empty key, NaN or an infinity is left
/// out. Always inlined, like what writes the short ones: a call costs a quarter of an attribute.
#[inline(always)]
pub(super) fn put_attribute(tag: u32, key: &str, value: &Value, bytes: &mut Vec<u8>) -> bool {
    if key.is_empty() {
        return false;
    }
    // Most are texts, and to ask for one thing is cheaper than to tell all of them apart.
    let is_written = if let Value::String(text) = value {
        let text = text.as_str();
        let len = text.len();
        let head = [VALUE, (2 + len) as u8, TEXT, len as u8];
        put_short(tag, key, head, text, bytes)
    } else {
        put_number(tag, key, value, bytes)
    };
    is_written || put_long(tag, key, value, bytes)
}

/// [`put_short`] for what is no text.
#[inline(always)]
fn put_number(tag: u32, key: &str, value: &Value, bytes: &mut Vec<u8>) -> bool {
    match value {
        Value::Bool(value) => {
            let value = [VALUE, 2, BOOL, u8::from(*value)];
            put_short(tag, key, value, "", bytes)
        }
        Value::I64(value @ 0..0x80) => {
            let value = [VALUE, 2, INT, *value as u8];
            put_short(tag, key, value, "", bytes)
        }
        Value::I64(value @ 0x80..0x4000) => {
            let value = [VALUE, 3, INT, *value as u8 | 0x80, (*value >> 7) as u8];
            put_short(tag, key, value, "", bytes)
        }
        Value::F64(value) if value.is_finite() => {
            let [a, b, c, d, e, f, g, h] = value.to_le_bytes();
            let value = [VALUE, 9, DOUBLE, a, b, c, d, e, f, g, h];
            put_short(tag, key, value, "", bytes)
        }
        _ => false,
    }
}

/// Writes an attribute, if its length and all in it take a byte, as those of most do: `value` is
/// its `AnyValue` field, but for the `text` that this ends with. Always inlined, for the sake of
/// what is known of the lengths.
#[inline(always)]
fn put_short<const N: usize>(
    tag: u32,
    key: &str,
    value: [u8; N],
    text: &str,
    bytes: &mut Vec<u8>,
) -> bool {
    let pair = 2 + key.len() + N + text.len();
    let is_short = tag < SHORT_TAG && pair < SHORT_LEN;
    if is_short {
        let ([a, b], [c, d]) = (short_delimiter(tag, pair), short_delimiter(1, key.len()));
        bytes.extend_from_slice(&[a, b, c, d]);
        bytes.extend_from_slice(key.as_bytes());
        bytes.extend_from_slice(&value);
        bytes.extend_from_slice(text.as_bytes());
    }
    is_short
}

/// Writes any attribute, and says whether it could.
fn put_long(tag: u32, key: &str, value: &Value, bytes: &mut Vec<u8>) -> bool {
    let Some(len) = value_len(value) else {
        return false;
    };
    put_delimiter(tag, pair_len(key, len), bytes);
    put_bytes(1, key.as_bytes(), bytes);
    put_delimiter(2, len, bytes);
    put_value(value, bytes);
    true
}

/// What is in an `AnyValue` message.
fn put_value(value: &Value, bytes: &mut Vec<u8>) {
    match value {
        Value::String(text) => put_bytes(1, text.as_str().as_bytes(), bytes),
        Value::Bool(value) => put_bool(*value, bytes),
        Value::I64(value) => put_int(*value, bytes),
        Value::F64(value) => put_fixed64(4, value.to_bits(), bytes),
        Value::Array(array) => {
            put_delimiter(5, elements_len(array).unwrap_or(0), bytes);
            put_elements(array, bytes);
        }
        _ => {}
    }
}

/// The length of the `AnyValue` message, or none for a value that is not to be written: backends
/// drop NaN and infinities, one even the whole span.
#[inline]
pub(super) fn value_len(value: &Value) -> Option<usize> {
    match value {
        Value::Bool(_) => Some(2),
        Value::I64(value) => Some(int_len(*value)),
        Value::F64(value) => value.is_finite().then_some(9),
        Value::String(value) => Some(delimited_len(1, value.as_str().len())),
        Value::Array(array) => Some(delimited_len(5, elements_len(array)?)),
        _ => None,
    }
}

fn elements_len(array: &Array) -> Option<usize> {
    match array {
        Array::Bool(values) => Some(values.len() * delimited_len(1, 2)),
        Array::I64(values) => Some(values.iter().map(|v| delimited_len(1, int_len(*v))).sum()),
        Array::F64(values) => values
            .iter()
            .all(|value| value.is_finite())
            .then(|| values.len() * delimited_len(1, 9)),
        Array::String(values) => Some(
            values
                .iter()
                .map(|value| delimited_len(1, delimited_len(1, value.as_str().len())))
                .sum(),
        ),
        _ => None,
    }
}

fn put_elements(array: &Array, bytes: &mut Vec<u8>) {
    match array {
        Array::Bool(values) => {
            for value in values {
                put_delimiter(1, 2, bytes);
                put_bool(*value, bytes);
            }
        }
        Array::I64(values) => {
            for value in values {
                put_delimiter(1, int_len(*value), bytes);
                put_int(*value, bytes);
            }
        }
        Array::F64(values) => {
            for value in values {
                put_delimiter(1, 9, bytes);
                put_fixed64(4, value.to_bits(), bytes);
            }
        }
        Array::String(values) => {
            for value in values {
                put_delimiter(1, delimited_len(1, value.as_str().len()), bytes);
                put_bytes(1, value.as_str().as_bytes(), bytes);
            }
        }
        _ => {}
    }
}

/// `AnyValue` is a `oneof`: its fields are written also when they hold the default.
fn put_bool(value: bool, bytes: &mut Vec<u8>) {
    bytes.extend_from_slice(&[BOOL, u8::from(value)]);
}

#[inline]
fn put_int(value: i64, bytes: &mut Vec<u8>) {
    put_key(3, WireType::Varint, bytes);
    put_raw_varint(value.cast_unsigned(), bytes);
}

fn int_len(value: i64) -> usize {
    1 + encoded_len_varint(value.cast_unsigned())
}
