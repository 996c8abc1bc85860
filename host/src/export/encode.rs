//! A span as the bytes it will travel as.
//!
//! The OpenTelemetry SDK keeps a span as structures, copies them into protobuf structures and
//! encodes those. Here a span appends to its own OTLP `Span` message while it is built, so that
//! its end only adds a time and a status. The price is that nothing but an attribute's key can be
//! read back from it.

use std::time::{SystemTime, UNIX_EPOCH};

use opentelemetry::trace::{SpanContext, SpanKind, Status};
use opentelemetry::{Array, KeyValue, Value};
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint, key_len};

/// Enough for a span of ten attributes; a longer one grows.
const USUAL_BYTES: usize = 512;

/// Flag of `Span` and `Link`: whether the other span is remote is known.
const HAS_IS_REMOTE: u32 = 0x100;
/// Flag of `Span` and `Link`: the other span is remote.
const IS_REMOTE: u32 = 0x200;

/// Writes one OTLP `Span` message.
#[derive(Debug)]
pub struct SpanEncoder {
    bytes: Vec<u8>,
    attributes: Vec<Written>,
    dropped_attributes: u32,
    start: u64,
}

/// Where an attribute lies in the bytes.
#[derive(Debug)]
struct Written {
    start: usize,
    key: usize,
    key_len: usize,
    end: usize,
}

impl SpanEncoder {
    /// Begins the message of the span `context`. A `parent` that is not valid makes it a root.
    #[must_use]
    pub fn new(
        context: &SpanContext,
        parent: &SpanContext,
        kind: &SpanKind,
        start: SystemTime,
    ) -> Self {
        let start = unix_nanos(start);
        let mut bytes = Vec::with_capacity(USUAL_BYTES);
        put_bytes(1, &context.trace_id().to_bytes(), &mut bytes);
        put_bytes(2, &context.span_id().to_bytes(), &mut bytes);
        put_trace_state(context, &mut bytes);
        if parent.is_valid() {
            put_bytes(4, &parent.span_id().to_bytes(), &mut bytes);
        }
        put_varint(6, kind_number(kind), &mut bytes);
        put_fixed64(7, start, &mut bytes);
        put_fixed32(16, flags(context, parent), &mut bytes);
        Self {
            bytes,
            attributes: Vec::new(),
            dropped_attributes: 0,
            start,
        }
    }

    /// Sets an attribute. A later value of a key replaces the earlier one, as OTLP demands that
    /// keys are unique. An empty key and a value with NaN or an infinity are left out and
    /// counted in `dropped_attributes_count`.
    pub fn attribute(&mut self, attribute: &KeyValue) {
        let Some(value) = value_len(&attribute.value) else {
            self.dropped_attributes = self.dropped_attributes.saturating_add(1);
            return;
        };
        let key = attribute.key.as_str();
        if key.is_empty() {
            self.dropped_attributes = self.dropped_attributes.saturating_add(1);
            return;
        }
        self.forget(key);
        let start = self.bytes.len();
        put_attribute(9, key, &attribute.value, value, &mut self.bytes);
        let end = self.bytes.len();
        let key_at = end - delimited_len(2, value) - key.len();
        self.attributes.push(Written {
            start,
            key: key_at,
            key_len: key.len(),
            end,
        });
    }

    /// Adds an event.
    pub fn event(&mut self, name: &str, time: SystemTime, attributes: &[KeyValue]) {
        let dropped = unwritable(attributes);
        let len = 9 + string_len(2, name) + attributes_len(3, attributes) + uint_len(4, dropped);
        put_delimiter(11, len, &mut self.bytes);
        put_fixed64(1, unix_nanos(time), &mut self.bytes);
        put_string(2, name, &mut self.bytes);
        put_attributes(3, attributes, &mut self.bytes);
        put_varint(4, dropped, &mut self.bytes);
    }

    /// Adds a link to another span.
    pub fn link(&mut self, other: &SpanContext, attributes: &[KeyValue]) {
        let dropped = unwritable(attributes);
        let mut state = Vec::new();
        put_trace_state(other, &mut state);
        let ids = delimited_len(1, 16) + delimited_len(2, 8);
        let len = ids + state.len() + attributes_len(4, attributes) + uint_len(5, dropped) + 5;
        put_delimiter(13, len, &mut self.bytes);
        put_bytes(1, &other.trace_id().to_bytes(), &mut self.bytes);
        put_bytes(2, &other.span_id().to_bytes(), &mut self.bytes);
        self.bytes.extend_from_slice(&state);
        put_attributes(4, attributes, &mut self.bytes);
        put_varint(5, dropped, &mut self.bytes);
        put_fixed32(6, flags(other, other), &mut self.bytes);
    }

    /// Ends the message. A clock that went back in between makes the span zero long, never
    /// negative.
    #[must_use]
    pub fn finish(mut self, name: &str, status: &Status, end: SystemTime) -> Vec<u8> {
        put_string(5, name, &mut self.bytes);
        put_fixed64(8, unix_nanos(end).max(self.start), &mut self.bytes);
        put_varint(10, u64::from(self.dropped_attributes), &mut self.bytes);
        match status {
            Status::Unset => {}
            Status::Ok => {
                put_delimiter(15, uint_len(3, 1), &mut self.bytes);
                put_varint(3, 1, &mut self.bytes);
            }
            Status::Error { description } => {
                let len = string_len(2, description) + uint_len(3, 2);
                put_delimiter(15, len, &mut self.bytes);
                put_string(2, description, &mut self.bytes);
                put_varint(3, 2, &mut self.bytes);
            }
        }
        self.bytes
    }

