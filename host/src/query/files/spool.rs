//! Spans on their way to a format whose columns must be known before the first row: they wait in
//! a temporary file while the columns are learnt.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Seek, Write};

use crate::contract::Span;

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

    pub(super) fn push(&mut self, spans: &[Span]) -> io::Result<()> {
        for span in spans {
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
