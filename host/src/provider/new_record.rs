//! Records and datasets to write: put together, made of spans, checked.

use std::collections::hash_map::{DefaultHasher, Entry, HashMap};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::hash::{Hash, Hasher};

use serde_json::{Map, Value, json};

use crate::contract::{AttributeValue, DatasetRef, NewDataset, NewRecord, Span};

/// What a task of this span was given, and what it answered.
const INPUT: &str = "input.value";
const OUTPUT: &str = "output.value";

impl NewDataset {
    /// A dataset of this name without records.
    ///
    /// ```
    /// use roost::contract::{NewDataset, NewRecord};
    /// use serde_json::json;
    ///
    /// let golden = NewDataset::new("golden queries")
    ///     .description("Questions with known answers")
    ///     .record(NewRecord::new(&json!({ "query": "owls" })).output(&json!({ "top": "v17" })));
    /// ```
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            description: String::new(),
            metadata: None,
            records: Vec::new(),
        }
    }

    /// What it is for.
    #[must_use]
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = description.into();
        self
    }

    /// Anything more: a JSON object.
    #[must_use]
    pub fn metadata(mut self, metadata: &Value) -> Self {
        self.metadata = Some(metadata.to_string());
        self
    }

    /// One more record.
    #[must_use]
    pub fn record(mut self, record: NewRecord) -> Self {
        self.records.push(record);
        self
    }

    /// More records.
    #[must_use]
    pub fn records(mut self, records: impl IntoIterator<Item = NewRecord>) -> Self {
        self.records.extend(records);
        self
    }

    pub(super) fn check(&self) -> Result<(), String> {
        check_name("dataset", &self.name)?;
        check_object("the metadata", self.metadata.as_deref())?;
        check_records(&self.records)
    }
}

impl NewRecord {
    /// A record whose input is this JSON object.
    #[must_use]
    pub fn new(input: &Value) -> Self {
        Self {
            key: None,
            input: input.to_string(),
            output: None,
            metadata: None,
            split: None,
        }
    }

    /// The record a span makes: `input.value` is its input and `output.value` its output, as
    /// they are where they hold a JSON object, otherwise as `{"input": …}` and `{"output": …}`.
    /// The ids of span and trace, its name and kind and the rest of its attributes become the
    /// metadata.
    #[must_use]
    pub fn from_span(span: &Span) -> Self {
        let value = |key, name| Some(object_of(name, span.attribute(key)?));
        let rest: Map<String, Value> = span
            .attributes
            .iter()
            .filter(|it| it.key != INPUT && it.key != OUTPUT)
            .map(|it| (it.key.clone(), json_of(&it.value)))
            .collect();
        let metadata = json!({
            "trace_id": span.trace_id,
            "span_id": span.span_id,
            "span_name": span.name,
            "span_kind": span.kind,
            "attributes": rest,
        });
        let record = Self::new(&value(INPUT, "input").unwrap_or_else(|| json!({})));
        let record = record.metadata(&metadata);
        match value(OUTPUT, "output") {
            Some(output) => record.output(&output),
            None => record,
        }
    }

    /// A name for it, unique in the dataset: a later record of this key replaces it.
    #[must_use]
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// What is expected: a JSON object.
    #[must_use]
    pub fn output(mut self, output: &Value) -> Self {
        self.output = Some(output.to_string());
        self
    }

    /// Anything more: a JSON object.
    #[must_use]
    pub fn metadata(mut self, metadata: &Value) -> Self {
        self.metadata = Some(metadata.to_string());
        self
    }

    /// The part of the dataset it belongs to, such as `train`.
    #[must_use]
    pub fn split(mut self, split: impl Into<String>) -> Self {
        self.split = Some(split.into());
        self
    }

    fn check(&self) -> Result<(), String> {
        check_object("the input", Some(&self.input))?;
        check_object("the output", self.output.as_deref())?;
        check_object("the metadata", self.metadata.as_deref())?;
        if self.key.as_deref().is_some_and(str::is_empty) {
            return Err("its key is empty; leave it out where there is none".to_owned());
        }
        match &self.split {
            Some(split) if split.trim() != split || split.is_empty() => Err(format!(
                "`{split}` is no name of a split: it is empty or has white space around it"
            )),
            _ => Ok(()),
        }
    }
}

impl DatasetRef {
    /// The dataset of this name.
    pub fn name(name: impl Into<String>) -> Self {
        Self::Name(name.into())
    }

    /// The dataset of this id.
    pub fn id(id: impl Into<String>) -> Self {
        Self::Id(id.into())
    }

    pub(super) fn check(&self) -> Result<(), String> {
        match self {
            Self::Id(id) => check_id("dataset", id),
            Self::Name(name) => check_name("dataset", name),
        }
    }
}

