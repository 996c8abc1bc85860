//! A backend's own Arrow, which a provider hands through, as spans.
//!
//! The bytes are a guest's and are not trusted: every column is checked for its type, every
//! value for its range, and what a few bytes can claim to unfold to (a dictionary, a count of
//! rows) has a bound before it is unfolded.

use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::buffer::Buffer;
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Float64Type, Int64Type, TimeUnit, TimestampNanosecondType, UInt64Type,
};
use arrow::ipc::reader::StreamDecoder;
use serde_json::Value;

use super::schema::{Column, timestamp};
use super::value;
use crate::contract::{Attribute, AttributeValue, Event, Span, StatusCode};
use crate::provider::{check_span_id, check_trace_id};

/// The most rows of a page.
const MAX_ROWS: usize = 100_000;

/// The most bytes that the texts and the attributes of a page unfold to.
const MAX_BYTES: usize = 512 << 20;

/// The spans of one Arrow IPC stream, as `trace-store` describes it.
pub(super) fn decode(bytes: &[u8]) -> Result<Vec<Span>, String> {
    // Arrow checks what it reads, and not all of its checks are errors.
    let decoded = catch_unwind(AssertUnwindSafe(|| stream(bytes)));
    decoded.unwrap_or_else(|_| Err("it is no Arrow IPC stream".to_owned()))
}

fn stream(bytes: &[u8]) -> Result<Vec<Span>, String> {
    // Not the reader: it allocates what a header claims before it has seen it.
    let mut decoder = StreamDecoder::new();
    let mut rest = Buffer::from(bytes);
    let mut budget = Budget { bytes: MAX_BYTES };
    let mut spans = Vec::new();
    while !rest.is_empty() {
        let batch = decoder.decode(&mut rest).map_err(|why| why.to_string())?;
        if let Some(batch) = batch {
            if spans.len().saturating_add(batch.num_rows()) > MAX_ROWS {
                return Err(format!("it has more than {MAX_ROWS} rows"));
            }
            rows(&batch, &mut budget, &mut spans)?;
        }
    }
    decoder.finish().map_err(|why| why.to_string())?;
    Ok(spans)
}

/// How many bytes may still be unfolded.
struct Budget {
    bytes: usize,
}

impl Budget {
    fn spend(&mut self, bytes: usize) -> Result<(), String> {
        self.admit(bytes)?;
        self.bytes = self.bytes.saturating_sub(bytes);
        Ok(())
    }

    /// [`spend`](Self::spend) for what is held only for a moment.
    fn admit(&self, bytes: usize) -> Result<(), String> {
        if bytes > self.bytes {
            return Err(format!("it unfolds to more than {MAX_BYTES} bytes"));
        }
        Ok(())
    }
}

/// What JSON takes at the most while it is parsed: a bracket or a comma begins a value, and an
/// object has room for some members from the start.
fn parsed(text: &[u8]) -> usize {
    let bytes = text.iter().map(|byte| match byte {
        b'{' => 700,
        b'[' | b',' => 160,
        _ => 1,
    });
    bytes.sum()
}

fn rows(batch: &RecordBatch, budget: &mut Budget, spans: &mut Vec<Span>) -> Result<(), String> {
    let needed = |column: Column| {
        let name = column.name();
        let found = batch.column_by_name(&name);
        found.ok_or_else(|| format!("it has no column `{name}`"))
    };
    let first = spans.len();
    let trace_ids = texts("context.trace_id", needed(Column::TraceId)?, budget)?;
    let span_ids = texts("context.span_id", needed(Column::SpanId)?, budget)?;
    let parents = texts("parent_id", needed(Column::ParentId)?, budget)?;
    let names = texts("name", needed(Column::Name)?, budget)?;
    let kinds = texts("span_kind", needed(Column::Kind)?, budget)?;
    let codes = texts("status_code", needed(Column::StatusCode)?, budget)?;
    let messages = texts("status_message", needed(Column::StatusMessage)?, budget)?;
    let starts = times("start_time", needed(Column::StartTime)?)?;
    let ends = times("end_time", needed(Column::EndTime)?)?;
    let columns = trace_ids
        .into_iter()
        .zip(span_ids)
        .zip(parents)
        .zip(names)
        .zip(kinds);
    let columns = columns.zip(codes).zip(messages).zip(starts).zip(ends);
    for ((((((((trace_id, span_id), parent_id), name), kind), code), message), start), end) in
        columns
    {
        let missing = |what: &str| format!("row {} has no {what}", spans.len());
        let span = Span {
            trace_id: trace_id.ok_or_else(|| missing("context.trace_id"))?,
            span_id: span_id.ok_or_else(|| missing("context.span_id"))?,
            parent_id: parent_id.filter(|parent| !parent.is_empty()),
            name: name.ok_or_else(|| missing("name"))?,
            kind: kind.unwrap_or_else(|| "UNKNOWN".to_owned()),
            status: status(code.as_deref())?,
            status_message: message.unwrap_or_default(),
            start_time: start.ok_or_else(|| missing("start_time"))?,
            end_time: end.ok_or_else(|| missing("end_time"))?,
            attributes: Vec::new(),
            events: Vec::new(),
            links: Vec::new(),
            resource: Vec::new(),
        };
        check_trace_id(&span.trace_id)?;
        check_span_id(&span.span_id)?;
        spans.push(span);
    }
    let added = spans.get_mut(first..).unwrap_or_default();
    for (field, column) in batch.schema_ref().fields().iter().zip(batch.columns()) {
        if let Some(key) = field.name().strip_prefix("attributes.") {
            let values = values(field.name(), column, budget)?;
            for (span, value) in added.iter_mut().zip(values) {
                let Some(value) = value else { continue };
                // A bit of a column becomes this much.
                budget.spend(size_of::<Attribute>().saturating_add(key.len()))?;
                let key = key.to_owned();
                span.attributes.push(Attribute { key, value });
            }
        } else if field.name() == "events" {
            for (span, text) in added.iter_mut().zip(texts("events", column, budget)?) {
                span.events = text.map_or(Ok(Vec::new()), |text| events(&text, budget))?;
            }
        }
    }
    Ok(())
}

