//! Reading a protobuf message just so far that its fields can be taken apart.

use prost::encoding::decode_varint;

/// A field as it lies in a message.
#[derive(Clone, Copy, Debug)]
pub(in crate::export) struct Field<'a> {
    tag: u64,
    /// All of it, to be copied.
    pub(in crate::export) raw: &'a [u8],
    /// What is in it, where it is length-delimited.
    content: Option<&'a [u8]>,
}

impl<'a> Field<'a> {
    /// What is in it, if it is the length-delimited field with this tag.
    pub(in crate::export) fn message(&self, tag: u32) -> Option<&'a [u8]> {
        self.content.filter(|_| self.tag == u64::from(tag))
    }
}

/// The fields of a message, up to the first that is none.
pub(in crate::export) fn fields(mut message: &[u8]) -> impl Iterator<Item = Field<'_>> {
    std::iter::from_fn(move || {
        let start = message;
        let mut rest = message;
        let key = decode_varint(&mut rest).ok()?;
        let content = match key & 7 {
            0 => {
                decode_varint(&mut rest).ok()?;
                None
            }
            1 => {
                rest = rest.get(8..)?;
                None
            }
            2 => {
                let len = usize::try_from(decode_varint(&mut rest).ok()?).ok()?;
                let (content, after) = rest.split_at_checked(len)?;
                rest = after;
                Some(content)
            }
            5 => {
                rest = rest.get(4..)?;
                None
            }
            _ => return None,
        };
        message = rest;
        Some(Field {
            tag: key >> 3,
            raw: start.get(..start.len() - rest.len())?,
            content,
        })
    })
}

/// The key of an OTLP `KeyValue` message. Of several the last counts, as everywhere in protobuf.
pub(in crate::export) fn attribute_key(message: &[u8]) -> Option<&[u8]> {
    fields(message).filter_map(|field| field.message(1)).last()
}