/// Every record, and that no key comes twice: the second would replace the first.
pub(super) fn check_records(records: &[NewRecord]) -> Result<(), String> {
    let mut keys = BTreeSet::new();
    for (place, record) in records.iter().enumerate() {
        record
            .check()
            .map_err(|why| format!("record {place}: {why}"))?;
        if let Some(key) = &record.key
            && !keys.insert(key)
        {
            return Err(format!("record {place}: the key `{key}` comes twice"));
        }
    }
    Ok(())
}

/// That no record without a key has the content of one in an earlier part. Backends that leave
/// out what is there already would lose it there, and keep it within a part.
pub(super) fn check_parts<'r>(
    parts: impl ExactSizeIterator<Item = &'r [NewRecord]>,
) -> Result<(), String> {
    if parts.len() < 2 {
        return Ok(());
    }
    let places = parts.enumerate().flat_map(|(part, records)| {
        let records = records.iter();
        records.map(move |record| (part, record))
    });
    // The content of a million records is large, and its hash is not.
    let mut first = HashMap::new();
    for (place, (part, record)) in places.enumerate() {
        let content = content(record);
        let mut hasher = DefaultHasher::new();
        content.hash(&mut hasher);
        match first.entry(hasher.finish()) {
            Entry::Vacant(entry) => {
                entry.insert((place, part, record));
            }
            Entry::Occupied(entry) => {
                let (before, its_part, other) = *entry.get();
                if record.key.is_none() && its_part < part && self::content(other) == content {
                    return Err(format!(
                        "record {place} has no key and the content of record {before}, and so \
                         many records take several calls, between which one of the two would be \
                         lost: give both a key, or leave one out"
                    ));
                }
            }
        }
    }
    Ok(())
}

/// Input, output and metadata, the same text for the same content. An object that is not there
/// and an empty one are the same.
pub(crate) fn content(record: &NewRecord) -> String {
    let parts = [
        Some(record.input.as_str()),
        record.output.as_deref(),
        record.metadata.as_deref(),
    ];
    let mut text = String::new();
    for part in parts {
        match serde_json::from_str(part.unwrap_or("{}")) {
            Ok(value) => tell(&value, &mut text),
            // It was checked before, and is no content of another.
            Err(_) => text.push_str(part.unwrap_or_default()),
        }
    }
    text
}

/// JSON whose objects are in the order of their keys, and where 1.0 is 1.
fn tell(value: &Value, text: &mut String) {
    match value {
        Value::Object(object) => {
            let mut entries: Vec<_> = object.iter().collect();
            entries.sort_unstable_by_key(|(key, _)| *key);
            text.push('{');
            for (key, value) in entries {
                // Writing to a text cannot fail.
                let _ = write!(text, "{key:?}:");
                tell(value, text);
                text.push(',');
            }
            text.push('}');
        }
        Value::Array(items) => {
            text.push('[');
            for item in items {
                tell(item, text);
                text.push(',');
            }
            text.push(']');
        }
        Value::Number(number) => {
            let _ = match number.as_f64().filter(|_| number.is_f64()) {
                Some(number) => write!(text, "{number}"),
                None => write!(text, "{number}"),
            };
        }
        other => {
            let _ = write!(text, "{other}");
        }
    }
}

pub(super) fn check_name(what: &str, name: &str) -> Result<(), String> {
    if name.trim().is_empty() {
        return Err(format!("the name of the {what} is empty"));
    }
    Ok(())
}

pub(super) fn check_id(what: &str, id: &str) -> Result<(), String> {
    if id.is_empty() {
        return Err(format!("the id of the {what} is empty"));
    }
    Ok(())
}

/// That a JSON text, where there is one, is an object.
pub(super) fn check_object(what: &str, json: Option<&str>) -> Result<(), String> {
    let Some(json) = json else {
        return Ok(());
    };
    serde_json::from_str::<BTreeMap<String, serde::de::IgnoredAny>>(json)
        .map(|_| ())
        .map_err(|error| format!("{what} must be a JSON object: {error}"))
}

/// An attribute as a JSON object: as it is, or below `name`.
fn object_of(name: &str, value: &AttributeValue) -> Value {
    let value = match value {
        AttributeValue::Text(text) => match serde_json::from_str(text) {
            Ok(object @ Value::Object(_)) => object,
            _ => Value::String(text.clone()),
        },
        other => json_of(other),
    };
    match value {
        object @ Value::Object(_) => object,
        other => json!({ name: other }),
    }
}

fn json_of(value: &AttributeValue) -> Value {
    match value {
        AttributeValue::Text(text) => json!(text),
        AttributeValue::Boolean(boolean) => json!(boolean),
        AttributeValue::Integer(integer) => json!(integer),
        AttributeValue::Number(number) => json!(number),
        AttributeValue::Json(text) => {
            serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.clone()))
        }
    }
}

#[cfg(test)]
mod tests;
