//! A span as the bytes it will travel as.
//!
//! The OpenTelemetry SDK keeps a span as structures, copies them into protobuf structures and
//! encodes those. Here a span appends to its own OTLP `Span` message while it is built, so that
//! its end only adds a time and a status. The price is that nothing but an attribute's key can be
//! read back from it.

mod attribute;
mod field;
mod spare;
#[cfg(test)]
mod tests;
mod walk;

use std::borrow::Cow;
use std::hash::Hasher;
use std::mem;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::BufMut as _;
use opentelemetry::KeyValue;
use opentelemetry::trace::{SpanContext, SpanKind, Status};
use prost::encoding::WireType;
use rustc_hash::FxHasher;

pub(super) use attribute::encode_attributes;
use attribute::{attributes_len, put_attribute, put_attributes, unwritable};
pub(super) use field::{delimited_len, put_delimiter, put_string, string_len};
use field::{
    put_bytes, put_fixed32, put_fixed64, put_varint, short_delimiter, short_key, uint_len,
};
pub(crate) use spare::attributes as spare_attributes;
pub(super) use spare::{keep_attributes, keep_bytes};
pub(super) use walk::{attribute_key, fields};

/// Enough for a span of ten short attributes; a longer one grows.
const USUAL_BYTES: usize = 768;

/// Flag of `Span` and `Link`: whether the other span is remote is known.
const HAS_IS_REMOTE: u32 = 0x100;
/// Flag of `Span` and `Link`: the other span is remote.
const IS_REMOTE: u32 = 0x200;

/// The field of `Span` that holds an attribute.
const ATTRIBUTE: u32 = 9;

/// Writes one OTLP `Span` message.
#[derive(Debug, Default)]
pub(super) struct SpanEncoder {
    bytes: Vec<u8>,
    keys: Keys,
    dropped_attributes: u32,
    start: u64,
    /// Like the status, it may change until the end.
    name: Cow<'static, str>,
    status: Status,
}

/// Attributes that many spans begin with, encoded once.
#[derive(Debug, Default)]
pub(super) struct Preset {
    bytes: Box<[u8]>,
    /// The hashes of their keys.
    keys: Arc<[u64]>,
}

impl Preset {
    pub(super) fn new(attributes: &[KeyValue]) -> Self {
        let keys = attributes.iter();
        let keys = keys.map(|attribute| hash(attribute.key.as_str()));
        Self {
            bytes: encode_attributes(ATTRIBUTE, attributes).into(),
            keys: keys.collect(),
        }
    }

    /// Other values of the same keys, which both have in memory once.
    pub(super) fn with_values(&self, attributes: &[KeyValue]) -> Self {
        Self {
            bytes: encode_attributes(ATTRIBUTE, attributes).into(),
            keys: Arc::clone(&self.keys),
        }
    }
}

/// Which keys may have been set: a bit each, by their hashes. There are so many bits that hardly
/// ever a key is looked for that was not set, also in spans of some hundred attributes.
#[derive(Debug)]
struct Keys([u64; 64]);

impl Default for Keys {
    fn default() -> Self {
        Self([0; 64])
    }
}

impl Keys {
    /// Whether it may have been there already.
    #[inline]
    fn insert(&mut self, hash: u64) -> bool {
        let bit = 1 << (hash & 63);
        let word = self.0.get_mut((hash >> 6 & 63) as usize);
        word.is_some_and(|word| {
            let may_be_there = *word & bit != 0;
            *word |= bit;
            may_be_there
        })
    }
}

impl SpanEncoder {
    /// Begins the message of the span `context`. A `parent` that is not valid makes it a root.
    pub(super) fn new(
        context: &SpanContext,
        parent: &SpanContext,
        name: Cow<'static, str>,
        kind: &SpanKind,
        start: SystemTime,
    ) -> Box<Self> {
        let mut encoder = spare::encoder();
        encoder.bytes = spare::bytes(USUAL_BYTES);
        encoder.keys.0.fill(0);
        encoder.dropped_attributes = 0;
        encoder.start = unix_nanos(start);
        encoder.name = name;
        encoder.status = Status::Unset;

        let bytes = &mut encoder.bytes;
        bytes.extend_from_slice(&ids(context));
        put_trace_state(context, bytes);
        if parent.is_valid() {
            put_bytes(4, &parent.span_id().to_bytes(), bytes);
        }
        let rest = kind_start_and_flags(kind_number(kind), encoder.start, flags(context, parent));
        bytes.extend_from_slice(&rest);
        encoder
    }

    /// Names it anew.
    pub(super) fn name(&mut self, name: Cow<'static, str>) {
        self.name = name;
    }

    /// Says how the work ended. `Ok` is final, and nothing is undone by `Unset`.
    pub(super) fn status(&mut self, status: Status) {
        if self.status != Status::Ok && status != Status::Unset {
            self.status = status;
        }
    }

    /// Sets these attributes. No others are set before.
    pub(super) fn preset(&mut self, preset: &Preset) {
        self.bytes.extend_from_slice(&preset.bytes);
        for key in &*preset.keys {
            self.keys.insert(*key);
        }
    }

    /// Sets an attribute. A later value of a key replaces the earlier one, as OTLP demands that
    /// keys are unique. An empty key and a value with NaN or an infinity are left out and
    /// counted in `dropped_attributes_count`. Always inlined, as [`put_attribute`] is.
    #[inline(always)]
    pub(super) fn attribute(&mut self, attribute: &KeyValue) {
        let before = self.bytes.len();
        let key = attribute.key.as_str();
        if !put_attribute(ATTRIBUTE, key, &attribute.value, &mut self.bytes) {
            self.dropped_attributes = self.dropped_attributes.saturating_add(1);
            return;
        }
        if self.keys.insert(hash(key)) {
            self.forget(key, before);
        }
    }

