//! `span-sink`: spans on their way in.

use std::cell::RefCell;
use std::collections::HashSet;

use roost_provider::database::{Failure, Sql as _, Transaction, Value, parameters};
use roost_provider::types::{Attribute, RejectedItem, Span};

use crate::bindings::span_sink::{ExportOutcome, Guest};
use crate::content::Content;
use crate::database::{ensure_project, new_keys, places, portions, write};
use crate::span::{NEW_COLUMN_COUNT, NEW_COLUMNS, values};
use crate::{Provider, Result, retention};

/// The last instant a database can hold, in 2262.
const LAST: u64 = i64::MAX.cast_unsigned();

impl Guest for Provider {
    fn export(
        project: String,
        resource_attributes: Vec<Attribute>,
        spans: Vec<Span>,
    ) -> Result<ExportOutcome> {
        let count = spans.len();
        let mut rejected = Vec::new();
        let mut rows = Vec::with_capacity(count);
        for (mut span, index) in spans.into_iter().zip(0..) {
            if span.start_time > LAST || span.end_time > LAST {
                let reason = "it is of a time after 2262".to_owned();
                rejected.push(RejectedItem { index, reason });
                continue;
            }
            // The columns look at attributes, so those are taken last.
            let columns = values(0, 0, &span);
            let content = Content::take(&mut span, &resource_attributes).to_json()?;
            rows.push((columns, content));
        }
        let rows = RefCell::new(rows);
        write(|transaction| {
            let project = ensure_project(transaction, &project, "")?;
            store(transaction, project, &rows.borrow())
        })?;
        retention::now_and_then(&project)?;
        Ok(ExportOutcome {
            accepted: u32::try_from(count - rejected.len()).unwrap_or(u32::MAX),
            rejected,
        })
    }
}

/// A span to store: its columns and its content.
type NewRow = (Vec<Value>, String);

/// Write those of the spans that are not there yet.
fn store(transaction: &Transaction, project: i64, rows: &[NewRow]) -> Result<(), Failure> {
    let mut first = new_keys();
    for portion in portions(rows) {
        let ids = || (first..).zip(portion);
        // One that is there already, or twice in the batch, stays as it is.
        let sql = format!(
            "INSERT INTO spans ({NEW_COLUMNS}) VALUES {}
            ON CONFLICT (project, span_id, trace_id) DO NOTHING RETURNING id",
            places(portion.len(), NEW_COLUMN_COUNT)
        );
        let values = ids().flat_map(|(id, (columns, _))| {
            let own = parameters![id, project];
            own.into_iter().chain(columns.iter().skip(2).cloned())
        });
        let written = transaction.rows(&sql, values.collect())?.into_iter();
        let written: HashSet<i64> = written
            .map(|mut row| row.integer())
            .collect::<Result<_>>()?;
        let is_new = |id: u64| i64::try_from(id).is_ok_and(|id| written.contains(&id));
        let contents: Vec<_> = ids().filter(|(id, _)| is_new(*id)).collect();
        for portion in portions(&contents) {
            let sql = format!(
                "INSERT INTO contents (span, content) VALUES {}",
                places(portion.len(), 2)
            );
            let values = portion
                .iter()
                .flat_map(|(id, (_, content))| parameters![*id, content]);
            transaction.run(&sql, values.collect())?;
        }
        first += portion.len() as u64;
    }
    Ok(())
}
