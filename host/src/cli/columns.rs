//! `--columns`: which columns of spans are shown or written.

use anyhow::Context as _;
use arrow::array::RecordBatch;
use roost::contract::Projection;

/// What every span has, by the names of frames and files.
const STANDARD: [&str; 10] = [
    "context.trace_id",
    "context.span_id",
    "parent_id",
    "name",
    "span_kind",
    "status_code",
    "status_message",
    "start_time",
    "end_time",
    "latency_ms",
];

/// What is read only when it is named.
const PARTS: [&str; 3] = ["events", "links", "resource"];

/// Names that stand for one of the others.
const SHORT: [(&str, &str); 6] = [
    ("trace_id", "context.trace_id"),
    ("span_id", "context.span_id"),
    ("kind", "span_kind"),
    ("status", "status_code"),
    ("latency", "latency_ms"),
    ("duration", "latency_ms"),
];

/// A column by its name, as `--columns` takes it.
pub(super) fn column(text: &str) -> Result<String, String> {
    let text = text.trim();
    if let Some((_, name)) = SHORT.iter().find(|(short, _)| *short == text) {
        return Ok((*name).to_owned());
    }
    let is_attribute = key(text).is_some_and(|key| !key.is_empty());
    if is_attribute || STANDARD.contains(&text) || PARTS.contains(&text) {
        return Ok(text.to_owned());
    }
    Err(format!(
        "there is no such column; there are {}, {} and attributes.<key>",
        STANDARD.join(", "),
        PARTS.join(", ")
    ))
}

/// The attribute that a column holds.
fn key(column: &str) -> Option<&str> {
    column.strip_prefix("attributes.")
}

/// What these columns need of each span.
pub(super) fn projection(columns: &[String]) -> Projection {
    let named = |part: &str| columns.iter().any(|column| column == part);
    let mut keys: Vec<String> = Vec::new();
    for key in columns.iter().filter_map(|column| key(column)) {
        if !keys.iter().any(|known| known == key) {
            keys.push(key.to_owned());
        }
    }
    Projection {
        attributes: Some(keys),
        events: named("events"),
        links: named("links"),
        resource: named("resource"),
    }
}

/// The frame with these columns alone, in this order; whole where none is named.
pub(super) fn select(frame: &RecordBatch, columns: &[String]) -> anyhow::Result<RecordBatch> {
    if columns.is_empty() {
        return Ok(frame.clone());
    }
    let schema = frame.schema();
    let place = |name: &String| schema.index_of(name).context("a column is missing");
    let places: Vec<usize> = columns.iter().map(place).collect::<Result<_, _>>()?;
    Ok(frame.project(&places)?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_column_is_standard_short_or_an_attribute() {
        assert_eq!(column("name").unwrap(), "name");
        assert_eq!(column(" span_id").unwrap(), "context.span_id");
        assert_eq!(column("attributes.a.b").unwrap(), "attributes.a.b");
        for text in ["", "attributes.", "attributes", "nmae"] {
            let error = column(text).unwrap_err();
            assert!(error.contains("attributes.<key>"), "{error}");
        }
    }

    #[test]
    fn only_what_is_named_is_read() {
        let columns = [
            "name",
            "events",
            "attributes.b",
            "attributes.a",
            "attributes.b",
        ];
        let wanted = projection(&columns.map(str::to_owned));
        assert_eq!(wanted.attributes.unwrap(), ["b", "a"]);
        assert!(wanted.events && !wanted.links && !wanted.resource);
    }
}
