//! Files as records and as frames.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::source::{FileSource, Stop};
use super::{FileError, Format};
use crate::contract::NewRecord;
use crate::query::error::FrameError;
use crate::query::records::{RecordColumns, Row, records_from_frame};

/// How many records are handed over at once, and how large they may be together.
const CHUNK_RECORDS: usize = 500;
const CHUNK_BYTES: usize = 4 << 20;

/// The longest line of JSON Lines.
const MAX_LINE: u64 = 64 << 20;

/// The largest file that is read as one frame.
const MAX_FRAME: usize = 512 << 20;

/// The most bytes of a frame's file, and of records that go through a temporary one.
const MAX_FRAME_FILE: u64 = 512 << 20;
const MAX_TEMPORARY: u64 = 16 << 30;

/// The records of a file, as they are read; see [`read_records`].
#[derive(Debug)]
pub struct RecordStream {
    file: String,
    receiver: mpsc::Receiver<Result<Vec<NewRecord>, FileError>>,
    thread: Option<JoinHandle<()>>,
}

impl RecordStream {
    /// The next records, at most 500; `None` after the last. Never none at all.
    ///
    /// # Errors
    ///
    /// [`FileError::Io`]; [`FileError::Content`] with the line of what is wrong; in CSV and Parquet
    /// the row below the names, from 1. It ends after an error.
    pub async fn next(&mut self) -> Result<Option<Vec<NewRecord>>, FileError> {
        if let Some(records) = self.receiver.recv().await {
            return records.map(Some);
        }
        // A reader that broke off is not the end of the file.
        match self.thread.take() {
            Some(thread) => thread
                .await
                .map(|()| None)
                .map_err(|why| FileError::content(&self.file, why)),
            None => Ok(None),
        }
    }
}

/// The records of a file, as a stream: never the whole of it in memory. [`RecordColumns`] tells
/// which column is what.
///
/// ```no_run
/// # async fn example() -> Result<(), roost::query::FileError> {
/// use std::path::Path;
/// use roost::query::{Format, RecordColumns, read_records};
///
/// let path = Path::new("questions.csv");
/// let mut records = read_records(path, Format::of(path)?, &RecordColumns::default());
/// while let Some(part) = records.next().await? {
///     println!("{} records", part.len());
/// }
/// # Ok(())
/// # }
/// ```
pub fn read_records(
    source: impl Into<FileSource>,
    format: Format,
    columns: &RecordColumns,
) -> RecordStream {
    let (sender, receiver) = mpsc::channel(1);
    let (source, columns) = (source.into(), columns.clone());
    let file = source.name();
    let name = file.clone();
    let thread = tokio::task::spawn_blocking(move || {
        let mut chunk = Chunk::new(&sender);
        let read = match format {
            Format::JsonLines => lines(source, |line, row| {
                let record = columns.record(row);
                chunk.push(record.map_err(|why| format!("line {line}: {why}"))?)
            }),
            Format::Csv | Format::Parquet => {
                let mut before = 0;
                batches(source, format, |batch| {
                    let records =
                        records_from_frame(&batch, &columns).map_err(|why| match why {
                            FrameError::BadRow { row, why } => {
                                format!("row {}: {why}", before + row)
                            }
                            why => why.to_string(),
                        })?;
                    before += batch.num_rows();
                    records
                        .into_iter()
                        .try_for_each(|record| chunk.push(record))
                })
            }
        };
        match read.and_then(|()| chunk.flush().map_err(Stop::Content)) {
            Ok(()) => {}
            Err(why) => {
                let _ = sender.blocking_send(Err(why.error(&name)));
            }
        }
    });
    RecordStream {
        file,
        receiver,
        thread: Some(thread),
    }
}

/// Records that wait to be handed over together.
struct Chunk<'s> {
    sender: &'s mpsc::Sender<Result<Vec<NewRecord>, FileError>>,
    records: Vec<NewRecord>,
    bytes: usize,
}

impl<'s> Chunk<'s> {
    fn new(sender: &'s mpsc::Sender<Result<Vec<NewRecord>, FileError>>) -> Self {
        Self {
            sender,
            records: Vec::new(),
            bytes: 0,
        }
    }

