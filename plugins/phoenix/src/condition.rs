//! Which predicates Phoenix's query endpoint applies, in its own language: expressions of
//! Python, translated to SQL.
//!
//! The rule of `pushdown` holds here as well. A text of JSON is a text of Python, so nothing
//! breaks out of a condition.

use roost_provider::time;
use roost_provider::types::AttributeValue;

use crate::bindings::trace_store::{Condition as Asked, Field, Predicate, SpanQuery};
use crate::path::Path;
use crate::pushdown::{self, KINDS, LONGEST_TEXT, STATUSES, Window};
use crate::session_id;

/// The most values that are compared with one field.
const MOST_VALUES: usize = 1_000;

/// The largest number up to which every whole number is also a floating point number.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// What is asked of the query endpoint.
#[derive(Debug, PartialEq)]
pub(crate) struct Condition {
    /// The condition; empty where there is none.
    pub(crate) text: String,
    /// The places of the predicates that Phoenix applies in full.
    pub(crate) applied: Vec<u32>,
    /// When spans began.
    pub(crate) window: Window,
}

/// A predicate in Phoenix's language.
enum Said {
    /// It means the same.
    Exactly(String),
    /// It lets more through.
    Loosely(String),
    /// It has no words for it.
    Not,
}

impl Condition {
    /// What to ask for so that as much as can be is applied.
    pub(crate) fn of(query: &SpanQuery) -> Self {
        let mut window = Window::of(query);
        let mut applied = Vec::new();
        let mut terms = Vec::new();
        if query.roots_only {
            terms.push("parent_id is None".to_owned());
        }
        for (place, predicate) in (0..).zip(&query.predicates) {
            let narrows =
                matches!(predicate.field, Field::StartTime) && window.narrow(&predicate.condition);
            match say(predicate) {
                _ if narrows => applied.push(place),
                Said::Exactly(term) => {
                    applied.push(place);
                    terms.push(term);
                }
                Said::Loosely(term) => terms.push(term),
                Said::Not => {}
            }
        }
        let text = terms
            .iter()
            .map(|term| format!("({term})"))
            .collect::<Vec<_>>()
            .join(" and ");
        Self {
            text,
            applied,
            window,
        }
    }
}

fn say(predicate: &Predicate) -> Said {
    match (&predicate.field, &predicate.condition) {
        (Field::ParentId, Asked::Absent) => Said::Exactly("parent_id is None".to_owned()),
        (Field::LatencyMs, condition) => latency(condition),
        (Field::EndTime, condition) => end(condition),
        (Field::Attribute(key), condition) => attribute(key, condition),
        (field, Asked::Equal(value)) => one_of(field, std::slice::from_ref(value)),
        (field, Asked::OneOf(values)) => one_of(field, values),
        _ => Said::Not,
    }
}

/// A field that every span has as text, and the values it may have.
fn one_of(field: &Field, values: &[AttributeValue]) -> Said {
    let (name, known): (_, Option<&[&str]>) = match field {
        Field::TraceId => ("trace_id", None),
        Field::SpanId => ("span_id", None),
        Field::ParentId => ("parent_id", None),
        Field::Name => ("name", None),
        Field::Kind => ("span_kind", Some(&KINDS)),
        Field::Status => ("status_code", Some(&STATUSES)),
        _ => return Said::Not,
    };
    let admits = |text: &str| known.is_none_or(|known| known.contains(&text));
    match texts(values) {
        Some(texts) if texts.iter().all(|text| admits(text)) => {
            Said::Exactly(format!("{name} in {}", list(&texts)))
        }
        _ => Said::Not,
    }
}

