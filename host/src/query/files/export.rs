//! Spans and rows into files. What waits on the network runs here; what writes runs on a thread of
//! its own, with a page between the two.

use std::io::Write;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use serde::Serializer;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::encode::Encoder;
use super::spool::Spool;
use super::target::Output;
use super::{FileError, FileTarget, Format};
use crate::contract::Span;
use crate::provider::{SpanQuery, TraceStore};
use crate::query::frame::{Columns, attribute_name};
use crate::query::ipc;
use crate::query::schema::Column;
use crate::query::sql::SqlAnswer;
use crate::query::value;

/// How many pages wait for the writing thread.
const WAITING: usize = 1;

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExportReport {
    /// How many rows; of an export of spans, how many spans.
    pub rows: u64,
    /// How many bytes the file has.
    pub bytes: u64,
}

impl TraceStore<'_> {
    /// Write the spans that answer `query` to a file, however many: they are never in memory as a
    /// whole. The columns are those of [`span_frame`](crate::query::span_frame) over all of them;
    /// in JSON Lines an array or an object is itself, not text. A query has a limit of 1,000 unless
    /// it says otherwise.
    ///
    /// Parquet and CSV have to know all columns before the first row: spans wait in a temporary
    /// file, about as large as their JSON, until the last one was read.
    ///
    /// ```no_run
    /// # async fn example(provider: &roost::Provider) -> Result<(), roost::query::FileError> {
    /// use std::path::Path;
    /// use roost::contract::TimeWindow;
    /// use roost::provider::SpanQuery;
    /// use roost::query::Format;
    ///
    /// let everything = SpanQuery::new("cogniverse-acme-search", TimeWindow::all()).limit(usize::MAX);
    /// let path = Path::new("spans.parquet");
    /// let report = provider.traces().export_spans(&everything, path, Format::of(path)?).await?;
    /// println!("{} spans in {} bytes", report.rows, report.bytes);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`FileError::Provider`] as [`get_spans`](Self::get_spans); [`FileError::Io`];
    /// [`FileError::Frame`] for more than 4,096 different attributes. The file is as it was before.
    pub async fn export_spans(
        &self,
        query: &SpanQuery,
        target: impl Into<FileTarget>,
        format: Format,
    ) -> Result<ExportReport, FileError> {
        let columns = Columns::of(query.projection.as_ref());
        let mut pages = self.pages(query)?.accept_arrow(ipc::decode);
        let mut writing = Writing::start(target.into(), move |pages, output| match format {
            Format::JsonLines => lines(pages, output, &columns),
            Format::Parquet | Format::Csv => table(pages, output, columns, format),
        });
        while let Some(spans) = pages.next().await? {
            let count = spans.len();
            if !writing.send(spans, count).await {
                break;
            }
        }
        writing.finish().await
    }
}

impl SqlAnswer {
    /// Write the rows that are left to a file, as they come.
    ///
    /// # Errors
    ///
    /// [`FileError::Query`] as [`next`](Self::next); [`FileError::Io`]; [`FileError::Content`] for a
    /// column that the format cannot hold, such as a list in CSV. The file is as it was before.
    pub async fn write_to(
        mut self,
        target: impl Into<FileTarget>,
        format: Format,
    ) -> Result<ExportReport, FileError> {
        let schema = self.schema();
        let mut writing = Writing::start(target.into(), move |batches, output| {
            rows(batches, output, &schema, format)
        });
        while let Some(batch) = self.next().await? {
            let count = batch.num_rows();
            if !writing.send(batch, count).await {
                break;
            }
        }
        writing.finish().await
    }
}

/// What the writing thread is told.
enum Part<T> {
    More(T),
    /// That was all. Without it the file is not to be: its author failed, or gave up.
    End,
}

/// What the writing thread reads.
struct Parts<T> {
    receiver: mpsc::Receiver<Part<T>>,
}

impl<T> Parts<T> {
    /// The next part; `None` at the end, and an error where there will be none.
    fn next(&mut self, file: &str) -> Result<Option<T>, FileError> {
        match self.receiver.blocking_recv() {
            Some(Part::More(part)) => Ok(Some(part)),
            Some(Part::End) => Ok(None),
            None => Err(FileError::content(
                file,
                "it was given up before it was whole",
            )),
        }
    }
}

/// The other side of the writing thread.
struct Writing<T> {
    sender: mpsc::Sender<Part<T>>,
    thread: JoinHandle<Result<u64, FileError>>,
    rows: u64,
    progress: Option<Arc<dyn Fn(u64) + Send + Sync>>,
}

