//! Records of datasets as frames, and rows of any table as records.

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema};
use serde_json::{Map, Value};
use std::sync::Arc;

use super::array;
use super::error::FrameError;
use crate::contract::{DatasetRecord, NewRecord};

/// A row, by the names of its columns.
pub(super) type Row = Map<String, Value>;

/// Which columns of a table are what of a record.
///
/// Unless columns are named, their names tell:
///
/// 1. With a column `input`: that, and `output`, `metadata`, `id` and `split` where they are
///    there. What holds a JSON object is taken as it is; anything else becomes
///    `{"input": ...}`, `{"output": ...}`, `{"metadata": ...}`.
/// 2. With columns `input.*`: those, and `output.*`, `metadata.*`, each under the rest of its name.
/// 3. With a column `attributes.input.value`, as spans have: that and `attributes.output.value`,
///    as in the first case; the rest is metadata.
/// 4. Otherwise `expected*`, `output*`, `answer` and `reference` are output, and the rest is input.
///
/// `key`, or `id` without one, and `split` are always the record's; in the first two cases, columns that are not named
/// there are metadata. What is null is left out.
///
/// ```
/// use roost::query::RecordColumns;
///
/// let by_name = RecordColumns::default();
/// let named = RecordColumns::named(["question", "context"]).output(["answer"]);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecordColumns {
    named: Option<Named>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Named {
    input: Vec<String>,
    output: Vec<String>,
    metadata: Vec<String>,
    key: Option<String>,
    split: Option<String>,
}

impl RecordColumns {
    /// These columns are the input; what is not named is left out.
    pub fn named<S: Into<String>>(input: impl IntoIterator<Item = S>) -> Self {
        let input = input.into_iter().map(Into::into).collect();
        Self {
            named: Some(Named {
                input,
                ..Named::default()
            }),
        }
    }

    /// These columns are the output.
    #[must_use]
    pub fn output<S: Into<String>>(mut self, columns: impl IntoIterator<Item = S>) -> Self {
        self.name().output = columns.into_iter().map(Into::into).collect();
        self
    }

    /// These columns are metadata.
    #[must_use]
    pub fn metadata<S: Into<String>>(mut self, columns: impl IntoIterator<Item = S>) -> Self {
        self.name().metadata = columns.into_iter().map(Into::into).collect();
        self
    }

    /// This column is the record's key.
    #[must_use]
    pub fn key(mut self, column: impl Into<String>) -> Self {
        self.name().key = Some(column.into());
        self
    }

    /// This column is the record's split.
    #[must_use]
    pub fn split(mut self, column: impl Into<String>) -> Self {
        self.name().split = Some(column.into());
        self
    }

    fn name(&mut self) -> &mut Named {
        self.named.get_or_insert_default()
    }

    /// The record of a row; an error says why it is none.
    pub(super) fn record(&self, mut row: Row) -> Result<NewRecord, String> {
        match &self.named {
            Some(named) => named.record(row),
            None => {
                // The backend's own, of the dataset it was read from.
                if row.contains_key("input") {
                    row.remove("record_id");
                }
                let (key, id) = (word(row.remove("key")), word(row.remove("id")));
                let split = word(row.remove("split"));
                let [input, output, metadata] = parts(row);
                Ok(NewRecord {
                    key: key.or(id),
                    split,
                    input: Value::Object(input).to_string(),
                    output: filled(output),
                    metadata: filled(metadata),
                })
            }
        }
    }
}

impl Named {
    fn record(&self, mut row: Row) -> Result<NewRecord, String> {
        // A column may be used twice.
        let pick = |columns: &[String]| {
            let mut picked = Row::new();
            for column in columns {
                let Some(value) = row.get(column) else {
                    let present: Vec<&str> = row.keys().map(String::as_str).collect();
                    let present = present.join(", ");
                    return Err(format!(
                        "there is no column `{column}`; there are: {present}"
                    ));
                };
                if !value.is_null() {
                    picked.insert(column.clone(), value.clone());
                }
            }
            Ok(picked)
        };
        let [input, output, metadata] = [
            pick(&self.input)?,
            pick(&self.output)?,
            pick(&self.metadata)?,
        ];
        let mut take =
            |column: &Option<String>| word(column.as_ref().and_then(|column| row.remove(column)));
        Ok(NewRecord {
            key: take(&self.key),
            split: take(&self.split),
            input: Value::Object(input).to_string(),
            output: filled(output),
            metadata: filled(metadata),
        })
    }
}

