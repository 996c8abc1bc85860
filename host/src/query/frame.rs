//! Spans as frames: Arrow record batches with the columns that notebooks know.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use super::array::{self, Attributes, Values};
use super::error::FrameError;
use super::ipc;
use super::schema::{Column, ValueType};
use crate::contract::{AttributeValue, Projection, ProviderError, Span};
use crate::provider::{GET_SPANS, MAX_ITEMS, SpanPages, SpanQuery, TraceStore};

/// The most attributes of a frame: one row of each costs memory, also where it is null.
pub(super) const MAX_ATTRIBUTES: usize = 4096;

/// What a column of a frame holds: the narrowest type that all its values have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Held {
    Integer,
    Number,
    Boolean,
    Text,
}

impl Held {
    fn of(value: &AttributeValue) -> Self {
        match value {
            AttributeValue::Integer(_) => Self::Integer,
            AttributeValue::Number(_) => Self::Number,
            AttributeValue::Boolean(_) => Self::Boolean,
            AttributeValue::Text(_) | AttributeValue::Json(_) => Self::Text,
        }
    }

    /// The type that holds both.
    fn with(self, other: Self) -> Self {
        match (self, other) {
            (left, right) if left == right => left,
            (Self::Integer | Self::Number, Self::Integer | Self::Number) => Self::Number,
            _ => Self::Text,
        }
    }

    fn data_type(self) -> DataType {
        match self {
            Self::Integer => DataType::Int64,
            Self::Number => DataType::Float64,
            Self::Boolean => DataType::Boolean,
            Self::Text => DataType::Utf8,
        }
    }

    fn array(self, name: &str, values: &Values<'_>) -> Result<ArrayRef, FrameError> {
        let kind = match self {
            Self::Integer => ValueType::Integer,
            Self::Number => ValueType::Number,
            Self::Boolean => ValueType::Boolean,
            Self::Text => ValueType::Any,
        };
        array::typed(name, kind, values)
    }
}

/// The columns of a frame, learnt from the spans it is to hold.
#[derive(Debug, Clone)]
pub(super) struct Columns {
    /// Whether attributes beyond those in `attributes` are added as they are seen.
    open: bool,
    /// What is known of each attribute; nothing for one that no span has had yet.
    attributes: BTreeMap<String, Option<Held>>,
    parts: Vec<Column>,
}

impl Columns {
    /// What a query asks for of each span.
    pub(super) fn of(projection: Option<&Projection>) -> Self {
        let Some(wanted) = projection else {
            return Self {
                open: true,
                attributes: BTreeMap::new(),
                parts: vec![Column::Events, Column::Links, Column::Resource],
            };
        };
        let named = wanted.attributes.iter().flatten();
        let parts = [
            (wanted.events, Column::Events),
            (wanted.links, Column::Links),
            (wanted.resource, Column::Resource),
        ];
        Self {
            open: wanted.attributes.is_none(),
            attributes: named.map(|key| (key.clone(), None)).collect(),
            parts: parts
                .into_iter()
                .filter(|(is, _)| *is)
                .map(|(_, part)| part)
                .collect(),
        }
    }

    /// Make room for these spans.
    pub(super) fn learn(&mut self, spans: &[Span]) -> Result<(), FrameError> {
        for attribute in spans.iter().flat_map(|span| &span.attributes) {
            let seen = Held::of(&attribute.value);
            match self.attributes.get_mut(&attribute.key) {
                Some(held) => *held = Some(held.map_or(seen, |held| held.with(seen))),
                None if self.open => {
                    if self.attributes.len() >= MAX_ATTRIBUTES {
                        let limit = MAX_ATTRIBUTES;
                        return Err(FrameError::TooWide { limit });
                    }
                    self.attributes.insert(attribute.key.clone(), Some(seen));
                }
                None => {}
            }
        }
        Ok(())
    }

    /// Whether an attribute has a column.
    pub(super) fn wants(&self, key: &str) -> bool {
        self.open || self.attributes.contains_key(key)
    }

    /// What is there beside the standard columns and attributes.
    pub(super) fn parts(&self) -> &[Column] {
        &self.parts
    }

