//! Files: Parquet, CSV and JSON Lines, written and read as streams.

mod encode;
mod export;
mod read;
mod source;
mod spool;
mod target;

use std::io;
use std::path::Path;
use std::str::FromStr;

pub use encode::parquet_properties;
pub use export::ExportReport;
pub use read::{RecordStream, read_frame, read_records};
pub use source::FileSource;
pub use target::FileTarget;

use super::error::{FrameError, QueryError};
use crate::contract::ProviderError;

/// The format of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// Apache Parquet, compressed with Zstandard.
    Parquet,
    /// Comma-separated values in UTF-8 with a line of names; quoted where needed. It has no types:
    /// what is read from it is text, and null and empty text are one.
    Csv,
    /// A JSON object a line. What is null is left out.
    JsonLines,
}

impl Format {
    /// The format that the ending of a file's name tells.
    ///
    /// # Errors
    ///
    /// [`FileError::UnknownFormat`] for an ending other than `parquet`, `csv`, `jsonl` and
    /// `ndjson`.
    pub fn of(path: &Path) -> Result<Self, FileError> {
        let ending = path.extension().and_then(|ending| ending.to_str());
        ending
            .and_then(|ending| ending.parse().ok())
            .ok_or_else(|| FileError::UnknownFormat(path.display().to_string()))
    }
}

impl FromStr for Format {
    type Err = FileError;

    fn from_str(text: &str) -> Result<Self, FileError> {
        match text.to_ascii_lowercase().as_str() {
            "parquet" | "pq" => Ok(Self::Parquet),
            "csv" => Ok(Self::Csv),
            "jsonl" | "ndjson" | "jsonlines" | "json-lines" => Ok(Self::JsonLines),
            _ => Err(FileError::UnknownFormat(text.to_owned())),
        }
    }
}

/// Why a file was not written, or not read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// The file system, or what is at the other end of a pipe.
    #[error("{file}: {source}")]
    Io {
        /// The file.
        file: String,
        /// What it said.
        #[source]
        source: io::Error,
    },
    /// What is in the file, with the line or row where that is known; or what cannot be put into
    /// one of its format.
    #[error("{file}: {why}")]
    Content {
        /// The file.
        file: String,
        /// What is wrong, and where.
        why: String,
    },
    /// No format is known by this name.
    #[error("`{0}` tells no format; there are parquet, csv and jsonl")]
    UnknownFormat(String),
    /// The rows do not fit into a file of their format.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The provider failed while spans were read.
    #[error(transparent)]
    Provider(#[from] ProviderError),
    /// The statement failed whose rows were to be written.
    #[error(transparent)]
    Query(#[from] QueryError),
}

impl FileError {
    fn io(file: &str, source: io::Error) -> Self {
        Self::Io {
            file: file.to_owned(),
            source,
        }
    }

    fn content(file: &str, why: impl ToString) -> Self {
        Self::Content {
            file: file.to_owned(),
            why: why.to_string(),
        }
    }
}