/// Input, output and metadata of a row whose columns' names tell.
fn parts(mut row: Row) -> [Row; 3] {
    if row.contains_key("input") {
        let input = whole("input", row.remove("input"));
        let output = whole("output", row.remove("output"));
        let mut metadata = whole("metadata", row.remove("metadata"));
        for (column, value) in row {
            insert(&mut metadata, column, value);
        }
        return [input, output, metadata];
    }
    if row.contains_key("attributes.input.value") {
        let input = whole("input", row.remove("attributes.input.value"));
        let output = whole("output", row.remove("attributes.output.value"));
        let mut metadata = Row::new();
        for (column, value) in row {
            let name = column
                .strip_prefix("attributes.")
                .or(column.strip_prefix("context."));
            insert(&mut metadata, name.unwrap_or(&column).to_owned(), value);
        }
        return [input, output, metadata];
    }
    let [mut input, mut output, mut metadata] = [Row::new(), Row::new(), Row::new()];
    let prefixed = row.keys().any(|column| column.starts_with("input."));
    for (column, value) in row {
        let (part, name) = if !prefixed {
            let is_output = column.starts_with("expected")
                || column.starts_with("output")
                || column == "answer"
                || column == "reference";
            (
                if is_output { &mut output } else { &mut input },
                column.as_str(),
            )
        } else if let Some(name) = column.strip_prefix("input.") {
            (&mut input, name)
        } else if let Some(name) = column.strip_prefix("output.") {
            (&mut output, name)
        } else {
            (
                &mut metadata,
                column.strip_prefix("metadata.").unwrap_or(&column),
            )
        };
        insert(part, name.to_owned(), value);
    }
    [input, output, metadata]
}

fn insert(part: &mut Row, name: String, value: Value) {
    if !value.is_null() {
        part.entry(name).or_insert(value);
    }
}

/// A JSON object as it is, also as text; anything else under a name.
fn whole(name: &str, value: Option<Value>) -> Row {
    match value {
        None | Some(Value::Null) => Row::new(),
        Some(Value::Object(object)) => object,
        Some(Value::String(text)) => match serde_json::from_str(&text) {
            Ok(Value::Object(object)) => object,
            _ => Row::from_iter([(name.to_owned(), Value::String(text))]),
        },
        Some(value) => Row::from_iter([(name.to_owned(), value)]),
    }
}

fn filled(part: Row) -> Option<String> {
    (!part.is_empty()).then(|| Value::Object(part).to_string())
}

/// An id or the name of a split.
fn word(value: Option<Value>) -> Option<String> {
    match value? {
        Value::Null => None,
        Value::String(text) => Some(text).filter(|text| !text.is_empty()),
        value => Some(value.to_string()),
    }
}

/// Records as one batch with the columns `record_id`, `key`, `input`, `output`, `metadata` and `split`;
/// `input`, `output` and `metadata` are JSON text. [`records_from_frame`] makes records of it again.
///
/// # Errors
///
/// [`FrameError::TooLong`] for more than 2 GiB of text in a column.
pub fn records_frame(records: &[DatasetRecord]) -> Result<RecordBatch, FrameError> {
    type Read = for<'a> fn(&'a DatasetRecord) -> Option<&'a str>;
    let columns: [(&str, Read); 6] = [
        ("record_id", |record| Some(&record.id)),
        ("key", |record| record.key.as_deref()),
        ("input", |record| Some(&record.input)),
        ("output", |record| record.output.as_deref()),
        ("metadata", |record| record.metadata.as_deref()),
        ("split", |record| record.split.as_deref()),
    ];
    let fields = columns.map(|(name, _)| Field::new(name, DataType::Utf8, true));
    let arrays = columns.map(|(name, read)| {
        array::text(
            name,
            records.iter().map(|record| read(record).map(Into::into)),
        )
    });
    let arrays = arrays.into_iter().collect::<Result<_, _>>()?;
    array::rows(
        &Arc::new(Schema::new(fields.to_vec())),
        arrays,
        records.len(),
    )
}