fn status(code: Option<&str>) -> Result<StatusCode, String> {
    match code {
        None | Some("UNSET") => Ok(StatusCode::Unset),
        Some("OK") => Ok(StatusCode::Ok),
        Some("ERROR") => Ok(StatusCode::Error),
        Some(other) => Err(format!(
            "the status code `{other}` is not UNSET, OK or ERROR"
        )),
    }
}

/// A column of text, which may be folded into a dictionary.
fn texts(
    name: &str,
    column: &ArrayRef,
    budget: &mut Budget,
) -> Result<Vec<Option<String>>, String> {
    let mut take = |text: Option<&str>| {
        budget.spend(text.map_or(0, str::len))?;
        Ok(text.map(str::to_owned))
    };
    match column.data_type() {
        DataType::Utf8 => column.as_string::<i32>().iter().map(take).collect(),
        DataType::LargeUtf8 => column.as_string::<i64>().iter().map(take).collect(),
        DataType::Utf8View => column.as_string_view().iter().map(take).collect(),
        DataType::Null => Ok(vec![None; column.len()]),
        DataType::Dictionary(_, _) => {
            let folded = column.as_any_dictionary();
            let words = texts(name, folded.values(), budget)?;
            let keys = folded.normalized_keys();
            let mut take = |row: usize, key: usize| {
                if folded.is_null(row) {
                    return Ok(None);
                }
                let word = words.get(key).cloned().flatten();
                budget.spend(word.as_ref().map_or(0, String::len))?;
                Ok(word)
            };
            keys.into_iter()
                .enumerate()
                .map(|(row, key)| take(row, key))
                .collect()
        }
        other => {
            take(None)?;
            Err(format!("column `{name}` is of type {other}, not text"))
        }
    }
}

fn times(name: &str, column: &ArrayRef) -> Result<Vec<Option<u64>>, String> {
    let DataType::Timestamp(unit, _) = column.data_type() else {
        let other = column.data_type();
        return Err(format!("column `{name}` is of type {other}, not timestamp"));
    };
    // An overflow would be null, which the caller refuses.
    let column = match unit {
        TimeUnit::Nanosecond => column.clone(),
        _ => cast(column, &timestamp()).map_err(|why| format!("column `{name}`: {why}"))?,
    };
    let instants = column.as_primitive::<TimestampNanosecondType>().iter();
    let instant = |nanos: Option<i64>| match nanos.map(u64::try_from) {
        None => Ok(None),
        Some(Ok(nanos)) => Ok(Some(nanos)),
        Some(Err(_)) => Err(format!("column `{name}` has an instant before 1970")),
    };
    instants.map(instant).collect()
}

