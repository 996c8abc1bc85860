//! The fields of a protobuf message.

use prost::encoding::{self, WireType, encoded_len_varint, key_len};

/// Keys of smaller tags take a byte.
pub(super) const SHORT_TAG: u32 = 0x80 >> 3;
/// So do smaller lengths.
pub(super) const SHORT_LEN: usize = 0x80;

/// The length of a length-delimited field with this much in it.
#[inline]
pub(in crate::export) fn delimited_len(tag: u32, len: usize) -> usize {
    key_len(tag) + encoded_len_varint(len as u64) + len
}

/// Writes the head of a length-delimited field, which most often has two bytes.
#[inline]
pub(in crate::export) fn put_delimiter(tag: u32, len: usize, bytes: &mut Vec<u8>) {
    if tag < SHORT_TAG && len < SHORT_LEN {
        bytes.extend_from_slice(&short_delimiter(tag, len));
    } else {
        put_long_delimiter(tag, len, bytes);
    }
}

/// A key of one byte and a length of one byte.
#[inline]
pub(super) fn short_delimiter(tag: u32, len: usize) -> [u8; 2] {
    [short_key(tag, WireType::LengthDelimited), len as u8]
}

/// A key of one byte.
#[inline]
pub(super) const fn short_key(tag: u32, wire_type: WireType) -> u8 {
    (tag << 3 | wire_type as u32) as u8
}

fn put_long_delimiter(tag: u32, len: usize, bytes: &mut Vec<u8>) {
    put_raw_varint(delimiter_key(tag).into(), bytes);
    put_raw_varint(len as u64, bytes);
}

#[inline]
fn delimiter_key(tag: u32) -> u32 {
    tag << 3 | WireType::LengthDelimited as u32
}

/// Writes a string, unless it is empty, which is how protobuf spells the default.
#[inline]
pub(in crate::export) fn put_string(tag: u32, text: &str, bytes: &mut Vec<u8>) {
    if !text.is_empty() {
        put_bytes(tag, text.as_bytes(), bytes);
    }
}

#[inline]
pub(in crate::export) fn put_bytes(tag: u32, value: &[u8], bytes: &mut Vec<u8>) {
    put_delimiter(tag, value.len(), bytes);
    bytes.extend_from_slice(value);
}

#[inline]
pub(in crate::export) fn put_varint(tag: u32, value: u64, bytes: &mut Vec<u8>) {
    if value != 0 {
        put_key(tag, WireType::Varint, bytes);
        put_raw_varint(value, bytes);
    }
}

/// As the tags of all such fields of a span are, `tag` is less than `SHORT_TAG`.
#[inline]
pub(super) fn put_fixed64(tag: u32, value: u64, bytes: &mut Vec<u8>) {
    let key = short_key(tag, WireType::SixtyFourBit);
    let [a, b, c, d, e, f, g, h] = value.to_le_bytes();
    bytes.extend_from_slice(&[key, a, b, c, d, e, f, g, h]);
}

#[inline]
pub(in crate::export) fn put_fixed32(tag: u32, value: u32, bytes: &mut Vec<u8>) {
    put_key(tag, WireType::ThirtyTwoBit, bytes);
    bytes.extend_from_slice(&value.to_le_bytes());
}

#[inline]
pub(in crate::export) fn string_len(tag: u32, text: &str) -> usize {
    if text.is_empty() {
        0
    } else {
        delimited_len(tag, text.len())
    }
}

#[inline]
pub(in crate::export) fn uint_len(tag: u32, value: u64) -> usize {
    if value == 0 {
        0
    } else {
        key_len(tag) + encoded_len_varint(value)
    }
}

#[inline]
pub(in crate::export) fn put_key(tag: u32, wire_type: WireType, bytes: &mut Vec<u8>) {
    put_raw_varint(u64::from(tag << 3 | wire_type as u32), bytes);
}

/// Nearly every number in a span is a length or a key of one byte, and the length of the span
/// itself has two.
#[inline]
pub(in crate::export) fn put_raw_varint(value: u64, bytes: &mut Vec<u8>) {
    match value {
        ..0x80 => bytes.push(value as u8),
        0x80..0x4000 => bytes.extend_from_slice(&[value as u8 | 0x80, (value >> 7) as u8]),
        _ => encoding::encode_varint(value, bytes),
    }
}
