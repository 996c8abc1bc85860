//! `--format` and `--output`: how rows are written, and where.

use std::io::Write;
use std::path::{Path, PathBuf};

use anstream::adapter::strip_str;
use clap::{Args, ValueEnum};
use tokio::task::block_in_place;

use super::destination::{self, Destination, UNWRITTEN};
use super::exit::CommandError;
use super::terminal::Terminal;

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// A table for people
    Table,
    /// One JSON array
    Json,
    /// JSON Lines: an object a line
    Jsonl,
    /// CSV, with a head line
    Csv,
    /// Parquet
    Parquet,
}

impl Format {
    /// What a file of this name has in it.
    pub(super) fn of(path: &Path) -> Option<Self> {
        let ending = path.extension()?.to_str()?.to_ascii_lowercase();
        Some(match ending.as_str() {
            "json" => Self::Json,
            "jsonl" | "ndjson" => Self::Jsonl,
            "csv" => Self::Csv,
            "parquet" => Self::Parquet,
            "txt" => Self::Table,
            _ => return None,
        })
    }
}

/// How rows are written, and where.
#[derive(Debug, Args)]
pub(super) struct FormatArgs {
    /// Print JSON: one object a line
    #[arg(long, conflicts_with_all = ["format", "output"])]
    pub(super) json: bool,
    /// How rows are written; else as the file's ending says, else as a table
    #[arg(long, value_name = "FORMAT")]
    pub(super) format: Option<Format>,
    /// Write to this file, which is there when it is whole; - is standard output
    #[arg(long, short, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
}

impl FormatArgs {
    pub(super) fn output(&self) -> Option<&Path> {
        self.output.as_deref()
    }

    /// The output, unless it is standard output.
    pub(super) fn file(&self) -> Option<&Path> {
        self.output()
            .filter(|path| !super::lines::is_standard(path))
    }

    /// Show a table: on the terminal, or whole and without colours in the file that was named.
    pub(super) fn show(
        &self,
        terminal: &Terminal,
        render: impl FnOnce(Option<usize>) -> String,
    ) -> anyhow::Result<()> {
        let Some(file) = self.file() else {
            return terminal.print(&render(terminal.width));
        };
        let (destination, mut output) = Destination::open(Some(file))?;
        let table = strip_str(&render(None)).to_string();
        let written = block_in_place(|| {
            output.write_all(table.as_bytes())?;
            output.flush()
        });
        let failed = |error: std::io::Error| anyhow::Error::new(error).context(UNWRITTEN);
        written.map_err(|error| destination.failed(failed(error)))?;
        destination.finish()?;
        Ok(())
    }

    /// The format that is wanted, or `usual` where nothing says.
    pub(super) fn format(&self, usual: Format) -> Result<Format, CommandError> {
        let format = match (self.format, self.file()) {
            _ if self.json => Format::Jsonl,
            (Some(format), _) => format,
            (None, None) => usual,
            (None, Some(path)) => Format::of(path).ok_or_else(|| {
                CommandError::Usage(format!(
                    "{} does not tell a format: end it with .jsonl, .csv or .parquet, or say \
                     --format",
                    path.display()
                ))
            })?,
        };
        if format == Format::Parquet && destination::is_terminal(self.output()) {
            let why = "Parquet is not for a terminal: say --output FILE, or pipe it";
            return Err(CommandError::Usage(why.to_owned()));
        }
        Ok(format)
    }
}