    pub(super) fn schema(&self) -> SchemaRef {
        let standard = Column::STANDARD.iter().map(Column::field);
        let attributes = self.attributes.iter().map(|(key, held)| {
            let held = held.unwrap_or(Held::Text);
            Field::new(attribute_name(key), held.data_type(), true)
        });
        let parts = self.parts.iter().map(Column::field);
        let fields: Vec<Field> = standard.chain(attributes).chain(parts).collect();
        Arc::new(Schema::new(fields))
    }

    /// The spans as one batch of exactly these columns.
    pub(super) fn batch(
        &self,
        schema: &SchemaRef,
        spans: &[Span],
    ) -> Result<RecordBatch, FrameError> {
        let attributes = Attributes::of(spans, self.attributes.keys().map(String::as_str));
        let mut arrays = Vec::with_capacity(schema.fields().len());
        for column in &Column::STANDARD {
            arrays.push(array::fixed(column, spans)?);
        }
        for (key, held) in &self.attributes {
            let held = held.unwrap_or(Held::Text);
            arrays.push(held.array(&attribute_name(key), &attributes.get(key).to_vec())?);
        }
        for part in &self.parts {
            arrays.push(array::fixed(part, spans)?);
        }
        array::rows(schema, arrays, spans.len())
    }
}

/// The column of an attribute in frames and files.
pub(super) fn attribute_name(key: &str) -> String {
    format!("attributes.{key}")
}

/// Spans as one batch, with a column for each attribute that any of them has.
///
/// Columns are `context.trace_id`, `context.span_id`, `parent_id`, `name`, `span_kind`,
/// `status_code` (`UNSET`, `OK` or `ERROR`), `status_message`, `start_time` and `end_time`
/// (nanoseconds, UTC), `latency_ms`, `attributes.<key>` in the order of the keys, and
/// `events`, `links` and `resource` (JSON text). A column of an attribute has the type that
/// its values have: whole numbers, numbers, booleans, or text. Where types are mixed, and for
/// arrays and objects, it is text, with JSON for what is not text itself.
///
/// ```
/// let nothing = roost::query::span_frame(&[])?;
/// assert_eq!(nothing.num_rows(), 0);
/// assert!(nothing.column_by_name("context.span_id").is_some());
/// # Ok::<(), roost::query::FrameError>(())
/// ```
///
/// # Errors
///
/// [`FrameError::TooWide`] for more than 4,096 different attributes and
/// [`FrameError::TooLong`] for more than 2 GiB of text in a column.
pub fn span_frame(spans: &[Span]) -> Result<RecordBatch, FrameError> {
    frame(spans, Columns::of(None))
}

fn frame(spans: &[Span], mut columns: Columns) -> Result<RecordBatch, FrameError> {
    columns.learn(spans)?;
    columns.batch(&columns.schema(), spans)
}

impl<'a> TraceStore<'a> {
    /// The spans that answer `query` as frames, page by page; [`span_frame`] tells the
    /// columns. With a projection there is a column for each attribute it names, whether or
    /// not a span has it, and `events`, `links` and `resource` where it asks for them.
    ///
    /// ```no_run
    /// # async fn example(provider: &roost::Provider) -> Result<(), roost::ProviderError> {
    /// use roost::contract::TimeWindow;
    /// use roost::provider::SpanQuery;
    ///
    /// let query = SpanQuery::new("cogniverse-acme-search", TimeWindow::all());
    /// let mut frames = provider.traces().frames(&query)?;
    /// while let Some(batch) = frames.next().await? {
    ///     println!("{} spans", batch.num_rows());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`pages`](Self::pages).
    pub fn frames(&self, query: &SpanQuery) -> Result<SpanFrames<'a>, ProviderError> {
        Ok(SpanFrames {
            columns: Columns::of(query.projection.as_ref()),
            store: TraceStore {
                provider: self.provider,
            },
            pages: self.pages(query)?.accept_arrow(ipc::decode),
        })
    }
}

/// The way through the spans that answer a query, as frames; see [`TraceStore::frames`].
pub struct SpanFrames<'a> {
    columns: Columns,
    store: TraceStore<'a>,
    pages: SpanPages<'a>,
}

