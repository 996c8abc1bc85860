//! Predicates, applied by the host to what a provider did not apply itself. This is
//! where their meaning is settled, so that a filter is exact whichever backend answers.

use std::borrow::Cow;
use std::cmp::Ordering;

use crate::contract::{AttributeValue, Field, Operator, Predicate, Span, StatusCode};

impl Predicate {
    /// A comparison of `field` with `value`.
    #[must_use]
    pub fn new(field: Field, operator: Operator, value: AttributeValue) -> Self {
        Self {
            field,
            operator,
            value,
        }
    }

    /// Whether a span fits.
    #[must_use]
    pub fn matches(&self, span: &Span) -> bool {
        let field = value_of(&self.field, span);
        match (self.operator, field) {
            (Operator::Present, field) => field.is_some(),
            (Operator::Absent, field) => field.is_none(),
            (Operator::NotEqual, None) => true,
            (_, None) => false,
            (operator, Some(field)) => compare(&field, operator, &self.value),
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

fn compare(field: &AttributeValue, operator: Operator, value: &AttributeValue) -> bool {
    let order = order(field, value);
    match operator {
        Operator::Equal => order == Some(Ordering::Equal),
        Operator::NotEqual => order != Some(Ordering::Equal),
        Operator::Less => order == Some(Ordering::Less),
        Operator::LessOrEqual => order.is_some_and(Ordering::is_le),
        Operator::Greater => order == Some(Ordering::Greater),
        Operator::GreaterOrEqual => order.is_some_and(Ordering::is_ge),
        Operator::Contains => match (field, value) {
            (
                AttributeValue::Text(text) | AttributeValue::Json(text),
                AttributeValue::Text(part),
            ) => text.contains(part.as_str()),
            _ => false,
        },
        Operator::Present | Operator::Absent => false,
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
            (Field::Name, Operator::Equal, text("search"), true),
            (Field::Name, Operator::Equal, text("Search"), false),
            (Field::Name, Operator::Contains, text("ear"), true),
            (Field::Status, Operator::Equal, text("ERROR"), true),
            (Field::LatencyMs, Operator::Equal, Integer(250), true),
            (Field::LatencyMs, Operator::Greater, Number(250.0), false),
            (
                Field::LatencyMs,
                Operator::GreaterOrEqual,
                Number(250.0),
                true,
            ),
            (
                Field::StartTime,
                Operator::Less,
                Integer(1_000_000_001),
                true,
            ),
            (Field::ParentId, Operator::Absent, text(""), true),
            (Field::ParentId, Operator::Equal, text(""), false),
            (Field::ParentId, Operator::NotEqual, text("x"), true),
            (key("tokens"), Operator::Equal, Number(7.0), true),
            (key("tokens"), Operator::Equal, text("7"), false),
            (key("tokens"), Operator::NotEqual, text("7"), true),
            (key("tokens"), Operator::Less, text("8"), false),
            (key("cached"), Operator::Equal, Boolean(true), true),
            (key("model"), Operator::Present, text(""), true),
            (key("missing"), Operator::Present, text(""), false),
            (key("missing"), Operator::NotEqual, text("x"), true),
            (key("missing"), Operator::LessOrEqual, Integer(1), false),
            (key("model"), Operator::Greater, Number(f64::NAN), false),
        ];
        for (field, operator, value, expected) in cases {
            let predicate = Predicate::new(field, operator, value);
            assert_eq!(predicate.matches(&span()), expected, "{predicate:?}");
        }
    }
}
