//! Attributes as OTLP spells them: `KeyValue` messages with an `AnyValue` in each.

use opentelemetry::{Array, KeyValue, Value};
use prost::encoding::{WireType, encoded_len_varint};

use super::field::{
    delimited_len, put_bytes, put_delimiter, put_delimiters, put_fixed64, put_key, put_raw_varint,
};

/// Attributes as repeated `KeyValue` fields with this tag: what a message that has such a field
/// may have appended. What cannot be written is left out.
pub(in crate::export) fn encode_attributes(tag: u32, attributes: &[KeyValue]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(attributes_len(tag, attributes));
    put_attributes(tag, attributes, &mut bytes);
    bytes
}

pub(super) fn put_attributes(tag: u32, attributes: &[KeyValue], bytes: &mut Vec<u8>) {
    for (attribute, len) in writable(attributes) {
        put_attribute(tag, attribute.key.as_str(), &attribute.value, len, bytes);
    }
}

pub(super) fn attributes_len(tag: u32, attributes: &[KeyValue]) -> usize {
    writable(attributes)
        .map(|(attribute, len)| delimited_len(tag, pair_len(attribute.key.as_str(), len)))
        .sum()
}

fn writable(attributes: &[KeyValue]) -> impl Iterator<Item = (&KeyValue, usize)> {
    attributes
        .iter()
        .filter(|attribute| !attribute.key.as_str().is_empty())
        .filter_map(|attribute| Some((attribute, value_len(&attribute.value)?)))
}

pub(super) fn unwritable(attributes: &[KeyValue]) -> u64 {
    (attributes.len() - writable(attributes).count()) as u64
}

fn pair_len(key: &str, value_len: usize) -> usize {
    delimited_len(1, key.len()) + delimited_len(2, value_len)
}

/// Always inlined, as what writes the heads is, and for the same reason.
#[inline(always)]
pub(super) fn put_attribute(
    tag: u32,
    key: &str,
    value: &Value,
    value_len: usize,
    bytes: &mut Vec<u8>,
) {
    put_delimiters([(tag, pair_len(key, value_len)), (1, key.len())], bytes);
    bytes.extend_from_slice(key.as_bytes());
    match value {
        Value::String(text) => {
            let text = text.as_str();
            put_delimiters([(2, value_len), (1, text.len())], bytes);
            bytes.extend_from_slice(text.as_bytes());
        }
        Value::Array(array) => {
            let elements = elements_len(array).unwrap_or(0);
            put_delimiters([(2, value_len), (5, elements)], bytes);
            put_elements(array, bytes);
        }
        plain => {
            put_delimiter(2, value_len, bytes);
            match plain {
                Value::Bool(value) => put_bool(*value, bytes),
                Value::I64(value) => put_int(*value, bytes),
                Value::F64(value) => put_fixed64(4, value.to_bits(), bytes),
                _ => {}
            }
        }
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
    bytes.extend_from_slice(&[2 << 3, u8::from(value)]);
}

fn put_int(value: i64, bytes: &mut Vec<u8>) {
    put_key(3, WireType::Varint, bytes);
    put_raw_varint(value.cast_unsigned(), bytes);
}

fn int_len(value: i64) -> usize {
    1 + encoded_len_varint(value.cast_unsigned())
}
