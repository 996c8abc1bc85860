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
fn latency(condition: &Asked) -> Said {
    match comparison(condition) {
        Some((sign, number)) => Said::Exactly(format!("latency_ms {sign} {number:?}")),
        None => Said::Not,
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
        Ok(at) if at > 0 => {
            let at = time::format(time::ceil_to(1_000, at));
            Said::Exactly(format!("end_time {sign} \"{at}\""))
        }
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

fn list(texts: &[&str]) -> String {
    serde_json::Value::from(texts).to_string()
}
