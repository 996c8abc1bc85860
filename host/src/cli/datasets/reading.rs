//! The records that a dataset is made of or grows by: those of a file.

use std::io;
use std::path::Path;

use clap::{Args, ValueEnum};
use roost::query::{FileSource, Format, RecordColumns, RecordStream, read_records};

use crate::cli::exit::CommandError;
use crate::cli::lines::is_standard;

/// What `--help` says of files.
pub(super) const FILES: &str = "\
Each row is a record. Unless columns are named, their names tell: input, output, metadata, key
and split, or input.*, output.* and metadata.*; of exported spans, input and output are theirs;
otherwise expected*, output*, answer and reference are output, and the rest is input.";

/// Records of a file.
#[derive(Debug, Args)]
pub(super) struct RecordsArgs {
    /// How the file is written; else as its ending says, and JSON Lines for -
    #[arg(long, value_name = "FORMAT")]
    format: Option<RecordFormat>,
    /// These columns are what the task is given; what is not named is left out
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    input: Vec<String>,
    /// These columns are what is expected of it
    #[arg(long, value_name = "NAMES", value_delimiter = ',', requires = "input")]
    expected: Vec<String>,
    /// These columns are metadata
    #[arg(long, value_name = "NAMES", value_delimiter = ',', requires = "input")]
    metadata_columns: Vec<String>,
    /// This column is the record's key: a record of a key that is there is replaced
    #[arg(long, value_name = "NAME", requires = "input")]
    key_column: Option<String>,
    /// This column is the record's split
    #[arg(long, value_name = "NAME", requires = "input")]
    split_column: Option<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum RecordFormat {
    Jsonl,
    Csv,
    Parquet,
}

impl From<RecordFormat> for Format {
    fn from(format: RecordFormat) -> Self {
        match format {
            RecordFormat::Jsonl => Self::JsonLines,
            RecordFormat::Csv => Self::Csv,
            RecordFormat::Parquet => Self::Parquet,
        }
    }
}

/// The file at `path`, or standard input where that is `-`; and how it is written.
pub(in crate::cli) fn source(
    path: &Path,
    format: Option<Format>,
) -> Result<(FileSource, Format), CommandError> {
    if is_standard(path) {
        let source = FileSource::reader(io::stdin());
        return Ok((source, format.unwrap_or(Format::JsonLines)));
    }
    let format = match format {
        Some(format) => format,
        None => Format::of(path).map_err(|_| {
            CommandError::Usage(format!(
                "{} does not tell a format: end it with .jsonl, .csv or .parquet, or say --format",
                path.display()
            ))
        })?,
    };
    Ok((FileSource::path(path), format))
}

impl RecordsArgs {
    pub(super) fn is_given(&self) -> bool {
        self.format.is_some() || !self.input.is_empty()
    }

    /// The records of a file.
    pub(super) fn read(&self, path: &Path) -> Result<RecordStream, CommandError> {
        let (source, format) = source(path, self.format.map(Format::from))?;
        Ok(read_records(source, format, &self.columns()))
    }

    fn columns(&self) -> RecordColumns {
        if self.input.is_empty() {
            return RecordColumns::default();
        }
        let mut columns = RecordColumns::named(self.input.iter())
            .output(self.expected.iter())
            .metadata(self.metadata_columns.iter());
        if let Some(key) = &self.key_column {
            columns = columns.key(key);
        }
        if let Some(split) = &self.split_column {
            columns = columns.split(split);
        }
        columns
    }
}
