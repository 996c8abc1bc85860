//! Phoenix's query endpoint, `POST /v1/spans`: it answers chosen columns, several times
//! faster than REST answers whole spans, and filters by more. What it does not have is a
//! cursor, an order, and values that keep their type.
//!
//! It answers Arrow, made by pandas from what SQL extracts of JSON. On the way a whole number
//! becomes a floating point number where another span lacks it, `true` becomes 1 on SQLite,
//! and lists lose their shape. A span with such a value is *doubtful*; it is read again over
//! REST. Values that no type can hold together make the request fail.

use std::collections::BTreeMap;

use roost_provider::types::{Attribute, AttributeValue, Span, StatusCode};
use roost_provider::{error, time};
use serde_json::{Value, json};

use crate::arrow::{self, Batch, Cell};
use crate::bindings::trace_store::{Projection, SpanQuery};
use crate::condition::Condition;
use crate::path::Path;
use crate::phoenix::phoenix;
use crate::{Result, session_id, span};

/// The most columns that are asked for; each is a look into JSON for each span.
const MOST_COLUMNS: usize = 64;

/// The columns of a span itself; its id comes unasked.
const FIELDS: [&str; 7] = [
    "context.trace_id",
    "parent_id",
    "name",
    "status_code",
    "status_message",
    "start_time",
    "end_time",
];

/// Whole numbers by convention and by Phoenix, which makes them such as it takes them.
const COUNTS: [&str; 3] = [
    "llm.token_count.prompt",
    "llm.token_count.completion",
    "llm.token_count.total",
];

/// What is asked of the query endpoint.
pub(crate) struct Question<'q> {
    project: &'q str,
    condition: &'q str,
    /// The attributes; none where every span is to be read again.
    keys: Option<Vec<&'q str>>,
    select: Value,
}

/// A span, as far as the query endpoint tells it.
pub(crate) struct Row {
    pub(crate) span: Span,
    /// Whether REST may say something else.
    pub(crate) doubtful: bool,
}

impl<'q> Question<'q> {
    /// The question for what `query` wants of each span; none where an attribute cannot be
    /// asked for this way.
    pub(crate) fn of(query: &'q SpanQuery, condition: &'q Condition) -> Option<Self> {
        let keys = narrow(query.projection.as_ref());
        let kind = [span::KIND];
        let columns = kind.iter().chain(keys.iter().flatten());
        let mut select: BTreeMap<String, Value> = FIELDS
            .iter()
            .map(|field| ((*field).to_owned(), json!({ "key": field })))
            .collect();
        for (number, key) in columns.enumerate() {
            for (place, expression) in Path::of(key)?.places().into_iter().enumerate() {
                select.insert(column(number, place), json!({ "key": expression }));
            }
        }
        (select.len() <= MOST_COLUMNS).then(|| Self {
            project: &query.project,
            condition: &condition.text,
            keys,
            select: json!(select),
        })
    }

    /// Whether attributes are asked for, so that not every span is doubtful.
    pub(crate) fn is_narrow(&self) -> bool {
        self.keys.is_some()
    }

    /// At most `limit` of the spans that began from `start` on and before `end`, in
    /// microseconds since the epoch. Which ones is up to Phoenix where there are more.
    pub(crate) fn ask(&self, start: u64, end: u64, limit: usize) -> Result<Vec<Row>> {
        let mut query = json!({ "select": self.select });
        if let (false, Some(query)) = (self.condition.is_empty(), query.as_object_mut()) {
            query.insert("filter".to_owned(), json!({ "condition": self.condition }));
        }
        let body = json!({
            "queries": [query],
            "start_time": time::format(start.saturating_mul(1_000)),
            "end_time": time::format(end.saturating_mul(1_000)),
            "limit": limit,
        });
        let answer = phoenix()?
            .http
            .post(&["v1", "spans"])
            .query("project_name", self.project)
            .json(&body)?
            .send()?
            .success()?;
        let rows = arrow::batches(answer.body()).and_then(|batches| {
            let rows = batches.iter().map(|batch| self.rows(batch));
            rows.collect::<Option<Vec<_>>>()
        });
        let rows = rows.ok_or_else(|| {
            error::backend(answer.status(), "Phoenix answered Arrow of another shape")
        })?;
        Ok(rows.into_iter().flatten().collect())
    }