/// The rows of a frame as records to write; [`RecordColumns`] tells which column is what.
///
/// # Errors
///
/// [`FrameError::BadRow`] without a column that is named, and [`FrameError::Arrow`] for a column
/// of a type that JSON does not have.
pub fn records_from_frame(
    frame: &RecordBatch,
    columns: &RecordColumns,
) -> Result<Vec<NewRecord>, FrameError> {
    let record = |(row, value): (usize, Row)| {
        columns
            .record(value)
            .map_err(|why| FrameError::BadRow { row: row + 1, why })
    };
    rows(frame)?.into_iter().enumerate().map(record).collect()
}

/// The rows of a frame as JSON.
fn rows(frame: &RecordBatch) -> Result<Vec<Row>, FrameError> {
    let mut lines = Vec::new();
    let builder = arrow::json::WriterBuilder::new().with_explicit_nulls(true);
    let mut writer = builder.build::<_, arrow::json::writer::LineDelimited>(&mut lines);
    writer.write(frame)?;
    writer.finish()?;
    drop(writer);
    let rows = serde_json::Deserializer::from_slice(&lines).into_iter::<Row>();
    rows.collect::<Result<_, _>>().map_err(|why| {
        FrameError::Arrow(arrow::error::ArrowError::from_external_error(Box::new(why)))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use serde_json::json;

    use super::*;

    fn record(columns: &RecordColumns, row: Value) -> [Value; 3] {
        let Value::Object(row) = row else {
            unreachable!()
        };
        let record = columns.record(row).unwrap();
        let part = |text: Option<String>| {
            text.map_or(Value::Null, |text| serde_json::from_str(&text).unwrap())
        };
        [
            part(Some(record.input)),
            part(record.output),
            part(record.metadata),
        ]
    }

    #[test]
    fn names_of_columns_tell_what_they_are() {
        let by_name = RecordColumns::default();
        for (row, expected) in [
            (
                json!({"input": {"q": 1}, "output": "{\"a\": 2}", "metadata": null, "more": 3, "id": "x"}),
                [json!({"q": 1}), json!({"a": 2}), json!({"more": 3})],
            ),
            (
                json!({"input": "what?", "output": "that"}),
                [
                    json!({"input": "what?"}),
                    json!({"output": "that"}),
                    json!(null),
                ],
            ),
            (
                json!({"input.q": 1, "output.a": 2, "metadata.m": 3, "n": 4}),
                [json!({"q": 1}), json!({"a": 2}), json!({"m": 3, "n": 4})],
            ),
            (
                json!({"attributes.input.value": "hi", "attributes.output.value": "ho",
                       "attributes.llm.model_name": "gpt-4", "context.span_id": "s", "x": null}),
                [
                    json!({"input": "hi"}),
                    json!({"output": "ho"}),
                    json!({"llm.model_name": "gpt-4", "span_id": "s"}),
                ],
            ),
            (
                json!({"question": "q", "answer": "a", "expected_tool": "t", "split": "test"}),
                [
                    json!({"question": "q"}),
                    json!({"answer": "a", "expected_tool": "t"}),
                    json!(null),
                ],
            ),
        ] {
            assert_eq!(record(&by_name, row.clone()), expected, "{row}");
        }
        let named = RecordColumns::named(["a"])
            .output(["b"])
            .metadata(["a"])
            .key("c");
        let row = json!({"a": 1, "b": 2, "c": 3, "d": 4});
        assert_eq!(
            record(&named, row),
            [json!({"a": 1}), json!({"b": 2}), json!({"a": 1})]
        );
        let error = named.record(Row::new()).unwrap_err();
        assert!(error.contains("`a`"), "{error}");
    }

    #[test]
    fn records_go_through_a_frame_unchanged() {
        let record = DatasetRecord {
            id: "opaque".to_owned(),
            key: Some("7".to_owned()),
            input: json!({"q": "größer 🦉", "n": 0.1}).to_string(),
            output: Some(json!({"a": [1, 2]}).to_string()),
            metadata: None,
            split: Some("train".to_owned()),
        };
        let frame = records_frame(std::slice::from_ref(&record)).unwrap();
        let read = records_from_frame(&frame, &RecordColumns::default()).unwrap();
        assert_eq!(read[0].key.as_deref(), Some("7"));
        assert_eq!(read[0].input, record.input);
        assert_eq!(read[0].output, record.output);
        assert_eq!(read[0].metadata, None);
        assert_eq!(read[0].split, record.split);
    }
}