/// A column of an attribute, of whatever type.
fn values(
    name: &str,
    column: &ArrayRef,
    budget: &mut Budget,
) -> Result<Vec<Option<AttributeValue>>, String> {
    let kind = column.data_type();
    let cast = |to: &DataType| cast(column, to).map_err(|why| format!("column `{name}`: {why}"));
    match kind {
        DataType::Boolean => {
            let flags = column.as_boolean().iter();
            Ok(flags
                .map(|flag| flag.map(AttributeValue::Boolean))
                .collect())
        }
        _ if kind.is_signed_integer()
            || matches!(kind, DataType::UInt8 | DataType::UInt16 | DataType::UInt32) =>
        {
            let whole = cast(&DataType::Int64)?;
            let whole = whole.as_primitive::<Int64Type>().iter();
            Ok(whole
                .map(|number| number.map(AttributeValue::Integer))
                .collect())
        }
        DataType::UInt64 => {
            let whole = column.as_primitive::<UInt64Type>().iter();
            Ok(whole
                .map(|number| number.and_then(|number| value::from_json(number.into())))
                .collect())
        }
        _ if kind.is_floating() => {
            let numbers = cast(&DataType::Float64)?;
            let numbers = numbers.as_primitive::<Float64Type>().iter();
            // Not a number is how pandas writes that there is none.
            Ok(numbers
                .map(|number| {
                    number
                        .filter(|number| number.is_finite())
                        .map(AttributeValue::Number)
                })
                .collect())
        }
        DataType::Utf8
        | DataType::LargeUtf8
        | DataType::Utf8View
        | DataType::Null
        | DataType::Dictionary(_, _) => {
            let texts = texts(name, column, budget)?.into_iter();
            Ok(texts.map(|text| text.map(AttributeValue::Text)).collect())
        }
        DataType::List(_)
        | DataType::LargeList(_)
        | DataType::FixedSizeList(_, _)
        | DataType::Struct(_)
        | DataType::Map(_, _) => nested(name, column, budget),
        other => Err(format!(
            "column `{name}` is of type {other}, which no attribute has"
        )),
    }
}

/// A column of arrays or objects, through JSON.
fn nested(
    name: &str,
    column: &ArrayRef,
    budget: &mut Budget,
) -> Result<Vec<Option<AttributeValue>>, String> {
    let refuse = |why: String| format!("column `{name}`: {why}");
    let batch = RecordBatch::try_from_iter([("v", column.clone())])
        .map_err(|why| refuse(why.to_string()))?;
    let mut lines = Bounded {
        text: Vec::new(),
        budget,
    };
    let mut writer = arrow::json::LineDelimitedWriter::new(&mut lines);
    let written = writer.write(&batch).and_then(|()| writer.finish());
    drop(writer);
    written.map_err(|why| refuse(why.to_string()))?;
    let line = |line: &[u8]| {
        lines.budget.admit(parsed(line)).map_err(refuse)?;
        let row: Result<Value, _> = serde_json::from_slice(line);
        let mut row = row.map_err(|why| refuse(why.to_string()))?;
        Ok(row.get_mut("v").map(Value::take).and_then(value::from_json))
    };
    // Inside of a value a line's end is escaped.
    let rows = lines.text.split(|byte| *byte == b'\n');
    rows.filter(|row| !row.is_empty()).map(line).collect()
}

struct Bounded<'b> {
    text: Vec<u8>,
    budget: &'b mut Budget,
}

impl Write for Bounded<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.budget.spend(bytes.len()).map_err(io::Error::other)?;
        self.text.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Events from their JSON text, which is spent already.
fn events(text: &str, budget: &mut Budget) -> Result<Vec<Event>, String> {
    budget.admit(parsed(text.as_bytes()))?;
    let refuse = |why: &str| format!("the events are not a JSON array of events: {why}");
    let list: Vec<Value> = serde_json::from_str(text).map_err(|why| refuse(&why.to_string()))?;
    let event = |mut event: Value| {
        budget.spend(size_of::<Event>())?;
        let name = event.get("name").and_then(Value::as_str);
        let name = name.ok_or_else(|| refuse("one has no name"))?.to_owned();
        let time = event.get("time").or_else(|| event.get("timestamp"));
        let time = time
            .and_then(instant)
            .ok_or_else(|| refuse("one has no time"))?;
        let attributes = match event.get_mut("attributes").map(Value::take) {
            Some(Value::Object(object)) => object,
            _ => serde_json::Map::new(),
        };
        budget.spend(size_of::<Attribute>().saturating_mul(attributes.len()))?;
        let attributes = attributes.into_iter().filter_map(|(key, value)| {
            let value = value::from_json(value)?;
            Some(Attribute { key, value })
        });
        Ok(Event {
            name,
            time,
            attributes: attributes.collect(),
        })
    };
    list.into_iter().map(event).collect()
}

fn instant(value: &Value) -> Option<u64> {
    let text = value.as_str()?;
    let instant: jiff::Timestamp = text.parse().ok()?;
    u64::try_from(instant.as_nanosecond()).ok()
}

#[cfg(test)]
mod tests;
