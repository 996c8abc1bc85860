//! `span-sink`: spans on their way in.

use roost_provider::Error;
use roost_provider::database::{RepeatedStatement, Value, parameters, until_done};
use roost_provider::types::{Attribute, RejectedItem, Span};

use crate::bindings::span_sink::{ExportOutcome, Guest};
use crate::content::{self, Resource};
use crate::database::{database, ensure_project, many, new_keys, places, project, write};
use crate::span::{NEW_COLUMN_COUNT, NEW_COLUMNS, values};
use crate::{Provider, Result, retention};

/// The last instant a database can hold, in 2262.
const LAST: u64 = i64::MAX.cast_unsigned();

/// A content has its span's id and the content itself.
const CONTENT_COLUMN_COUNT: usize = 2;

impl Guest for Provider {
    fn export(
        project_name: String,
        resource_attributes: Vec<Attribute>,
        spans: Vec<Span>,
    ) -> Result<ExportOutcome> {
        let count = spans.len();
        let resource = Resource::of(&resource_attributes)?;
        let mut rejected = Vec::new();
        let (mut rows, mut contents) = (Vec::with_capacity(count), Vec::with_capacity(count));
        for (span, index) in spans.into_iter().zip(0..) {
            if span.start_time > LAST || span.end_time > LAST {
                let reason = "it is of a time after 2262".to_owned();
                rejected.push(RejectedItem { index, reason });
                continue;
            }
            rows.push(values(&span));
            contents.push(parameters![Value::Null, content::write(&span, &resource)?]);
        }
        store(&project_name, rows, contents)?;
        retention::now_and_then(&project_name)?;
        Ok(ExportOutcome {
            accepted: u32::try_from(count - rejected.len()).unwrap_or(u32::MAX),
            rejected,
        })
    }
}

/// Write those of the spans that are not there yet. The first values of a row are its id and its
/// project, the first of a content is the id of its span.
fn store(project_name: &str, rows: Vec<Vec<Value>>, contents: Vec<Vec<Value>>) -> Result<()> {
    let database = database()?;
    let mut batch = many(database.dialect(), rows, new_spans);
    let spans = batch.len();
    batch.extend(many(database.dialect(), contents, new_contents));
    until_done(|| {
        let project = match project(database, project_name) {
            Err(Error::NotFound(_)) => write(|on| ensure_project(on, project_name, ""))?,
            found => found?,
        };
        let (rows, contents) = batch.split_at_mut(spans);
        let rows = each(rows, NEW_COLUMN_COUNT).zip(each(contents, CONTENT_COLUMN_COUNT));
        for (number, (row, content)) in (new_keys()..).zip(rows) {
            if let ([id, owner, ..], [span, ..]) = (row, content) {
                (*id, *span) = (number.into(), number.into());
                *owner = project.into();
            }
        }
        Ok(database.execute_many(&batch)?)
    })?;
    Ok(())
}

/// Each row of so many values.
fn each(
    statements: &mut [RepeatedStatement],
    columns: usize,
) -> impl Iterator<Item = &mut [Value]> {
    let lists = statements.iter_mut().flat_map(|it| &mut it.parameters);
    lists.flat_map(move |list| list.chunks_exact_mut(columns))
}

/// One that is there already, or twice in the batch, stays as it is.
fn new_spans(rows: usize) -> String {
    format!(
        "INSERT INTO spans ({NEW_COLUMNS}) VALUES {}
        ON CONFLICT (project, span_id, trace_id) DO NOTHING",
        places(rows, NEW_COLUMN_COUNT)
    )
}

/// The contents of those spans that were new, which have the ids they were given. Each is looked up
/// by itself: of `EXISTS` PostgreSQL's planner makes a join.
fn new_contents(rows: usize) -> String {
    let row = |row: usize| {
        let first = CONTENT_COLUMN_COUNT * row;
        let (span, content) = (first + 1, first + 2);
        format!("(CAST(${span} AS BIGINT), CAST(${content} AS TEXT))")
    };
    format!(
        "INSERT INTO contents (span, content) SELECT * FROM (VALUES {}) AS given
        WHERE (SELECT id FROM spans WHERE id = given.column1) IS NOT NULL",
        (0..rows).map(row).collect::<Vec<_>>().join(", ")
    )
}
