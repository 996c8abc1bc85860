//! The fields of a protobuf message.

use prost::encoding::{self, WireType, encoded_len_varint, key_len};

/// The length of a length-delimited field with this much in it.
pub(in crate::export) fn delimited_len(tag: u32, len: usize) -> usize {
    key_len(tag) + encoded_len_varint(len as u64) + len
}

/// Writes the head of a length-delimited field, which most often has two bytes.
pub(in crate::export) fn put_delimiter(tag: u32, len: usize, bytes: &mut Vec<u8>) {
    let key = tag << 3 | WireType::LengthDelimited as u32;
    match (u8::try_from(key), u8::try_from(len)) {
        (Ok(key @ ..0x80), Ok(len @ ..0x80)) => bytes.extend_from_slice(&[key, len]),
        _ => {
            put_raw_varint(key.into(), bytes);
            put_raw_varint(len as u64, bytes);
        }
    }
}

/// Writes a string, unless it is empty, which is how protobuf spells the default.
pub(in crate::export) fn put_string(tag: u32, text: &str, bytes: &mut Vec<u8>) {
    if !text.is_empty() {
        put_bytes(tag, text.as_bytes(), bytes);
    }
}

pub(in crate::export) fn put_bytes(tag: u32, value: &[u8], bytes: &mut Vec<u8>) {
    put_delimiter(tag, value.len(), bytes);
    bytes.extend_from_slice(value);
}

pub(in crate::export) fn put_varint(tag: u32, value: u64, bytes: &mut Vec<u8>) {
    if value != 0 {
        put_key(tag, WireType::Varint, bytes);
        put_raw_varint(value, bytes);
    }
}

pub(in crate::export) fn put_fixed64(tag: u32, value: u64, bytes: &mut Vec<u8>) {
    put_key(tag, WireType::SixtyFourBit, bytes);
    bytes.extend_from_slice(&value.to_le_bytes());
}

pub(in crate::export) fn put_fixed32(tag: u32, value: u32, bytes: &mut Vec<u8>) {
    put_key(tag, WireType::ThirtyTwoBit, bytes);
    bytes.extend_from_slice(&value.to_le_bytes());
}

pub(in crate::export) fn string_len(tag: u32, text: &str) -> usize {
    if text.is_empty() {
        0
    } else {
        delimited_len(tag, text.len())
    }
}

pub(in crate::export) fn uint_len(tag: u32, value: u64) -> usize {
    if value == 0 {
        0
    } else {
        key_len(tag) + encoded_len_varint(value)
    }
}

pub(in crate::export) fn put_key(tag: u32, wire_type: WireType, bytes: &mut Vec<u8>) {
    put_raw_varint(u64::from(tag << 3 | wire_type as u32), bytes);
}

/// Nearly every number in a span is a length or a key of one byte.
pub(in crate::export) fn put_raw_varint(value: u64, bytes: &mut Vec<u8>) {
    match u8::try_from(value) {
        Ok(byte) if byte < 0x80 => bytes.push(byte),
        _ => encoding::encode_varint(value, bytes),
    }
}
