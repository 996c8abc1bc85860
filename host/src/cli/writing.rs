//! Rows as they are written: as a table for people, and in the formats of programs.

use std::io::Write;

use anstream::adapter::strip_str;
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::json::LineDelimitedWriter;
use arrow::json::writer::{LineDelimited, WriterBuilder};
use parquet::arrow::ArrowWriter;
use roost::query::parquet_properties;
use tokio::task::block_in_place;

use super::destination::{self, Destination, Output, UNWRITTEN};
use super::format::{Format, FormatArgs};
use super::{frame_table, terminal};

/// How many rows of a table are laid out together.
const TABLE_ROWS: usize = 1000;

/// What was written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Written {
    pub(super) rows: u64,
    pub(super) bytes: u64,
}

/// Rows on their way out.
pub(super) struct Rows {
    out: Out,
    destination: Destination,
    /// How many there were.
    count: u64,
}

enum Out {
    Text(Encoder, Output),
    Parquet(Box<ArrowWriter<Output>>),
}

impl Rows {
    /// Begin to write rows of these columns; `width` is the terminal's, if tables are to fit it.
    pub(super) fn begin(
        args: &FormatArgs,
        schema: SchemaRef,
        width: Option<usize>,
    ) -> anyhow::Result<Self> {
        Self::to(Destination::open(args.output())?, args, schema, width)
    }

    /// As [`begin`](Self::begin), where what is written to is open already.
    pub(super) fn to(
        (destination, output): (Destination, Output),
        args: &FormatArgs,
        schema: SchemaRef,
        width: Option<usize>,
    ) -> anyhow::Result<Self> {
        let format = args.format(Format::Table)?;
        let width = width.filter(|_| destination::is_terminal(args.output()));
        let encoder = match format {
            Format::Table => Encoder::Table(Block::new(schema, width, args.file().is_some())),
            Format::Json => Encoder::Lines(Lines::Array),
            Format::Jsonl if args.json => Encoder::Lines(Lines::Records),
            Format::Jsonl => Encoder::Lines(Lines::File),
            Format::Csv => Encoder::Csv(schema),
            Format::Parquet => {
                let writer = ArrowWriter::try_new(output, schema, Some(parquet_properties()))?;
                return Ok(Self {
                    out: Out::Parquet(Box::new(writer)),
                    destination,
                    count: 0,
                });
            }
        };
        Ok(Self {
            out: Out::Text(encoder, output),
            destination,
            count: 0,
        })
    }

    /// Write these rows. It may block as long as whoever reads takes nothing.
    pub(super) fn write(&mut self, rows: RecordBatch) -> anyhow::Result<()> {
        if rows.num_rows() == 0 {
            return Ok(());
        }
        let is_first = self.count == 0;
        self.count += u64::try_from(rows.num_rows()).unwrap_or(u64::MAX);
        let written = block_in_place(|| match &mut self.out {
            Out::Text(encoder, out) => encoder.write(rows, is_first, out),
            Out::Parquet(writer) => writer.write(&rows).map_err(anyhow::Error::new),
        });
        written.map_err(|error| self.destination.failed(error.context(UNWRITTEN)))
    }

    /// That was all.
    pub(super) fn finish(self) -> anyhow::Result<Written> {
        let Self {
            out,
            destination,
            count,
        } = self;
        let finished = block_in_place(|| match out {
            Out::Text(encoder, mut out) => {
                encoder.finish(count == 0, &mut out)?;
                Ok(out.flush()?)
            }
            Out::Parquet(writer) => Ok(writer.into_inner()?.flush()?),
        });
        let failed = |error: anyhow::Error| destination.failed(error.context(UNWRITTEN));
        finished.map_err(failed)?;
        let bytes = destination.finish()?;
        Ok(Written { rows: count, bytes })
    }
}

enum Encoder {
    Table(Block),
    Lines(Lines),
    Csv(SchemaRef),
}

/// How JSON objects follow one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lines {
    /// In one array.
    Array,
    /// One a line, without what is null, as files have it.
    File,
    /// One a line with all its keys, as `--json` promises.
    Records,
}

/// Rows of a table that are laid out together.
struct Block {
    schema: SchemaRef,
    width: Option<usize>,
    held: Vec<RecordBatch>,
    rows: usize,
    is_first: bool,
    /// Never with colours.
    is_plain: bool,
}

impl Block {
    fn new(schema: SchemaRef, width: Option<usize>, is_plain: bool) -> Self {
        Self {
            schema,
            width,
            is_plain,
            held: Vec::new(),
            rows: 0,
            is_first: true,
        }
    }

    fn push(&mut self, batch: RecordBatch, out: &mut impl Write) -> anyhow::Result<()> {
        self.rows += batch.num_rows();
        self.held.push(batch);
        if self.rows >= TABLE_ROWS {
            self.print(out)?;
        }
        Ok(())
    }

    fn print(&mut self, out: &mut impl Write) -> anyhow::Result<()> {
        let batch = arrow::compute::concat_batches(&self.schema, &self.held)?;
        self.held.clear();
        self.rows = 0;
        let table = frame_table::render(&batch, self.width)?;
        if !std::mem::take(&mut self.is_first) {
            out.write_all(b"\n")?;
        }
        let table = match self.is_plain {
            true => strip_str(&table).to_string().into(),
            false => terminal::coloured(&table),
        };
        out.write_all(table.as_bytes())?;
        Ok(())
    }
}

