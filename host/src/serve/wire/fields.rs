//! The fields of a protobuf message, one after the other.

use super::Fault;

/// A field.
#[derive(Clone, Copy, Debug)]
pub(in crate::serve) struct Field<'a> {
    pub(in crate::serve) number: u32,
    pub(in crate::serve) value: Value<'a>,
    /// The whole field, tag and all.
    pub(in crate::serve) raw: &'a [u8],
}

/// What a field holds, by how it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::serve) enum Value<'a> {
    Varint(u64),
    Fixed64(u64),
    Fixed32,
    Bytes(&'a [u8]),
}

/// The fields of a message, up to the first fault.
#[inline]
pub(in crate::serve) fn fields(message: &[u8]) -> impl Iterator<Item = Result<Field<'_>, Fault>> {
    let mut rest = message;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let field = next(&mut rest);
        if field.is_err() {
            rest = &[];
        }
        Some(field)
    })
}

/// The first field of what is left of a message. Always inlined: most of what is read is not looked
/// at by whoever reads, and is not written then.
#[inline(always)]
pub(super) fn next<'a>(rest: &mut &'a [u8]) -> Result<Field<'a>, Fault> {
    let start = *rest;
    let tag = u32::try_from(varint(rest)?).map_err(|_| Fault::Tag)?;
    let number = tag >> 3;
    if number == 0 {
        return Err(Fault::Tag);
    }
    let value = match tag & 7 {
        0 => Value::Varint(varint(rest)?),
        1 => {
            let (bytes, after) = rest.split_first_chunk().ok_or(Fault::Truncated)?;
            *rest = after;
            Value::Fixed64(u64::from_le_bytes(*bytes))
        }
        2 => {
            let len = usize::try_from(varint(rest)?).map_err(|_| Fault::Truncated)?;
            Value::Bytes(take(rest, len)?)
        }
        5 => {
            take(rest, 4)?;
            Value::Fixed32
        }
        // Groups, which nothing of OTLP has ever used.
        _ => return Err(Fault::Tag),
    };
    let raw = start.get(..start.len() - rest.len()).unwrap_or_default();
    Ok(Field { number, value, raw })
}

fn take<'a>(rest: &mut &'a [u8], len: usize) -> Result<&'a [u8], Fault> {
    let (bytes, after) = rest.split_at_checked(len).ok_or(Fault::Truncated)?;
    *rest = after;
    Ok(bytes)
}

/// Nearly every number in a span is a length or a tag of one byte.
#[inline]
fn varint(rest: &mut &[u8]) -> Result<u64, Fault> {
    match rest.split_first() {
        Some((byte, after)) if *byte < 0x80 => {
            *rest = after;
            Ok(u64::from(*byte))
        }
        _ => long_varint(rest),
    }
}

fn long_varint(rest: &mut &[u8]) -> Result<u64, Fault> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, after) = rest.split_first().ok_or(Fault::Truncated)?;
        *rest = after;
        // The tenth byte has room for one bit.
        if shift == 63 && byte > 1 {
            return Err(Fault::Varint);
        }
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err(Fault::Varint)
}

/// Appends a length-delimited field.
pub(in crate::serve) fn put_bytes(number: u32, bytes: &[u8], out: &mut Vec<u8>) {
    put_varint(u64::from(number << 3 | 2), out);
    put_varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

/// Appends a number as it stands after its tag.
pub(super) fn put_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