    fn push(&mut self, record: NewRecord) -> Result<(), String> {
        let length = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        self.bytes += record.input.len() + length(&record.output) + length(&record.metadata);
        self.records.push(record);
        if self.records.len() >= CHUNK_RECORDS || self.bytes >= CHUNK_BYTES {
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), String> {
        self.bytes = 0;
        let records = std::mem::take(&mut self.records);
        if records.is_empty() || self.sender.blocking_send(Ok(records)).is_ok() {
            return Ok(());
        }
        Err("nobody reads on".to_owned())
    }
}

/// The objects of JSON Lines, with the number of their lines.
fn lines(
    source: FileSource,
    mut take: impl FnMut(usize, Row) -> Result<(), String>,
) -> Result<(), Stop> {
    let mut reader = BufReader::new(source.stream()?);
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        let read = (&mut reader).take(MAX_LINE).read_until(b'\n', &mut line)?;
        if read == 0 {
            break;
        }
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let row = serde_json::from_slice(&line)
            .map_err(|why| format!("line {number} is no JSON object of at most 64 MiB: {why}"))?;
        take(number, row)?;
    }
    Ok(())
}

/// The batches of a CSV or Parquet file.
fn batches(
    source: FileSource,
    format: Format,
    mut take: impl FnMut(RecordBatch) -> Result<(), String>,
) -> Result<(), Stop> {
    let file = source.file(MAX_TEMPORARY)?;
    match format {
        Format::Parquet => {
            for batch in parquet(file)? {
                take(batch?)?;
            }
        }
        _ => {
            for batch in csv(file)? {
                take(batch?)?;
            }
        }
    }
    Ok(())
}

fn parquet(file: File) -> Result<ParquetRecordBatchReader, Stop> {
    ParquetRecordBatchReaderBuilder::try_new(file)
        .and_then(|builder| builder.with_batch_size(CHUNK_RECORDS).build())
        .map_err(|why| Stop::Content(why.to_string()))
}

/// Every column as text: an id of digits alone is no number.
fn csv(mut file: File) -> Result<arrow::csv::Reader<File>, Stop> {
    let format = arrow::csv::reader::Format::default().with_header(true);
    let (names, _) = format.infer_schema(BufReader::new(&file), Some(0))?;
    file.rewind()?;
    let field = |field: &Arc<Field>| {
        let name = field.name().trim_start_matches('\u{feff}');
        Field::new(name, DataType::Utf8, true)
    };
    let schema: SchemaRef = Arc::new(Schema::new(
        names.fields().iter().map(field).collect::<Vec<_>>(),
    ));
    let reader = arrow::csv::ReaderBuilder::new(schema)
        .with_format(format)
        .with_batch_size(CHUNK_RECORDS)
        .build(file);
    Ok(reader?)
}

/// A file as one frame, such as evaluations for
/// [`log_evaluations`](crate::provider::AnnotationStore::log_evaluations). A column of a CSV file is
/// text; of JSON Lines it has the type of its values.
///
/// # Errors
///
/// [`FileError::Io`]; [`FileError::Content`] for what is no file of the format, and for more than
/// 512 MiB in the file or in the frame.
pub async fn read_frame(
    source: impl Into<FileSource>,
    format: Format,
) -> Result<RecordBatch, FileError> {
    let source = source.into();
    let file = source.name();
    let name = file.clone();
    let read = move || frame(source, format).map_err(|why| why.error(&name));
    let read = tokio::task::spawn_blocking(read).await;
    read.map_err(|why| FileError::content(&file, why))?
}

fn frame(source: FileSource, format: Format) -> Result<RecordBatch, Stop> {
    let mut held = Vec::new();
    let mut bytes = 0_usize;
    let mut hold = |batch: RecordBatch| {
        bytes = bytes.saturating_add(batch.get_array_memory_size());
        held.push(batch);
        if bytes > MAX_FRAME {
            return Err(format!(
                "it has more than {MAX_FRAME} bytes, too many for one frame"
            ));
        }
        Ok(())
    };
    let mut file = source.small_file(MAX_FRAME_FILE)?;
    let schema = match format {
        Format::Csv => {
            let reader = csv(file)?;
            let schema = reader.schema();
            for batch in reader {
                hold(batch?)?;
            }
            schema
        }
        Format::Parquet => {
            let reader = parquet(file)?;
            let schema = arrow::array::RecordBatchReader::schema(&reader);
            for batch in reader {
                hold(batch?)?;
            }
            schema
        }
        Format::JsonLines => {
            let (schema, _) = arrow::json::reader::infer_json_schema(BufReader::new(&file), None)?;
            let schema = Arc::new(schema);
            file.rewind()?;
            let reader =
                arrow::json::ReaderBuilder::new(schema.clone()).build(BufReader::new(file))?;
            for batch in reader {
                hold(batch?)?;
            }
            schema
        }
    };
    Ok(concat_batches(&schema, &held)?)
}
