//! Batches of one schema in a format.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use super::target::Output;
use super::{FileError, Format};

/// What a row group holds at the most, and so what writing one keeps in memory.
const GROUP_ROWS: usize = 64 << 10;
const GROUP_BYTES: usize = 64 << 20;

/// How Roost writes Parquet: compressed with Zstandard, in row groups of at most 64 Ki rows and
/// 64 MiB, so that writing keeps no more than that in memory.
pub fn parquet_properties() -> WriterProperties {
    WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_max_row_group_row_count(Some(GROUP_ROWS))
        .set_max_row_group_bytes(Some(GROUP_BYTES))
        .build()
}

pub(super) struct Encoder {
    file: String,
    kind: Kind,
}

enum Kind {
    Parquet(Box<ArrowWriter<Output>>),
    Csv(Box<arrow::csv::Writer<Output>>),
    JsonLines(Box<arrow::json::LineDelimitedWriter<Output>>),
}

impl Encoder {
    pub(super) fn new(
        format: Format,
        schema: &SchemaRef,
        output: Output,
    ) -> Result<Self, FileError> {
        let file = output.file.clone();
        let kind = match format {
            Format::Parquet => {
                let properties = Some(parquet_properties());
                let writer = ArrowWriter::try_new(output, schema.clone(), properties);
                let writer = writer.map_err(|why| FileError::content(&file, why))?;
                Kind::Parquet(Box::new(writer))
            }
            Format::Csv => Kind::Csv(Box::new(arrow::csv::Writer::new(output))),
            Format::JsonLines => {
                Kind::JsonLines(Box::new(arrow::json::LineDelimitedWriter::new(output)))
            }
        };
        let mut encoder = Self { file, kind };
        // A CSV file of no rows has names as well.
        encoder.write(&RecordBatch::new_empty(schema.clone()))?;
        Ok(encoder)
    }

    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<(), FileError> {
        match &mut self.kind {
            Kind::Parquet(writer) => writer.write(batch).map_err(|why| why.to_string()),
            Kind::Csv(writer) => writer.write(batch).map_err(|why| why.to_string()),
            Kind::JsonLines(writer) => writer.write(batch).map_err(|why| why.to_string()),
        }
        .map_err(|why| FileError::content(&self.file, why))
    }

    /// Write what is left; what was written to.
    pub(super) fn finish(self) -> Result<Output, FileError> {
        let content = |why: String| FileError::content(&self.file, why);
        match self.kind {
            Kind::Parquet(writer) => writer.into_inner().map_err(|why| content(why.to_string())),
            Kind::Csv(writer) => Ok(writer.into_inner()),
            Kind::JsonLines(mut writer) => {
                writer.finish().map_err(|why| content(why.to_string()))?;
                Ok(writer.into_inner())
            }
        }
    }
}
