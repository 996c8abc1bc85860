//! Spans as Arrow arrays, column by column.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, RecordBatchOptions,
    StringBuilder, TimestampNanosecondArray,
};
use arrow::datatypes::{Schema, SchemaRef};

use super::error::FrameError;
use super::schema::{Column, ValueType};
use super::value;
use crate::contract::{AttributeValue, Span};

/// The most text that one column of a batch holds: its offsets have 32 bits.
const MAX_TEXT: usize = 0x7fff_ffff;

/// The values of an attribute, one for each span.
pub(super) type Values<'a> = Vec<Option<&'a AttributeValue>>;

/// The values of some attributes, by key, each with a place for each span.
pub(super) struct Attributes<'a> {
    by_key: HashMap<&'a str, Values<'a>>,
}

impl<'a> Attributes<'a> {
    /// Look once at every attribute of every span.
    pub(super) fn of(spans: &'a [Span], keys: impl Iterator<Item = &'a str>) -> Self {
        let mut by_key: HashMap<&str, Values<'_>> =
            keys.map(|key| (key, vec![None; spans.len()])).collect();
        for (row, span) in spans.iter().enumerate() {
            for attribute in &span.attributes {
                if let Some(values) = by_key.get_mut(attribute.key.as_str())
                    && let Some(place) = values.get_mut(row)
                {
                    // As `Span::attribute`: the first counts.
                    place.get_or_insert(&attribute.value);
                }
            }
        }
        Self { by_key }
    }

    pub(super) fn get(&self, key: &str) -> &[Option<&'a AttributeValue>] {
        self.by_key.get(key).map_or(&[], Vec::as_slice)
    }
}

/// Spans as a batch of these columns.
pub(super) fn batch(
    schema: &SchemaRef,
    columns: &[Column],
    spans: &[Span],
) -> Result<RecordBatch, FrameError> {
    let keys = columns.iter().filter_map(|column| match column {
        Column::Attribute(key, _) => Some(key.as_str()),
        _ => None,
    });
    let keys: Vec<&str> = keys.collect();
    let attributes = Attributes::of(spans, keys.into_iter());
    let arrays = columns.iter().map(|column| match column {
        Column::Attribute(key, kind) => typed(&column.name(), *kind, attributes.get(key)),
        column => fixed(column, spans),
    });
    rows(schema, arrays.collect::<Result<_, _>>()?, spans.len())
}

/// A batch, also of no columns.
pub(super) fn rows(
    schema: &SchemaRef,
    arrays: Vec<ArrayRef>,
    rows: usize,
) -> Result<RecordBatch, FrameError> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(
        Arc::clone(schema),
        arrays,
        &options,
    )?)
}

pub(super) fn schema(columns: &[Column]) -> SchemaRef {
    Arc::new(Schema::new(
        columns.iter().map(Column::field).collect::<Vec<_>>(),
    ))
}

/// A column that is no attribute.
pub(super) fn fixed(column: &Column, spans: &[Span]) -> Result<ArrayRef, FrameError> {
    let name = column.name();
    let words =
        |word: fn(&Span) -> &str| text(&name, spans.iter().map(|span| Some(word(span).into())));
    let times = |time: fn(&Span) -> u64| -> ArrayRef {
        let times = spans.iter().map(|span| value::nanoseconds(time(span)));
        Arc::new(TimestampNanosecondArray::from_iter_values(times).with_timezone("UTC"))
    };
    let parts = |part: fn(&Span) -> serde_json::Value| {
        text(
            &name,
            spans.iter().map(|span| Some(part(span).to_string().into())),
        )
    };
    match column {
        Column::TraceId => words(|span| &span.trace_id),
        Column::SpanId => words(|span| &span.span_id),
        Column::ParentId => {
            let parents = spans
                .iter()
                .map(|span| span.parent_id.as_deref().map(Into::into));
            text(&name, parents)
        }
        Column::Name => words(|span| &span.name),
        Column::Kind => words(|span| &span.kind),
        Column::StatusCode => words(|span| span.status.as_str()),
        Column::StatusMessage => words(|span| &span.status_message),
        Column::StartTime => Ok(times(|span| span.start_time)),
        Column::EndTime => Ok(times(|span| span.end_time)),
        Column::LatencyMs => {
            let latencies = spans.iter().map(Span::latency_ms);
            Ok(Arc::new(Float64Array::from_iter_values(latencies)))
        }
        Column::Attributes => parts(|span| value::object(&span.attributes)),
        Column::Events => parts(|span| value::events(&span.events)),
        Column::Links => parts(|span| value::links(&span.links)),
        Column::Resource => parts(|span| value::object(&span.resource)),
        Column::Attribute(key, kind) => {
            let attributes = Attributes::of(spans, std::iter::once(key.as_str()));
            typed(&name, *kind, attributes.get(key))
        }
    }
}

/// An attribute under a type: null where its value has another.
pub(super) fn typed(
    name: &str,
    kind: ValueType,
    values: &[Option<&AttributeValue>],
) -> Result<ArrayRef, FrameError> {
    let values = values.iter().copied();
    Ok(match kind {
        ValueType::Boolean => Arc::new(BooleanArray::from_iter(values.map(|value| match value {
            Some(AttributeValue::Boolean(value)) => Some(*value),
            _ => None,
        }))),
        ValueType::Integer => Arc::new(Int64Array::from_iter(values.map(|value| match value {
            Some(AttributeValue::Integer(value)) => Some(*value),
            _ => None,
        }))),
        ValueType::Number => Arc::new(Float64Array::from_iter(
            values.map(|value| value.and_then(number)),
        )),
        ValueType::Text => {
            let texts = values.map(|value| match value {
                Some(AttributeValue::Text(text)) => Some(Cow::Borrowed(text.as_str())),
                _ => None,
            });
            return text(name, texts);
        }
        ValueType::Any => return text(name, values.map(|value| value.map(value::text))),
    })
}

#[expect(
    clippy::cast_precision_loss,
    reason = "both numbers are one type in a filter"
)]
fn number(value: &AttributeValue) -> Option<f64> {
    match value {
        AttributeValue::Integer(whole) => Some(*whole as f64),
        // Arrow tells -0.0 from 0.0, and nobody else does.
        AttributeValue::Number(number) => Some(number + 0.0),
        _ => None,
    }
}

/// Texts as an array, of a total length that Arrow can hold.
pub(super) fn text<'t>(
    name: &str,
    texts: impl Iterator<Item = Option<Cow<'t, str>>>,
) -> Result<ArrayRef, FrameError> {
    let mut builder = StringBuilder::new();
    let mut length = 0_usize;
    for text in texts {
        length = length.saturating_add(text.as_ref().map_or(0, |text| text.len()));
        if length > MAX_TEXT {
            return Err(FrameError::TooLong {
                column: name.to_owned(),
            });
        }
        builder.append_option(text);
    }
    Ok(Arc::new(builder.finish()))
}
