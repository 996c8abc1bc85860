//! Encoded spans, one behind the other in one buffer.
//!
//! Spans of a tenant end one by one and leave together. Kept apart, each would cost an
//! allocation that one thread makes and another frees, and whatever is done to spans would be
//! done to each of them.

use bytes::BytesMut;

/// OTLP `Span` messages.
#[derive(Clone, Debug, Default)]
pub struct PackedSpans {
    bytes: BytesMut,
    /// Where each of them ends.
    ends: Vec<usize>,
    /// How large the buffer was that these are a part of, once they were split.
    whole: usize,
}

impl PackedSpans {
    /// Makes room for so many more spans of so many bytes together.
    pub fn reserve(&mut self, spans: usize, bytes: usize) {
        self.bytes.reserve(bytes);
        self.ends.reserve(spans);
    }

    /// Copies a span behind the others.
    pub fn push(&mut self, span: &[u8]) {
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

    /// How many bytes they have together.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes.len()
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
            let span = self.bytes.get(start..*end).unwrap_or_default();
            start = *end;
            span
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
            assert_eq!((first.len(), first.bytes()), (4, 9));
            let rest = first.split_off(at);
            assert!(first.iter().eq(all.into_iter().take(at)));
            assert!(rest.iter().eq(all.into_iter().skip(at)));
            assert_eq!(rest.bytes(), 9 - first.bytes());
            assert!(
                first.capacity() >= 9 && rest.capacity() >= 9,
                "both hold it"
            );
        }
        let spans: PackedSpans = all.into_iter().collect();
        assert_eq!(
            [2, 3, 7, 8, 9].map(|bytes| spans.within(bytes)),
            [0, 2, 2, 3, 4]
        );
    }
}