impl<T: Send + 'static> Writing<T> {
    fn start(
        target: FileTarget,
        write: impl FnOnce(Parts<T>, Output) -> Result<Output, FileError> + Send + 'static,
    ) -> Self {
        let (sender, receiver) = mpsc::channel(WAITING);
        let progress = target.progress.clone();
        let thread = tokio::task::spawn_blocking(move || {
            let output = target.open()?;
            write(Parts { receiver }, output)?.commit()
        });
        Self {
            sender,
            thread,
            rows: 0,
            progress,
        }
    }

    /// Hand a part over; false when the thread ended, with an error to be had from `finish`.
    async fn send(&mut self, part: T, rows: usize) -> bool {
        let taken = self.sender.send(Part::More(part)).await.is_ok();
        if taken {
            self.rows += u64::try_from(rows).unwrap_or(u64::MAX);
            if let Some(progress) = &self.progress {
                progress(self.rows);
            }
        }
        taken
    }

    async fn finish(self) -> Result<ExportReport, FileError> {
        let ended = self.sender.send(Part::End).await;
        drop(self.sender);
        let written = self.thread.await;
        let bytes = written.map_err(|why| FileError::content("the file", why))??;
        if ended.is_err() {
            return Err(FileError::content("the file", "it ended too early"));
        }
        Ok(ExportReport {
            rows: self.rows,
            bytes,
        })
    }
}

/// Spans as JSON Lines, at once.
fn lines(
    mut pages: Parts<Vec<Span>>,
    mut output: Output,
    columns: &Columns,
) -> Result<Output, FileError> {
    let file = output.file.clone();
    while let Some(spans) = pages.next(&file)? {
        for span in &spans {
            line(&mut output, span, columns).map_err(|why| FileError::io(&file, why))?;
        }
    }
    Ok(output)
}

fn line(output: &mut Output, span: &Span, columns: &Columns) -> std::io::Result<()> {
    let standard = Column::STANDARD.iter().map(|column| {
        let value = match column {
            Column::TraceId => Value::from(span.trace_id.as_str()),
            Column::SpanId => Value::from(span.span_id.as_str()),
            Column::ParentId => span.parent_id.as_deref().map_or(Value::Null, Value::from),
            Column::Name => Value::from(span.name.as_str()),
            Column::Kind => Value::from(span.kind.as_str()),
            Column::StatusCode => Value::from(span.status.as_str()),
            Column::StatusMessage => Value::from(span.status_message.as_str()),
            Column::StartTime => Value::from(value::rfc3339(span.start_time)),
            Column::EndTime => Value::from(value::rfc3339(span.end_time)),
            _ => Value::from(span.latency_ms()),
        };
        (column.name(), value)
    });
    let attributes = span
        .attributes
        .iter()
        .filter(|attribute| columns.wants(&attribute.key));
    let attributes = attributes.map(|attribute| {
        (
            attribute_name(&attribute.key),
            value::json(&attribute.value),
        )
    });
    let parts = columns.parts().iter().map(|part| {
        let value = match part {
            Column::Events => value::events(&span.events),
            Column::Links => value::links(&span.links),
            _ => value::object(&span.resource),
        };
        (part.name(), value)
    });
    let fields = standard.chain(attributes).chain(parts);
    let fields = fields.filter(|(_, value)| !value.is_null());
    serde_json::Serializer::new(&mut *output).collect_map(fields)?;
    output.write_all(b"\n")
}

/// Spans as a table, once its columns are known.
fn table(
    mut pages: Parts<Vec<Span>>,
    output: Output,
    mut columns: Columns,
    format: Format,
) -> Result<Output, FileError> {
    let file = output.file.clone();
    let temporary = |why| FileError::io("a temporary file", why);
    let mut spool = Spool::new().map_err(temporary)?;
    while let Some(mut spans) = pages.next(&file)? {
        columns.learn(&spans)?;
        spool.push(&mut spans).map_err(temporary)?;
    }
    let schema = columns.schema();
    let mut encoder = Encoder::new(format, &schema, output)?;
    for spans in spool.rewind().map_err(temporary)? {
        encoder.write(&columns.batch(&schema, &spans.map_err(temporary)?)?)?;
    }
    encoder.finish()
}

/// Batches that have one schema.
fn rows(
    mut batches: Parts<RecordBatch>,
    output: Output,
    schema: &SchemaRef,
    format: Format,
) -> Result<Output, FileError> {
    let file = output.file.clone();
    let mut encoder = Encoder::new(format, schema, output)?;
    while let Some(batch) = batches.next(&file)? {
        encoder.write(&batch)?;
    }
    encoder.finish()
}