/// Latencies are computed from whole microseconds, as the host does it. Equality is left to
/// the host all the same: databases differ in the last digit.
///
/// A span that ends before it begins took no time to the host, and less than none to Phoenix.
/// So both agree where it does not matter how much below 0 a latency is.
fn latency(condition: &Asked) -> Said {
    let Some((sign, number)) = comparison(condition) else {
        return Said::Not;
    };
    let term = format!("latency_ms {sign} {number:?}");
    match sign {
        ">" if number >= 0.0 => Said::Exactly(term),
        ">=" if number > 0.0 => Said::Exactly(term),
        // Phoenix would leave out what took less than none, and to the host it fits.
        ">" | ">=" => Said::Not,
        "<" if number > 0.0 => Said::Exactly(term),
        "<=" if number >= 0.0 => Said::Exactly(term),
        _ => Said::Loosely(term),
    }
}

/// Phoenix keeps microseconds: an end is at or after an instant exactly if it is at or after
/// the instant rounded up.
fn end(condition: &Asked) -> Said {
    let (sign, at) = match condition {
        Asked::GreaterOrEqual(AttributeValue::Integer(at)) => (">=", *at),
        Asked::Greater(AttributeValue::Integer(at)) => (">=", at.saturating_add(1)),
        Asked::Less(AttributeValue::Integer(at)) => ("<", *at),
        Asked::LessOrEqual(AttributeValue::Integer(at)) => ("<", at.saturating_add(1)),
        _ => return Said::Not,
    };
    match u64::try_from(at) {
        // An end that was before 1970 is read as 1970.
        Ok(at) if at > 0 => Said::Exactly(format!("end_time {sign} {}", instant(at))),
        _ => Said::Not,
    }
}

/// Phoenix compares an attribute's value as a text or as a number, whatever it is; so it lets
/// the number 5 through where the text is asked for.
fn attribute(key: &str, condition: &Asked) -> Said {
    // Sessions are stored under another id than they are given.
    let Some(path) = Path::of(key).filter(|_| key != session_id::ATTRIBUTE) else {
        return Said::Not;
    };
    let term = match condition {
        Asked::Equal(value) => equal(std::slice::from_ref(value)),
        Asked::OneOf(values) => equal(values),
        condition => comparison(condition)
            .filter(|(_, number)| number.abs() < EXACT)
            .map(|(sign, number)| format!("{sign} {number:?}")),
    };
    let Some(term) = term else {
        return Said::Not;
    };
    let places: Vec<String> = path
        .places()
        .iter()
        .map(|place| format!("{place} {term}"))
        .collect();
    Said::Loosely(places.join(" or "))
}

fn equal(values: &[AttributeValue]) -> Option<String> {
    texts(values).map(|texts| format!("in {}", list(&texts)))
}

/// A comparison with a number.
fn comparison(condition: &Asked) -> Option<(&'static str, f64)> {
    let (sign, value) = match condition {
        Asked::Less(value) => ("<", value),
        Asked::LessOrEqual(value) => ("<=", value),
        Asked::Greater(value) => (">", value),
        Asked::GreaterOrEqual(value) => (">=", value),
        _ => return None,
    };
    let number = match value {
        AttributeValue::Integer(number) => *number as f64,
        AttributeValue::Number(number) => *number,
        _ => return None,
    };
    number.is_finite().then_some((sign, number))
}

/// The values, if they are texts that Phoenix compares right.
fn texts(values: &[AttributeValue]) -> Option<Vec<&str>> {
    let is_comparable =
        |text: &&str| !text.is_empty() && text.len() <= LONGEST_TEXT && !text.contains('\0');
    pushdown::texts(values)
        .filter(|texts| texts.len() <= MOST_VALUES && texts.iter().all(is_comparable))
}

/// An instant, rounded up to the microseconds that Phoenix keeps. Some Pythons read no
/// fraction of another length.
pub(crate) fn instant(at: u64) -> String {
    let text = time::format(time::ceil_to(1_000, at));
    let (second, fraction) = text
        .trim_end_matches('Z')
        .split_once('.')
        .unwrap_or((text.trim_end_matches('Z'), ""));
    format!("\"{second}.{fraction:0<6}+00:00\"")
}

