//! `span-sink`: spans on their way in.

use roost_provider::Error;
use roost_provider::database::{RepeatedStatement, Value, parameters, until_done};
use roost_provider::types::{Attribute, RejectedItem, Span};

use crate::bindings::span_sink::{ExportOutcome, Guest};
use crate::content::{self, Resource};
use crate::database::{database, ensure_project, list, new_keys, project, write};
use crate::span::{NEW_COLUMN_COUNT, NEW_COLUMNS, values};
use crate::{Provider, Result, retention};

/// The last instant a database can hold, in 2262.
const LAST: u64 = i64::MAX.cast_unsigned();

/// The content of a span that was new, which has the id it was given.
const CONTENTS: &str = "INSERT INTO contents (span, content)
    SELECT CAST($1 AS BIGINT), CAST($2 AS TEXT) WHERE EXISTS (SELECT 1 FROM spans WHERE id = $1)";

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
    let statement = |sql: &str, parameters| RepeatedStatement {
        sql: sql.to_owned(),
        parameters,
    };
    // One that is there already, or twice in the batch, stays as it is.
    let spans = format!(
        "INSERT INTO spans ({NEW_COLUMNS}) VALUES ({})
        ON CONFLICT (project, span_id, trace_id) DO NOTHING",
        list(0, NEW_COLUMN_COUNT)
    );
    let mut batch = [statement(&spans, rows), statement(CONTENTS, contents)];
    until_done(|| {
        let project = match project(database, project_name) {
            Err(Error::NotFound(_)) => write(|on| ensure_project(on, project_name, ""))?,
            found => found?,
        };
        let [spans, contents] = &mut batch;
        let rows = spans.parameters.iter_mut().zip(&mut contents.parameters);
        for (number, (row, content)) in (new_keys()..).zip(rows) {
            if let ([id, owner, ..], [span, ..]) = (&mut row[..], &mut content[..]) {
                (*id, *span) = (number.into(), number.into());
                *owner = project.into();
            }
        }
        Ok(database.execute_many(&batch)?)
    })?;
    Ok(())
}