    fn rows(&self, batch: &Batch<'_>) -> Option<Vec<Row>> {
        (0..batch.rows).map(|row| self.row(batch, row)).collect()
    }

    fn row(&self, batch: &Batch<'_>, row: usize) -> Option<Row> {
        let cell = |name: &str| batch.column(name)?.cell(row);
        let text = |name: &str| match cell(name)? {
            Cell::Text(text) => Some(text.to_owned()),
            Cell::Missing => Some(String::new()),
            _ => None,
        };
        let time = |name: &str| match cell(name)? {
            Cell::Time(time) => Some(time),
            _ => None,
        };
        let mut doubtful = self.keys.is_none();
        let kind = match attribute(batch, row, 0, span::KIND)? {
            Found::Exactly(AttributeValue::Text(kind)) => kind,
            Found::Nothing => String::new(),
            _ => {
                doubtful = true;
                String::new()
            }
        };
        let mut attributes = Vec::new();
        for (number, key) in (1..).zip(self.keys.iter().flatten()) {
            match attribute(batch, row, number, key)? {
                Found::Exactly(value) => attributes.push(Attribute {
                    key: (*key).to_owned(),
                    value,
                }),
                Found::Nothing => {}
                Found::Doubtful => doubtful = true,
            }
        }
        session_id::restore(self.project, &mut attributes);
        let span = Span {
            trace_id: text("context.trace_id")?,
            span_id: text("context.span_id")?,
            parent_id: Some(text("parent_id")?).filter(|id| !id.is_empty()),
            name: text("name")?,
            kind: span::kind(kind),
            status: match text("status_code")?.as_str() {
                "OK" => StatusCode::Ok,
                "ERROR" => StatusCode::Error,
                _ => StatusCode::Unset,
            },
            status_message: text("status_message")?,
            start_time: time("start_time")?,
            end_time: time("end_time")?,
            attributes,
            events: Vec::new(),
            links: Vec::new(),
            resource: Vec::new(),
        };
        Some(Row { span, doubtful })
    }
}

/// The attributes that are wanted and may be there, if no more than attributes is wanted.
fn narrow(projection: Option<&Projection>) -> Option<Vec<&str>> {
    let projection = projection.filter(|it| !it.events)?;
    let mut keys: Vec<&str> = projection
        .attributes
        .as_ref()?
        .iter()
        .map(String::as_str)
        // Told as the kind and not as an attribute.
        .filter(|key| *key != span::KIND)
        .collect();
    keys.sort_unstable();
    keys.dedup();
    Some(keys)
}

/// The name of the column for a place of an attribute.
fn column(number: usize, place: usize) -> String {
    format!("{number}/{place}")
}

/// What the columns of an attribute tell of a span.
enum Found {
    Nothing,
    Exactly(AttributeValue),
    Doubtful,
}

fn attribute(batch: &Batch<'_>, row: usize, number: usize, key: &str) -> Option<Found> {
    let usual = batch.column(&column(number, 0))?.cell(row)?;
    for place in 1.. {
        match batch.column(&column(number, place)) {
            None => break,
            Some(column) if column.cell(row)? == Cell::Missing => {}
            Some(_) => return Some(Found::Doubtful),
        }
    }
    Some(match usual {
        Cell::Missing => Found::Nothing,
        cell => value(key, cell).map_or(Found::Doubtful, Found::Exactly),
    })
}

/// A value, if its type can be told.
fn value(key: &str, cell: Cell<'_>) -> Option<AttributeValue> {
    /// Below it, every whole number is also a floating point number.
    const EXACT: f64 = 9_007_199_254_740_992.0;

    match cell {
        Cell::Text(text) => Some(AttributeValue::Text(text.to_owned())),
        Cell::Boolean(value) => Some(AttributeValue::Boolean(value)),
        Cell::Integer(number) if COUNTS.contains(&key) => Some(AttributeValue::Integer(number)),
        // What may have been `true` or `false`.
        Cell::Integer(0 | 1) => None,
        Cell::Integer(number) => Some(AttributeValue::Integer(number)),
        Cell::Number(number) if number.fract() != 0.0 => Some(AttributeValue::Number(number)),
        Cell::Number(number) if COUNTS.contains(&key) && number.abs() < EXACT => {
            Some(AttributeValue::Integer(number as i64))
        }
        _ => None,
    }
}
