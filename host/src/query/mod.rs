//! Questions worth asking: spans as Arrow frames, one filter language, SQL, and files.
//!
//! | to | use |
//! |---|---|
//! | read spans as record batches | [`TraceStore::frames`](crate::provider::TraceStore::frames) |
//! | say which spans | [`Filter`] with [`SpanQuery::matching`](crate::provider::SpanQuery::matching) |
//! | count, group, join | [`TraceStore::sql`](crate::provider::TraceStore::sql) |
//! | the same over several projects, wherever they are | [`SqlTables`] |
//! | write a file | [`TraceStore::export_spans`](crate::provider::TraceStore::export_spans), [`SqlAnswer::write_to`] |
//! | read one | [`read_records`], [`read_frame`] |
//! | log evaluations | [`AnnotationStore::log_evaluations`](crate::provider::AnnotationStore::log_evaluations) |
//!
//! A provider is asked for what it can apply, and the host applies the rest, so that answers are
//! exact whichever backend gives them. Nothing here holds more than a page, save where a frame is
//! asked for as a whole. `docs/query.md` tells the columns, the language and its limits.
//!
//! Frames are of the version of Arrow that [`arrow`] is.

mod array;
mod error;
mod evaluations;
mod files;
mod filter;
mod first;
mod frame;
mod functions;
mod ipc;
mod names;
mod parse;
mod pushdown;
mod records;
mod rewrite;
mod schema;
mod sql;
mod statement;
mod table;
mod tables;
mod value;

pub use arrow;
pub use error::{FilterError, FrameError, QueryError, SyntaxError};
pub use evaluations::{annotation_frame, evaluations_from_frame, span_targets};
pub use files::{
    ExportReport, FileError, FileSource, FileTarget, Format, RecordStream, parquet_properties,
    read_frame, read_records,
};
pub use filter::Filter;
pub use frame::{SpanFrames, span_frame};
pub use records::{RecordColumns, records_frame, records_from_frame};
pub use sql::{SqlAnswer, SqlOptions};
pub use tables::SqlTables;

#[cfg(test)]
mod tests {
    use std::path::Path;

    use arrow::array::RecordBatch;

    use super::{Format, SqlOptions, SqlTables};
    use crate::contract::{AnnotatorKind, Attribute, AttributeValue, Span, StatusCode, TimeWindow};
    use crate::provider::{Provider, SpanQuery};

    /// Callers spawn these futures.
    #[allow(dead_code, reason = "it need only compile")]
    fn every_operation_can_be_spawned(
        provider: &Provider,
        query: &SpanQuery,
        evaluations: &RecordBatch,
    ) {
        fn spawnable(_: impl Future + Send) {}
        let traces = provider.traces();
        spawnable(async {
            let mut frames = provider.traces().frames(query)?;
            frames.next().await
        });
        spawnable(async { provider.traces().frames(query)?.collect().await });
        spawnable(async {
            let window = TimeWindow::all();
            let mut answer = traces.sql("p", window, "SELECT 1").await?;
            answer.next().await
        });
        spawnable(async {
            let tables = SqlTables::new().with("acme", provider, "p");
            let options = SqlOptions::default();
            tables.sql(TimeWindow::all(), "SELECT 1", options).await
        });
        spawnable(traces.export_spans(query, Path::new("spans.csv"), Format::Csv));
        spawnable(provider.annotations().log_evaluations(
            "p",
            "relevance",
            evaluations,
            AnnotatorKind::Llm,
        ));
    }

    /// A span with these attributes.
    pub(super) fn span(attributes: &[(&str, AttributeValue)]) -> Span {
        let attribute = |(key, value): &(&str, AttributeValue)| Attribute {
            key: (*key).to_owned(),
            value: value.clone(),
        };
        Span {
            trace_id: "0af7651916cd43dd8448eb211c80319c".to_owned(),
            span_id: "b7ad6b7169203331".to_owned(),
            parent_id: None,
            name: "search".to_owned(),
            kind: "CHAIN".to_owned(),
            status: StatusCode::Error,
            status_message: "it failed".to_owned(),
            start_time: 1_000_000_000,
            end_time: 1_250_000_000,
            attributes: attributes.iter().map(attribute).collect(),
            events: Vec::new(),
            links: Vec::new(),
            resource: Vec::new(),
        }
    }
}
