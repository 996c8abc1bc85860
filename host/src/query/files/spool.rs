//! Spans on their way to a format whose columns must be known before the first row: they wait in
//! a temporary file while the columns are learnt.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Seek, Write};

use crate::contract::{Attribute, AttributeValue, Span};

/// How many spans are read back at once, and how large they may be together.
const CHUNK_SPANS: usize = 1024;
const CHUNK_BYTES: usize = 8 << 20;

/// Spans in a file without a name, which goes when this goes. They are kept as they are: what type
/// a column has is known only when all are there.
pub(super) struct Spool {
    file: BufWriter<File>,
}

impl Spool {
    pub(super) fn new() -> io::Result<Self> {
        let file = BufWriter::new(tempfile::tempfile()?);
        Ok(Self { file })
    }

    /// Add spans. Numbers that JSON cannot hold are left out, as they are of Arrow.
    pub(super) fn push(&mut self, spans: &mut [Span]) -> io::Result<()> {
        for span in spans {
            let events = span.events.iter_mut().map(|event| &mut event.attributes);
            let links = span.links.iter_mut().map(|link| &mut link.attributes);
            let whole = [&mut span.attributes, &mut span.resource];
            for attributes in whole.into_iter().chain(events).chain(links) {
                attributes.retain(is_finite);
            }
            serde_json::to_writer(&mut self.file, span)?;
            self.file.write_all(b"\n")?;
        }
        Ok(())
    }

    /// The spans again, from the first on.
    pub(super) fn rewind(self) -> io::Result<Chunks> {
        let mut file = self
            .file
            .into_inner()
            .map_err(io::IntoInnerError::into_error)?;
        file.rewind()?;
        Ok(Chunks {
            file: BufReader::with_capacity(64 << 10, file),
        })
    }
}

fn is_finite(attribute: &Attribute) -> bool {
    match attribute.value {
        AttributeValue::Number(number) => number.is_finite(),
        _ => true,
    }
}

pub(super) struct Chunks {
    file: BufReader<File>,
}

impl Iterator for Chunks {
    type Item = io::Result<Vec<Span>>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.chunk() {
            Ok(spans) if spans.is_empty() => None,
            outcome => Some(outcome),
        }
    }
}

impl Chunks {
    fn chunk(&mut self) -> io::Result<Vec<Span>> {
        let mut spans = Vec::new();
        let mut line = Vec::new();
        let mut bytes = 0;
        while spans.len() < CHUNK_SPANS && bytes < CHUNK_BYTES {
            line.clear();
            if self.file.read_until(b'\n', &mut line)? == 0 {
                break;
            }
            bytes += line.len();
            spans.push(serde_json::from_slice(&line)?);
        }
        Ok(spans)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use super::*;
    use crate::contract::Event;
    use crate::query::tests::span;

    #[test]
    fn numbers_that_json_cannot_hold_are_left_out() {
        let whole = span(&[("n", AttributeValue::Number(0.5))]);
        let mut odd = span(&[
            ("nan", AttributeValue::Number(f64::NAN)),
            ("n", AttributeValue::Number(0.5)),
            ("inf", AttributeValue::Number(f64::INFINITY)),
        ]);
        odd.resource = odd.attributes.clone();
        odd.events = vec![Event {
            name: "retried".to_owned(),
            time: 1,
            attributes: odd.attributes.clone(),
        }];
        let mut spool = Spool::new().unwrap();
        spool.push(&mut [whole.clone(), odd]).unwrap();
        let read: Vec<Vec<Span>> = spool.rewind().unwrap().collect::<Result<_, _>>().unwrap();
        assert_eq!(read[0][0], whole);
        assert_eq!(read[0][1].attributes, whole.attributes);
        assert_eq!(read[0][1].resource, whole.attributes);
        assert_eq!(read[0][1].events[0].attributes, whole.attributes);
    }
}