impl SpanFrames<'_> {
    /// The next page; `None` after the last one. Never an empty one. Each page has the
    /// columns of its own spans.
    ///
    /// # Errors
    ///
    /// As [`SpanPages::next`]; and [`Error::InvalidArgument`](crate::contract::Error) for a page
    /// that does not fit into a frame, as [`span_frame`] tells.
    pub async fn next(&mut self) -> Result<Option<RecordBatch>, ProviderError> {
        let Some(spans) = self.pages.next().await? else {
            return Ok(None);
        };
        let batch = frame(&spans, self.columns.clone()).map_err(|why| self.refuse(&why))?;
        Ok(Some(batch))
    }

    /// All that is left as one frame, which also a query without an answer has.
    ///
    /// # Errors
    ///
    /// As [`next`](Self::next); and [`Error::InvalidArgument`](crate::contract::Error) for more
    /// than 100,000 spans.
    pub async fn collect(mut self) -> Result<RecordBatch, ProviderError> {
        let mut spans = Vec::new();
        while let Some(page) = self.pages.next().await? {
            spans.extend(page);
            if spans.len() > MAX_ITEMS {
                return Err(self
                    .store
                    .provider
                    .too_many(GET_SPANS, "spans for one frame"));
            }
        }
        frame(&spans, self.columns.clone()).map_err(|why| self.refuse(&why))
    }

    fn refuse(&self, why: &FrameError) -> ProviderError {
        self.store.provider.invalid(GET_SPANS, why.to_string())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use arrow::array::{AsArray, BooleanArray, Float64Array, Int64Array};
    use arrow::datatypes::{Float64Type, Int64Type};

    use super::super::tests::span;
    use super::*;

    #[test]
    fn a_column_has_the_type_of_its_values() {
        use AttributeValue::{Boolean, Integer, Json, Number, Text};
        let spans = [
            span(&[
                ("whole", Integer(7)),
                ("number", Integer(1)),
                ("flag", Boolean(true)),
                ("text", Text("größer 🦉".to_owned())),
                ("mixed", Integer(7)),
                ("list", Json("[1,2]".to_owned())),
            ]),
            span(&[
                ("number", Number(0.5)),
                ("mixed", Text("x".to_owned())),
                ("text", Text(String::new())),
            ]),
        ];
        let frame = span_frame(&spans).unwrap();
        let column = |key: &str| frame.column_by_name(&attribute_name(key)).unwrap();
        assert_eq!(
            column("whole").as_primitive::<Int64Type>(),
            &Int64Array::from(vec![Some(7), None])
        );
        assert_eq!(
            column("number").as_primitive::<Float64Type>(),
            &Float64Array::from(vec![1.0, 0.5])
        );
        assert_eq!(
            column("flag").as_boolean(),
            &BooleanArray::from(vec![Some(true), None])
        );
        let texts = |key: &str| {
            let values = column(key).as_string::<i32>().iter();
            values
                .map(|text| text.map(str::to_owned))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            texts("text"),
            [Some("größer 🦉".to_owned()), Some(String::new())]
        );
        assert_eq!(texts("mixed"), [Some("7".to_owned()), Some("x".to_owned())]);
        assert_eq!(texts("list"), [Some("[1,2]".to_owned()), None]);
    }

    #[test]
    fn what_is_named_is_there_and_nothing_else() {
        let wanted = Projection {
            attributes: Some(vec!["b".to_owned(), "a".to_owned()]),
            events: false,
            links: false,
            resource: false,
        };
        let spans = [span(&[
            ("a", AttributeValue::Integer(1)),
            ("c", AttributeValue::Integer(2)),
        ])];
        let frame = frame(&spans, Columns::of(Some(&wanted))).unwrap();
        let schema = frame.schema();
        let names: Vec<_> = schema.fields()[10..]
            .iter()
            .map(|field| field.name())
            .collect();
        assert_eq!(names, ["attributes.a", "attributes.b"]);
        assert_eq!(frame.column(11).null_count(), 1);
    }

    #[test]
    fn too_many_attributes_are_refused_by_name() {
        let keys: Vec<String> = (0..=MAX_ATTRIBUTES).map(|key| key.to_string()).collect();
        let values: Vec<_> = keys
            .iter()
            .map(|key| (key.as_str(), AttributeValue::Integer(1)))
            .collect();
        let error = span_frame(&[span(&values)]).unwrap_err();
        assert!(matches!(
            error,
            FrameError::TooWide {
                limit: MAX_ATTRIBUTES
            }
        ));
        assert!(error.to_string().contains("projection"), "{error}");
    }
}
