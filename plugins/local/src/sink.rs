//! `span-sink`: spans on their way in.

use std::cell::RefCell;
use std::collections::HashSet;

use roost_provider::database::{Failure, Sql as _, Transaction, Value, parameters};
use roost_provider::types::{Attribute, RejectedItem, Span};

use crate::bindings::span_sink::{ExportOutcome, Guest};
use crate::content::Content;
use crate::database::{ensure_project, list, new_keys, places, portions, write};
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
            rows.push((span, columns, content));
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

/// A span that is stored: for its ids, its columns, and its content.
type NewRow = (Span, Vec<Value>, String);

/// Write those of the spans that are not there yet.
fn store(transaction: &Transaction, project: i64, rows: &[NewRow]) -> Result<(), Failure> {
    let mut known = known(transaction, project, rows)?;
    let mut id = new_keys();
    let mut spans = Vec::with_capacity(rows.len());
    for (span, columns, content) in rows {
        // One that is twice in the batch is known the second time.
        if known.insert((span.trace_id.clone(), span.span_id.clone())) {
            spans.push((id, columns, content));
            id += 1;
        }
    }
    for portion in portions(&spans) {
        let rows = places(portion.len(), NEW_COLUMN_COUNT);
        let sql = format!("INSERT INTO spans ({NEW_COLUMNS}) VALUES {rows}");
        let own = |id: u64| parameters![id, project];
        let values = portion.iter().flat_map(|(id, columns, _)| {
            own(*id).into_iter().chain(columns.iter().skip(2).cloned())
        });
        transaction.run(&sql, values.collect())?;
        let sql = format!(
            "INSERT INTO contents (span, content) VALUES {}",
            places(portion.len(), 2)
        );
        let values = portion
            .iter()
            .flat_map(|(id, _, content)| parameters![*id, *content]);
        transaction.run(&sql, values.collect())?;
    }
    Ok(())
}

/// The ids of those of the spans that are there already.
fn known(
    transaction: &Transaction,
    project: i64,
    rows: &[NewRow],
) -> Result<HashSet<(String, String)>, Failure> {
    let mut found = HashSet::new();
    for portion in portions(rows) {
        let sql = format!(
            "SELECT trace_id, span_id FROM spans WHERE project = $1 AND span_id IN ({})",
            list(1, portion.len())
        );
        let mut values = parameters![project];
        values.extend(portion.iter().map(|(span, ..)| Value::from(&span.span_id)));
        for mut row in transaction.rows(&sql, values)? {
            found.insert((row.text()?, row.text()?));
        }
    }
    Ok(found)
}
