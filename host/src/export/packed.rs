//! Encoded spans, one behind the other in one buffer.
//!
//! Spans of a tenant end one by one and leave together. Kept apart, each would cost an
//! allocation that one thread makes and another frees, and whatever is done to spans would be
//! done to each of them. Each lies there with its head, so that all are copied into a request in
//! one piece.

use bytes::{BufMut, BytesMut};
use prost::encoding::encode_varint;

use super::encode::delimited_len;

/// The field of `ScopeSpans` that holds spans, and how it begins.
const SPANS: u32 = 2;
const KEY: u8 = 0x12;
/// How long the head of a span of up to 16 KiB is.
const USUAL_HEAD: usize = 3;

/// OTLP `Span` messages.
#[derive(Clone, Debug, Default)]
pub struct PackedSpans {
    /// As they lie in a `ScopeSpans` message.
    bytes: BytesMut,
    /// Where each of them ends.
    ends: Vec<usize>,
    /// How large the buffer was that these are a part of, once they were split.
    whole: usize,
}

impl PackedSpans {
    /// Makes room for so many more spans of so many bytes together.
    pub fn reserve(&mut self, spans: usize, bytes: usize) {
        self.bytes.reserve(bytes + spans * USUAL_HEAD);
        self.ends.reserve(spans);
    }

    /// Copies a span behind the others.
    pub fn push(&mut self, span: &[u8]) {
        self.reserve(1, span.len());
        let len = span.len();
        match len {
            ..0x80 => self.bytes.extend_from_slice(&[KEY, len as u8]),
            0x80..0x4000 => {
                let head = [KEY, len as u8 | 0x80, (len >> 7) as u8];
                self.bytes.extend_from_slice(&head);
            }
            _ => {
                self.bytes.put_u8(KEY);
                encode_varint(len as u64, &mut self.bytes);
            }
        }
        self.bytes.extend_from_slice(span);
        self.ends.push(self.bytes.len());
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// How many bytes they have together, with the two to ten that stand before each in a request.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// How many bytes a span of this length adds.
    pub(super) fn bytes_of(len: usize) -> usize {
        delimited_len(SPANS, len)
    }

    /// All of them, as they lie in a `ScopeSpans` message.
    pub(super) fn fields(&self) -> &[u8] {
        &self.bytes
    }

    /// Forgets them and keeps their room.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    /// How many bytes are held for them: a part holds all of the buffer that it is of.
    pub(super) fn capacity(&self) -> usize {
        self.bytes.capacity().max(self.whole)
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let mut start = 0;
        self.ends.iter().map(move |end| {
            let field = self.bytes.get(start..*end).unwrap_or_default();
            start = *end;
            without_head(field)
        })
    }

    /// How many of the first have so many bytes together at most.
    pub(super) fn within(&self, bytes: usize) -> usize {
        self.ends.partition_point(|end| *end <= bytes)
    }

    /// Those from this one on, which are no longer here then. Nothing is copied.
    #[must_use]
    pub fn split_off(&mut self, at: usize) -> Self {
        self.whole = self.capacity();
        let mut ends = self.ends.split_off(at.min(self.ends.len()));
        let start = self.ends.last().copied().unwrap_or_default();
        for end in &mut ends {
            *end -= start;
        }
        Self {
            bytes: self.bytes.split_off(start),
            ends,
            whole: self.whole,
        }
    }
}

/// What is in the field of a span, whose key is a byte.
fn without_head(field: &[u8]) -> &[u8] {
    let is_last = |byte: &u8| *byte < 0x80;
    let len = field.iter().skip(1).position(is_last);
    len.and_then(|len| field.get(len + 2..)).unwrap_or_default()
}

impl<T: AsRef<[u8]>> FromIterator<T> for PackedSpans {
    fn from_iter<I: IntoIterator<Item = T>>(spans: I) -> Self {
        let mut packed = Self::default();
        for span in spans {
            packed.push(span.as_ref());
        }
        packed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_split_where_they_end() {
        let all: [&[u8]; 4] = [b"one", b"", b"three", b"4"];
        for at in 0..=all.len() {
            let mut first: PackedSpans = all.into_iter().collect();
            assert_eq!((first.len(), first.bytes()), (4, 17));
            let rest = first.split_off(at);
            assert!(first.iter().eq(all.into_iter().take(at)));
            assert!(rest.iter().eq(all.into_iter().skip(at)));
            assert_eq!(rest.bytes(), 17 - first.bytes());
            assert!(
                first.capacity() >= 17 && rest.capacity() >= 17,
                "both hold it"
            );
        }
        let spans: PackedSpans = all.into_iter().collect();
        assert_eq!(
            [4, 5, 7, 13, 14, 17].map(|bytes| spans.within(bytes)),
            [0, 1, 2, 2, 3, 4]
        );
    }

    #[test]
    fn spans_of_any_length_lie_as_in_a_request() {
        let lengths = [0, 1, 0x7f, 0x80, 0x3fff, 0x4000, 0x20_0000];
        let spans: Vec<_> = lengths.iter().map(|len| vec![7; *len]).collect();
        let packed: PackedSpans = spans.iter().collect();
        assert!(packed.iter().eq(spans.iter().map(Vec::as_slice)));
        let bytes: usize = lengths.iter().map(|len| PackedSpans::bytes_of(*len)).sum();
        assert_eq!(packed.bytes(), bytes);
        let mut message = Vec::new();
        for span in &spans {
            prost::encoding::bytes::encode(SPANS, span, &mut message);
        }
        assert_eq!(packed.fields(), message);
    }
}