impl Encoder {
    fn write(
        &mut self,
        batch: RecordBatch,
        is_first: bool,
        out: &mut impl Write,
    ) -> anyhow::Result<()> {
        match self {
            Self::Table(block) => block.push(batch, out),
            Self::Lines(kind) => {
                let mut lines: LineDelimitedWriter<Vec<u8>> = WriterBuilder::new()
                    .with_explicit_nulls(*kind == Lines::Records)
                    .build::<_, LineDelimited>(Vec::new());
                lines.write(&batch)?;
                lines.finish()?;
                let lines = lines.into_inner();
                if *kind != Lines::Array {
                    return Ok(out.write_all(&lines)?);
                }
                let mut before: &[u8] = if is_first { b"[\n" } else { b",\n" };
                let lines = lines.split(|byte| *byte == b'\n');
                for line in lines.filter(|line| !line.is_empty()) {
                    out.write_all(before)?;
                    out.write_all(line)?;
                    before = b",\n";
                }
                Ok(())
            }
            Self::Csv(_) => csv(&batch, is_first, out),
        }
    }

    fn finish(self, is_empty: bool, out: &mut impl Write) -> anyhow::Result<()> {
        match self {
            Self::Table(mut block) if block.rows > 0 || block.is_first => block.print(out),
            Self::Lines(Lines::Array) if is_empty => Ok(out.write_all(b"[]\n")?),
            Self::Lines(Lines::Array) => Ok(out.write_all(b"\n]\n")?),
            Self::Csv(schema) if is_empty => csv(&RecordBatch::new_empty(schema), true, out),
            Self::Table(_) | Self::Lines(_) | Self::Csv(_) => Ok(()),
        }
    }
}

fn csv(batch: &RecordBatch, head: bool, out: &mut impl Write) -> anyhow::Result<()> {
    let mut text = Vec::new();
    let mut writer = arrow::csv::WriterBuilder::new()
        .with_header(head)
        .build(&mut text);
    writer.write(batch)?;
    drop(writer);
    Ok(out.write_all(&text)?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::Arc;

    use arrow::array::{ArrayRef, Float64Array, StringArray};
    use parquet::file::reader::{FileReader, SerializedFileReader};

    use super::super::terminal::Terminal;
    use super::*;

    fn frame() -> RecordBatch {
        let names: ArrayRef = Arc::new(StringArray::from(vec!["search", "answer"]));
        let scores: ArrayRef = Arc::new(Float64Array::from(vec![Some(0.5), None]));
        let columns = [("name", names, false), ("score", scores, true)];
        RecordBatch::try_from_iter_with_nullable(columns).unwrap()
    }

    /// The file that these batches become.
    fn file(format: Format, batches: Vec<RecordBatch>) -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows");
        let args = FormatArgs {
            json: false,
            format: Some(format),
            output: Some(path.clone()),
        };
        let mut rows = Rows::begin(&args, frame().schema(), None).unwrap();
        for batch in batches {
            rows.write(batch).unwrap();
        }
        rows.finish().unwrap();
        std::fs::read(path).unwrap()
    }

    #[test]
    fn csv_has_one_head_line_however_few_rows_there_are() {
        let empty = || RecordBatch::new_empty(frame().schema());
        for batches in [vec![], vec![empty()], vec![empty(), empty()]] {
            assert_eq!(file(Format::Csv, batches), b"name,score\n");
        }
        let whole = file(Format::Csv, vec![empty(), frame(), empty(), frame()]);
        let lines = "search,0.5\nanswer,\n";
        assert_eq!(whole, format!("name,score\n{lines}{lines}").into_bytes());
    }

    #[test]
    fn parquet_is_compressed_as_an_export_is() {
        let bytes = bytes::Bytes::from(file(Format::Parquet, vec![frame()]));
        let reader = SerializedFileReader::new(bytes).unwrap();
        let compression = reader.metadata().row_group(0).column(0).compression();
        assert!(matches!(compression, parquet::basic::Compression::ZSTD(_)));
    }

    #[test]
    fn a_table_goes_to_the_file_that_is_named_without_colours() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("spans.txt");
        let args = FormatArgs {
            json: false,
            format: None,
            output: Some(path.clone()),
        };
        let terminal = Terminal::of_process(false);
        let table = |_: Option<usize>| format!("{}\n", terminal::paint(terminal::BAD, "ERROR"));
        args.show(&terminal, table).unwrap();
        assert_eq!(std::fs::read(path).unwrap(), b"ERROR\n");
    }

    #[test]
    fn records_have_all_their_keys() {
        let mut out = Vec::new();
        let mut records = Encoder::Lines(Lines::Records);
        records.write(frame(), true, &mut out).unwrap();
        let lines = String::from_utf8(out).unwrap();
        assert!(
            lines.contains("{\"name\":\"answer\",\"score\":null}"),
            "{lines}"
        );
    }
}
