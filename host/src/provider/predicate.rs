//! Predicates, applied by the host to what a provider did not apply itself. This is
//! where their meaning is settled, so that a filter is exact whichever backend answers.

use std::borrow::Cow;
use std::cmp::Ordering;

use crate::contract::{AttributeValue, Condition, Field, Predicate, Span, StatusCode};

impl Predicate {
    /// What must hold of `field`.
    #[must_use]
    pub fn new(field: Field, condition: Condition) -> Self {
        Self { field, condition }
    }

    /// That `field` equals `value`.
    #[must_use]
    pub fn equal(field: Field, value: impl Into<AttributeValue>) -> Self {
        Self::new(field, Condition::Equal(value.into()))
    }

    /// Whether a span fits.
    #[must_use]
    pub fn matches(&self, span: &Span) -> bool {
        let Some(field) = value_of(&self.field, span) else {
            return matches!(self.condition, Condition::NotEqual(_) | Condition::Absent);
        };
        let order = |value| order(&field, value);
        match &self.condition {
            Condition::Equal(value) => order(value) == Some(Ordering::Equal),
            Condition::NotEqual(value) => order(value) != Some(Ordering::Equal),
            Condition::Less(value) => order(value) == Some(Ordering::Less),
            Condition::LessOrEqual(value) => order(value).is_some_and(Ordering::is_le),
            Condition::Greater(value) => order(value) == Some(Ordering::Greater),
            Condition::GreaterOrEqual(value) => order(value).is_some_and(Ordering::is_ge),
            Condition::OneOf(values) => values
                .iter()
                .any(|value| order(value) == Some(Ordering::Equal)),
            Condition::Contains(part) => match &*field {
                AttributeValue::Text(text) | AttributeValue::Json(text) => text.contains(part),
                _ => false,
            },
            Condition::Present => true,
            Condition::Absent => false,
        }
    }
}

fn value_of<'a>(field: &Field, span: &'a Span) -> Option<Cow<'a, AttributeValue>> {
    let text = |text: &str| Some(Cow::Owned(AttributeValue::Text(text.to_owned())));
    let time = |nanos: u64| {
        let nanos = i64::try_from(nanos).unwrap_or(i64::MAX);
        Some(Cow::Owned(AttributeValue::Integer(nanos)))
    };
    match field {
        Field::TraceId => text(&span.trace_id),
        Field::SpanId => text(&span.span_id),
        Field::ParentId => span.parent_id.as_deref().and_then(text),
        Field::Name => text(&span.name),
        Field::Kind => text(&span.kind),
        Field::Status => text(span.status.as_str()),
        Field::StatusMessage => text(&span.status_message),
        Field::StartTime => time(span.start_time),
        Field::EndTime => time(span.end_time),
        Field::LatencyMs => Some(Cow::Owned(AttributeValue::Number(span.latency_ms()))),
        Field::Attribute(key) => span.attribute(key).map(Cow::Borrowed),
    }
}

/// `None` for values that do not compare: of two types, or NaN.
#[expect(
    clippy::cast_precision_loss,
    reason = "both numbers are one type in a filter"
)]
fn order(left: &AttributeValue, right: &AttributeValue) -> Option<Ordering> {
    use AttributeValue::{Boolean, Integer, Json, Number, Text};
    match (left, right) {
        (Text(left), Text(right)) | (Json(left), Json(right)) => Some(left.cmp(right)),
        (Boolean(left), Boolean(right)) => Some(left.cmp(right)),
        (Integer(left), Integer(right)) => Some(left.cmp(right)),
        (Integer(left), Number(right)) => (*left as f64).partial_cmp(right),
        (Number(left), Integer(right)) => left.partial_cmp(&(*right as f64)),
        (Number(left), Number(right)) => left.partial_cmp(right),
        _ => None,
    }
}

impl From<&str> for AttributeValue {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for AttributeValue {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl StatusCode {
    /// `UNSET`, `OK` or `ERROR`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unset => "UNSET",
            Self::Ok => "OK",
            Self::Error => "ERROR",
        }
    }
}

impl Span {
    /// From start to end in milliseconds.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "exact below 104 days")]
    pub fn latency_ms(&self) -> f64 {
        self.end_time.saturating_sub(self.start_time) as f64 / 1e6
    }

    /// The value of an attribute.
    #[must_use]
    pub fn attribute(&self, key: &str) -> Option<&AttributeValue> {
        self.attributes
            .iter()
            .find(|attribute| attribute.key == key)
            .map(|attribute| &attribute.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::Attribute;

    fn span() -> Span {
        let attribute = |key: &str, value| Attribute {
            key: key.to_owned(),
            value,
        };
        Span {
            trace_id: "0af7651916cd43dd8448eb211c80319c".to_owned(),
            span_id: "b7ad6b7169203331".to_owned(),
            parent_id: None,
            name: "search".to_owned(),
            kind: "CHAIN".to_owned(),
            status: StatusCode::Error,
            status_message: String::new(),
            start_time: 1_000_000_000,
            end_time: 1_250_000_000,
            attributes: vec![
                attribute("model", AttributeValue::Text("gpt-4".to_owned())),
                attribute("tokens", AttributeValue::Integer(7)),
                attribute("cached", AttributeValue::Boolean(true)),
            ],
            events: Vec::new(),
            links: Vec::new(),
            resource: Vec::new(),
        }
    }

    #[test]
    fn comparisons_mean_what_the_contract_says() {
        use AttributeValue::{Boolean, Integer, Number, Text};
        let key = |key: &str| Field::Attribute(key.to_owned());
        let text = |text: &str| Text(text.to_owned());
        let cases = [
            (Field::Name, Condition::Equal(text("search")), true),
            (Field::Name, Condition::Equal(text("Search")), false),
            (Field::Name, Condition::Contains("ear".to_owned()), true),
            (
                Field::Name,
                Condition::OneOf(vec![text("a"), text("search")]),
                true,
            ),
            (Field::Name, Condition::OneOf(vec![text("a")]), false),
            (Field::Status, Condition::Equal(text("ERROR")), true),
            (Field::LatencyMs, Condition::Equal(Integer(250)), true),
            (Field::LatencyMs, Condition::Greater(Number(250.0)), false),
            (
                Field::LatencyMs,
                Condition::GreaterOrEqual(Number(250.0)),
                true,
            ),
            (
                Field::StartTime,
                Condition::Less(Integer(1_000_000_001)),
                true,
            ),
            (Field::ParentId, Condition::Absent, true),
            (Field::ParentId, Condition::Equal(text("")), false),
            (Field::ParentId, Condition::NotEqual(text("x")), true),
            (Field::ParentId, Condition::OneOf(vec![text("x")]), false),
            (key("tokens"), Condition::Equal(Number(7.0)), true),
            (key("tokens"), Condition::Equal(text("7")), false),
            (key("tokens"), Condition::NotEqual(text("7")), true),
            (key("tokens"), Condition::Less(text("8")), false),
            (key("cached"), Condition::Equal(Boolean(true)), true),
            (key("model"), Condition::Present, true),
            (key("missing"), Condition::Present, false),
            (key("missing"), Condition::NotEqual(text("x")), true),
            (key("missing"), Condition::LessOrEqual(Integer(1)), false),
            (key("model"), Condition::Greater(Number(f64::NAN)), false),
        ];
        for (field, condition, expected) in cases {
            let predicate = Predicate::new(field, condition);
            assert_eq!(predicate.matches(&span()), expected, "{predicate:?}");
        }
    }
}
