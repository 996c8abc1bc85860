//! A span as a row: its columns, and the way back.

use roost_provider::database::{Row, Value, parameters};
use roost_provider::types::{Attribute, AttributeValue, Span, StatusCode};

use crate::Result;
use crate::content;
use crate::provider::SESSION;

/// The columns that [`read`] takes, of `spans s` and `contents c`; then the row's id.
pub(crate) const COLUMNS: &str = "s.trace_id, s.span_id, s.parent_id, s.name, s.kind, s.status, \
    s.status_message, s.start_time, s.end_time, s.id";

/// The columns of a new row, in the order of [`values`].
pub(crate) const NEW_COLUMNS: &str = "id, project, trace_id, span_id, parent_id, name, kind, \
    status, status_message, start_time, end_time, latency, session, prompt_tokens, \
    completion_tokens, total_tokens, cost";

/// How many there are.
pub(crate) const NEW_COLUMN_COUNT: usize = 17;

/// The columns of metrics that add an attribute up, by its key.
pub(crate) const SUMMED: [(&str, &str); 4] = [
    ("llm.token_count.prompt", "prompt_tokens"),
    ("llm.token_count.completion", "completion_tokens"),
    ("llm.token_count.total", "total_tokens"),
    ("llm.cost.total", "cost"),
];

/// The values of a new row, but for its id and its project, which are null.
pub(crate) fn values(span: &Span) -> Vec<Value> {
    let attribute = |key: &str| {
        let found = span.attributes.iter().rev().find(|it| it.key == key);
        found.map(|Attribute { value, .. }| value)
    };
    let session = match attribute(SESSION) {
        Some(AttributeValue::Text(session)) if !session.is_empty() => Some(session),
        _ => None,
    };
    let mut values = parameters![
        Value::Null,
        Value::Null,
        &span.trace_id,
        &span.span_id,
        span.parent_id.as_ref(),
        clean(&span.name),
        clean(&span.kind),
        status(span.status),
        clean(&span.status_message),
        span.start_time,
        span.end_time,
        span.end_time.saturating_sub(span.start_time),
        session.map(|it| clean(it)),
    ];
    values.extend(SUMMED.map(|(key, _)| Value::from(attribute(key).and_then(number))));
    values
}

/// A text that PostgreSQL can hold as well.
fn clean(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

#[expect(clippy::cast_precision_loss, reason = "sums are floating point")]
fn number(value: &AttributeValue) -> Option<f64> {
    match value {
        AttributeValue::Integer(number) => Some(*number as f64),
        AttributeValue::Number(number) => Some(*number),
        _ => None,
    }
}

fn status(status: StatusCode) -> &'static str {
    match status {
        StatusCode::Unset => "UNSET",
        StatusCode::Ok => "OK",
        StatusCode::Error => "ERROR",
    }
}

/// A span and its row's id, from [`COLUMNS`] and, where `whole`, the content.
pub(crate) fn read(mut row: Row, whole: bool) -> Result<(Span, i64)> {
    let mut span = Span {
        trace_id: row.text()?,
        span_id: row.text()?,
        parent_id: row.optional_text()?,
        name: row.text()?,
        kind: row.text()?,
        status: match &*row.text()? {
            "OK" => StatusCode::Ok,
            "ERROR" => StatusCode::Error,
            _ => StatusCode::Unset,
        },
        status_message: row.text()?,
        start_time: row.time()?,
        end_time: row.time()?,
        attributes: Vec::new(),
        events: Vec::new(),
        links: Vec::new(),
        resource: Vec::new(),
    };
    let id = row.integer()?;
    if whole {
        content::read(&row.text()?, &mut span)?;
    }
    Ok((span, id))
}