    /// Adds an event.
    pub(super) fn event(&mut self, name: &str, time: SystemTime, attributes: &[KeyValue]) {
        let dropped = unwritable(attributes);
        let len = 9 + string_len(2, name) + attributes_len(3, attributes) + uint_len(4, dropped);
        put_delimiter(11, len, &mut self.bytes);
        put_fixed64(1, unix_nanos(time), &mut self.bytes);
        put_string(2, name, &mut self.bytes);
        put_attributes(3, attributes, &mut self.bytes);
        put_varint(4, dropped, &mut self.bytes);
    }

    /// Adds a link to another span.
    pub(super) fn link(&mut self, other: &SpanContext, attributes: &[KeyValue]) {
        let dropped = unwritable(attributes);
        let mut state = Vec::new();
        put_trace_state(other, &mut state);
        let ids = ids(other);
        let len =
            ids.len() + state.len() + attributes_len(4, attributes) + uint_len(5, dropped) + 5;
        put_delimiter(13, len, &mut self.bytes);
        self.bytes.extend_from_slice(&ids);
        self.bytes.extend_from_slice(&state);
        put_attributes(4, attributes, &mut self.bytes);
        put_varint(5, dropped, &mut self.bytes);
        put_fixed32(6, flags(other, other), &mut self.bytes);
    }

    /// Ends the message. A clock that went back in between makes the span zero long, never
    /// negative. The bytes may be [kept](keep_bytes) for the next one.
    pub(super) fn finish(mut self: Box<Self>, end: SystemTime) -> Vec<u8> {
        let mut bytes = mem::take(&mut self.bytes);
        put_string(5, &mem::take(&mut self.name), &mut bytes);
        put_fixed64(8, unix_nanos(end).max(self.start), &mut bytes);
        put_varint(10, u64::from(self.dropped_attributes), &mut bytes);
        match mem::take(&mut self.status) {
            Status::Unset => {}
            Status::Ok => {
                put_delimiter(15, uint_len(3, 1), &mut bytes);
                put_varint(3, 1, &mut bytes);
            }
            Status::Error { description } => {
                let len = string_len(2, &description) + uint_len(3, 2);
                put_delimiter(15, len, &mut bytes);
                put_string(2, &description, &mut bytes);
                put_varint(3, 2, &mut bytes);
            }
        }
        spare::keep_encoder(self);
        bytes
    }

    /// Takes the attribute of this key out of the first so many bytes again, if there is one.
    #[cold]
    fn forget(&mut self, key: &str, before: usize) {
        // Of a pair, the key was written first.
        let mut begin = Vec::with_capacity(delimited_len(1, key.len()));
        put_string(1, key, &mut begin);
        let mut end = 0;
        let place = fields(self.bytes.get(..before).unwrap_or_default()).find_map(|field| {
            let start = end;
            end += field.raw.len();
            let pair = field.message(ATTRIBUTE)?;
            pair.starts_with(&begin).then_some(start..end)
        });
        if let Some(place) = place {
            self.bytes.drain(place);
        }
    }
}

#[inline]
fn hash(key: &str) -> u64 {
    let mut hasher = FxHasher::default();
    // As bytes: what is hashed after a string would tell it from others that follow.
    hasher.write(key.as_bytes());
    hasher.finish()
}

/// The ids of a span, as the first fields of `Span` and `Link`.
#[inline]
fn ids(context: &SpanContext) -> [u8; 28] {
    let mut ids = [0; 28];
    let mut rest = ids.as_mut_slice();
    rest.put_slice(&short_delimiter(1, 16));
    rest.put_slice(&context.trace_id().to_bytes());
    rest.put_slice(&short_delimiter(2, 8));
    rest.put_slice(&context.span_id().to_bytes());
    ids
}

/// Fields of `Span` that each has, in one piece.
#[inline]
fn kind_start_and_flags(kind: u8, start: u64, flags: u32) -> [u8; 17] {
    let mut fields = [0; 17];
    let mut rest = fields.as_mut_slice();
    rest.put_slice(&[short_key(6, WireType::Varint), kind]);
    rest.put_u8(short_key(7, WireType::SixtyFourBit));
    rest.put_u64_le(start);
    // The key of field 16 takes two bytes.
    rest.put_slice(&[short_key(0, WireType::ThirtyTwoBit) | 0x80, 1]);
    rest.put_u32_le(flags);
    fields
}

fn put_trace_state(context: &SpanContext, bytes: &mut Vec<u8>) {
    let state = context.trace_state();
    // Most have none, and so need no header made of it.
    if state.into_iter().len() > 0 {
        put_string(3, &state.header(), bytes);
    }
}

fn flags(own: &SpanContext, other: &SpanContext) -> u32 {
    let remote = if other.is_remote() { IS_REMOTE } else { 0 };
    u32::from(own.trace_flags().to_u8()) | HAS_IS_REMOTE | remote
}

fn kind_number(kind: &SpanKind) -> u8 {
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
    time.duration_since(UNIX_EPOCH).map_or(0, |since| {
        let seconds = since.as_secs().checked_mul(1_000_000_000);
        let nanos = seconds.and_then(|nanos| nanos.checked_add(since.subsec_nanos().into()));
        nanos.unwrap_or(u64::MAX)
    })
}