fn list(texts: &[&str]) -> String {
    serde_json::Value::from(texts).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(field: Field, condition: Asked) -> (String, bool) {
        match say(&Predicate { field, condition }) {
            Said::Exactly(term) => (term, true),
            Said::Loosely(term) => (term, false),
            Said::Not => (String::new(), false),
        }
    }

    fn text(text: &str) -> AttributeValue {
        AttributeValue::Text(text.to_owned())
    }

    #[test]
    fn nothing_breaks_out_of_a_text() {
        assert_eq!(
            said(Field::Name, Asked::Equal(text("a\"b'\\\n"))),
            (r#"name in ["a\"b'\\\n"]"#.to_owned(), true)
        );
    }

    #[test]
    fn an_attribute_is_looked_for_wherever_it_may_be_and_never_taken_for_sure() {
        let key = || Field::Attribute("a.b".to_owned());
        assert_eq!(
            said(key(), Asked::Equal(text("x"))),
            (
                r#"attributes[["a","b"]] in ["x"] or attributes[["a.b"]] in ["x"]"#.to_owned(),
                false
            )
        );
        assert_eq!(
            said(key(), Asked::Greater(AttributeValue::Integer(5))).0,
            r#"attributes[["a","b"]] > 5.0 or attributes[["a.b"]] > 5.0"#
        );
        for condition in [
            Asked::Equal(AttributeValue::Integer(5)),
            Asked::NotEqual(text("x")),
            Asked::Less(AttributeValue::Integer(i64::MAX)),
            Asked::Less(AttributeValue::Number(f64::INFINITY)),
            Asked::Absent,
        ] {
            assert_eq!(said(key(), condition).0, "");
        }
        let session = Field::Attribute("session.id".to_owned());
        assert_eq!(said(session, Asked::Equal(text("s"))).0, "");
    }

    #[test]
    fn a_latency_below_zero_is_none_and_never_decides() {
        let latency = |condition| said(Field::LatencyMs, condition);
        for (condition, expected) in [
            (Asked::Greater(AttributeValue::Integer(0)), ("> 0.0", true)),
            (
                Asked::GreaterOrEqual(AttributeValue::Number(0.5)),
                (">= 0.5", true),
            ),
            (
                Asked::LessOrEqual(AttributeValue::Integer(0)),
                ("<= 0.0", true),
            ),
            (Asked::Less(AttributeValue::Integer(1)), ("< 1.0", true)),
            (Asked::Less(AttributeValue::Integer(0)), ("< 0.0", false)),
            (
                Asked::LessOrEqual(AttributeValue::Integer(-1)),
                ("<= -1.0", false),
            ),
        ] {
            let (term, exact) = expected;
            assert_eq!(latency(condition), (format!("latency_ms {term}"), exact));
        }
        for condition in [
            Asked::GreaterOrEqual(AttributeValue::Integer(0)),
            Asked::Greater(AttributeValue::Number(-0.5)),
        ] {
            assert_eq!(latency(condition).0, "");
        }
    }

    #[test]
    fn times_are_rounded_to_what_phoenix_keeps() {
        let end = |condition| said(Field::EndTime, condition).0;
        let at = AttributeValue::Integer(1_795_003_200_000_001_000);
        for (condition, expected) in [
            (
                Asked::GreaterOrEqual(at.clone()),
                ">= \"2026-11-18T12:00:00.000001+00:00\"",
            ),
            (
                Asked::Greater(at.clone()),
                ">= \"2026-11-18T12:00:00.000002+00:00\"",
            ),
            (
                Asked::Less(at.clone()),
                "< \"2026-11-18T12:00:00.000001+00:00\"",
            ),
            (
                Asked::LessOrEqual(at),
                "< \"2026-11-18T12:00:00.000002+00:00\"",
            ),
        ] {
            assert_eq!(end(condition), format!("end_time {expected}"));
        }
        assert_eq!(end(Asked::Less(AttributeValue::Integer(-1))), "");
    }
}