    /// Takes an attribute of this key out of the bytes again.
    fn forget(&mut self, key: &str) {
        let same = |written: &Written| {
            written.key_len == key.len()
                && self.bytes.get(written.key..written.key + written.key_len)
                    == Some(key.as_bytes())
        };
        let Some(at) = self.attributes.iter().position(same) else {
            return;
        };
        let gone = self.attributes.remove(at);
        self.bytes.drain(gone.start..gone.end);
        let len = gone.end - gone.start;
        for later in self.attributes.iter_mut().skip(at) {
            later.start -= len;
            later.key -= len;
            later.end -= len;
        }
    }
}

/// Attributes as repeated `KeyValue` fields with this tag: what a message that has such a field
/// may have appended. What cannot be written is left out.
pub(super) fn encode_attributes(tag: u32, attributes: &[KeyValue]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(attributes_len(tag, attributes));
    put_attributes(tag, attributes, &mut bytes);
    bytes
}

/// The length of a length-delimited field with this much in it.
pub(super) fn delimited_len(tag: u32, len: usize) -> usize {
    key_len(tag) + encoded_len_varint(len as u64) + len
}

/// Writes the head of a length-delimited field.
pub(super) fn put_delimiter(tag: u32, len: usize, bytes: &mut Vec<u8>) {
    encode_key(tag, WireType::LengthDelimited, bytes);
    encode_varint(len as u64, bytes);
}

/// Writes a string, unless it is empty, which is how protobuf spells the default.
pub(super) fn put_string(tag: u32, text: &str, bytes: &mut Vec<u8>) {
    if !text.is_empty() {
        put_bytes(tag, text.as_bytes(), bytes);
    }
}

fn put_bytes(tag: u32, value: &[u8], bytes: &mut Vec<u8>) {
    put_delimiter(tag, value.len(), bytes);
    bytes.extend_from_slice(value);
}

fn put_varint(tag: u32, value: u64, bytes: &mut Vec<u8>) {
    if value != 0 {
        encode_key(tag, WireType::Varint, bytes);
        encode_varint(value, bytes);
    }
}

fn put_fixed64(tag: u32, value: u64, bytes: &mut Vec<u8>) {
    encode_key(tag, WireType::SixtyFourBit, bytes);
    bytes.extend_from_slice(&value.to_le_bytes());
}

fn put_fixed32(tag: u32, value: u32, bytes: &mut Vec<u8>) {
    encode_key(tag, WireType::ThirtyTwoBit, bytes);
    bytes.extend_from_slice(&value.to_le_bytes());
}

fn put_trace_state(context: &SpanContext, bytes: &mut Vec<u8>) {
    put_string(3, &context.trace_state().header(), bytes);
}

fn string_len(tag: u32, text: &str) -> usize {
    if text.is_empty() {
        0
    } else {
        delimited_len(tag, text.len())
    }
}

fn uint_len(tag: u32, value: u64) -> usize {
    if value == 0 {
        0
    } else {
        key_len(tag) + encoded_len_varint(value)
    }
}

fn put_attributes(tag: u32, attributes: &[KeyValue], bytes: &mut Vec<u8>) {
    for (attribute, len) in writable(attributes) {
        put_attribute(tag, attribute.key.as_str(), &attribute.value, len, bytes);
    }
}

fn attributes_len(tag: u32, attributes: &[KeyValue]) -> usize {
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

fn unwritable(attributes: &[KeyValue]) -> u64 {
    (attributes.len() - writable(attributes).count()) as u64
}

fn pair_len(key: &str, value_len: usize) -> usize {
    delimited_len(1, key.len()) + delimited_len(2, value_len)
}

fn put_attribute(tag: u32, key: &str, value: &Value, value_len: usize, bytes: &mut Vec<u8>) {
    put_delimiter(tag, pair_len(key, value_len), bytes);
    put_bytes(1, key.as_bytes(), bytes);
    put_delimiter(2, value_len, bytes);
    match value {
        Value::Bool(value) => put_bool(*value, bytes),
        Value::I64(value) => put_int(*value, bytes),
        Value::F64(value) => put_fixed64(4, value.to_bits(), bytes),
        Value::String(value) => put_bytes(1, value.as_str().as_bytes(), bytes),
        Value::Array(array) => {
            put_delimiter(5, elements_len(array).unwrap_or(0), bytes);
            put_elements(array, bytes);
        }
        _ => {}
    }
}

/// The length of the `AnyValue` message, or none for a value that is not to be written: backends
/// drop NaN and infinities, one even the whole span.
fn value_len(value: &Value) -> Option<usize> {
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
    encode_key(2, WireType::Varint, bytes);
    encode_varint(u64::from(value), bytes);
}

fn put_int(value: i64, bytes: &mut Vec<u8>) {
    encode_key(3, WireType::Varint, bytes);
    encode_varint(value.cast_unsigned(), bytes);
}

fn int_len(value: i64) -> usize {
    1 + encoded_len_varint(value.cast_unsigned())
}

fn flags(own: &SpanContext, other: &SpanContext) -> u32 {
    let remote = if other.is_remote() { IS_REMOTE } else { 0 };
    u32::from(own.trace_flags().to_u8()) | HAS_IS_REMOTE | remote
}

fn kind_number(kind: &SpanKind) -> u64 {
    match kind {
        SpanKind::Internal => 1,
        SpanKind::Server => 2,
        SpanKind::Client => 3,
        SpanKind::Producer => 4,
        SpanKind::Consumer => 5,
    }
}

/// Nanoseconds since the Unix epoch; 0 before it, the largest number after the year 2554.
fn unix_nanos(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_nanos().try_into().unwrap_or(u64::MAX))
}

#[cfg(test)]
#[path = "encode_tests.rs"]
mod tests;
