//! Which predicates Phoenix applies itself over REST; `condition` says it of its query
//! endpoint.
//!
//! A predicate is handed down only where Phoenix cannot leave out a span that fits: the host
//! would never see it again. It counts as applied where Phoenix lets no other through.

use std::ops::Bound;

use roost_provider::time;
use roost_provider::types::AttributeValue;

use crate::bindings::trace_store::{Condition, Field, Predicate, SpanQuery};

/// The kinds that every Phoenix of version 20 knows; it refuses others. Left out is
/// `UNKNOWN`, under which it also files kinds it does not know.
pub(crate) const KINDS: [&str; 9] = [
    "LLM",
    "CHAIN",
    "TOOL",
    "RETRIEVER",
    "EMBEDDING",
    "AGENT",
    "RERANKER",
    "GUARDRAIL",
    "EVALUATOR",
];

/// The statuses.
pub(crate) const STATUSES: [&str; 3] = ["UNSET", "OK", "ERROR"];

/// The longest texts that are handed down, in bytes; an address has an end.
pub(crate) const LONGEST_TEXT: usize = 1_024;

/// What a request for spans asks for.
#[derive(Debug, PartialEq)]
pub(crate) struct Plan {
    /// Parameters of the query string.
    pub(crate) parameters: Vec<(&'static str, String)>,
    /// The places of the predicates that Phoenix applies in full.
    pub(crate) applied: Vec<u32>,
    /// When spans began.
    pub(crate) window: Window,
}

/// When spans began, in nanoseconds since the epoch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Window {
    /// At or after this time.
    pub(crate) start: u64,
    /// Before this time.
    pub(crate) end: u64,
}

impl Plan {
    /// What to ask for so that as much as can be is applied.
    pub(crate) fn of(query: &SpanQuery) -> Self {
        let mut plan = Self {
            parameters: Vec::new(),
            applied: Vec::new(),
            window: Window::of(query),
        };
        if query.roots_only {
            plan.parameters.push(("parent_id", "null".to_owned()));
        }
        for (place, predicate) in (0..).zip(&query.predicates) {
            if plan.take(predicate) {
                plan.applied.push(place);
            }
        }
        plan
    }

    /// Take a predicate in, if Phoenix can apply it exactly.
    fn take(&mut self, predicate: &Predicate) -> bool {
        match (&predicate.field, &predicate.condition) {
            (Field::StartTime, condition) => self.window.narrow(condition),
            (Field::ParentId, Condition::Absent) => self.parameter("parent_id", &["null"]),
            (field, Condition::Equal(AttributeValue::Text(text))) => self.one_of(field, &[text]),
            (field, Condition::OneOf(values)) => {
                texts(values).is_some_and(|texts| self.one_of(field, &texts))
            }
            (Field::Attribute(key), Condition::Equal(AttributeValue::Integer(number))) => {
                self.equal_number(key, *number)
            }
            _ => false,
        }
    }

    fn one_of(&mut self, field: &Field, texts: &[&str]) -> bool {
        let bytes: usize = texts.iter().map(|text| text.len()).sum();
        let known = |words: &[&str]| texts.iter().all(|text| words.contains(text));
        if bytes > LONGEST_TEXT
            || texts
                .iter()
                .any(|text| text.is_empty() || text.contains('\0'))
        {
            return false;
        }
        match field {
            Field::TraceId => self.parameter("trace_id", texts),
            Field::SpanId => self.parameter("span_id", texts),
            // Phoenix takes one parent, and `null` stands for none.
            Field::ParentId if texts.len() == 1 && texts != ["null"] => {
                self.parameter("parent_id", texts)
            }
            Field::Name => self.parameter("name", texts),
            Field::Kind if known(&KINDS) => self.parameter("span_kind", texts),
            Field::Status if known(&STATUSES) => self.parameter("status_code", texts),
            Field::Attribute(key) => match texts {
                [text] if is_plain(key) && text.bytes().all(is_printable) => {
                    // Quoted, so that `"5"` is no number.
                    let text = serde_json::Value::from(*text);
                    self.parameters.push(("attribute", format!("{key}:{text}")));
                    true
                }
                _ => false,
            },
            _ => false,
        }
    }

    /// Whole numbers with at most 15 digits: Phoenix compares what is written, and finds the
    /// number as `5` and as `5.0`. Zero may be written as `-0.0`.
    fn equal_number(&mut self, key: &str, number: i64) -> bool {
        let fits = (1..1_000_000_000_000_000).contains(&number.unsigned_abs()) && is_plain(key);
        if fits {
            self.parameters
                .push(("attribute", format!("{key}:{number}")));
        }
        fits
    }

    /// A parameter that a span fits with any of its values. A second predicate on the same
    /// field would add values instead of taking some away, so it is left to the host.
    fn parameter(&mut self, key: &'static str, values: &[&str]) -> bool {
        let taken: Vec<&str> = self
            .parameters
            .iter()
            .filter(|(taken, _)| *taken == key)
            .map(|(_, value)| value.as_str())
            .collect();
        if !taken.is_empty() {
            return taken == values;
        }
        let parameters = values.iter().map(|value| (key, (*value).to_owned()));
        self.parameters.extend(parameters);
        true
    }
}

impl Window {
    /// Where the spans of `query` began.
    pub(crate) fn of(query: &SpanQuery) -> Self {
        Self {
            start: query.window.start,
            end: query.window.end,
        }
    }

    /// The same in microseconds, which Phoenix keeps: a span is inside exactly if it is inside
    /// with both ends rounded up.
    pub(crate) fn microseconds(self) -> (u64, u64) {
        let round = |instant| time::ceil_to(1_000, instant) / 1_000;
        (round(self.start), round(self.end))
    }

    /// Narrow the window by a condition on the start.
    pub(crate) fn narrow(&mut self, condition: &Condition) -> bool {
        let (from, to) = match *condition {
            Condition::Equal(AttributeValue::Integer(at)) => {
                (Bound::Included(at), Bound::Included(at))
            }
            Condition::Less(AttributeValue::Integer(at)) => (Bound::Unbounded, Bound::Excluded(at)),
            Condition::LessOrEqual(AttributeValue::Integer(at)) => {
                (Bound::Unbounded, Bound::Included(at))
            }
            Condition::Greater(AttributeValue::Integer(at)) => {
                (Bound::Excluded(at), Bound::Unbounded)
            }
            Condition::GreaterOrEqual(AttributeValue::Integer(at)) => {
                (Bound::Included(at), Bound::Unbounded)
            }
            _ => return false,
        };
        let window = time::window((from, to));
        self.start = self.start.max(window.start);
        self.end = self.end.min(window.end);
        true
    }
}

/// The values as texts, if all of them are.
pub(crate) fn texts(values: &[AttributeValue]) -> Option<Vec<&str>> {
    let texts = values.iter().map(|value| match value {
        AttributeValue::Text(text) => Some(text.as_str()),
        _ => None,
    });
    texts.collect()
}

/// Whether Phoenix finds an attribute by this key wherever a span has it. It nests keys at
/// their dots, and where `a` and `a.b` are both there it does not; so a key with a dot may
/// miss spans.
fn is_plain(key: &str) -> bool {
    key.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
        && key.bytes().any(|byte| byte.is_ascii_alphabetic())
}

/// Whether Phoenix compares this byte of a text right: it writes everything else as an escape
/// on one side of the comparison and plain on the other.
fn is_printable(byte: u8) -> bool {
    (b' '..=b'~').contains(&byte)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use roost_provider::types::{PageRequest, TimeWindow};

    fn plan(predicates: Vec<Predicate>, roots_only: bool) -> Plan {
        Plan::of(&SpanQuery {
            project: "p".into(),
            window: TimeWindow {
                start: 1,
                end: 2_000_000,
            },
            predicates,
            projection: None,
            order: None,
            roots_only,
            accept_arrow: false,
            page: PageRequest {
                limit: 1,
                cursor: None,
            },
        })
    }

    fn is(field: Field, condition: Condition) -> Predicate {
        Predicate { field, condition }
    }

    fn text(text: &str) -> AttributeValue {
        AttributeValue::Text(text.into())
    }

    fn parameter<'p>(plan: &'p Plan, key: &str) -> Option<&'p str> {
        let found = plan.parameters.iter().find(|(name, _)| *name == key);
        found.map(|(_, value)| value.as_str())
    }

    #[test]
    fn the_window_is_rounded_up_to_what_phoenix_keeps() {
        let plan = plan(vec![], false);
        assert_eq!(plan.window.microseconds(), (1, 2_000));
    }

    #[test]
    fn a_comparison_of_the_start_narrows_the_window() {
        let at = AttributeValue::Integer(1_500_000);
        for (condition, start, end) in [
            (Condition::GreaterOrEqual(at.clone()), 1_500_000, 2_000_000),
            (Condition::Greater(at.clone()), 1_500_001, 2_000_000),
            (Condition::Less(at.clone()), 1, 1_500_000),
            (Condition::LessOrEqual(at.clone()), 1, 1_500_001),
            (Condition::Equal(at), 1_500_000, 1_500_001),
        ] {
            let case = format!("{condition:?}");
            let plan = plan(vec![is(Field::StartTime, condition)], false);
            assert_eq!((plan.window.start, plan.window.end), (start, end), "{case}");
            assert_eq!(plan.applied, [0]);
        }
        let before_all = is(
            Field::StartTime,
            Condition::Less(AttributeValue::Integer(-5)),
        );
        assert_eq!(plan(vec![before_all], false).window.end, 0);
    }

    #[test]
    fn only_what_phoenix_applies_exactly_is_handed_down() {
        let attribute = |key: &str| Field::Attribute(key.into());
        for (predicate, expected) in [
            (
                is(Field::Name, Condition::Equal(text("root"))),
                Some(("name", "root")),
            ),
            (
                is(Field::Kind, Condition::Equal(text("LLM"))),
                Some(("span_kind", "LLM")),
            ),
            (is(Field::Kind, Condition::Equal(text("llm"))), None),
            (is(Field::Kind, Condition::Equal(text("UNKNOWN"))), None),
            (
                is(Field::Status, Condition::Equal(text("ERROR"))),
                Some(("status_code", "ERROR")),
            ),
            (is(Field::Status, Condition::Equal(text("BAD"))), None),
            (
                is(Field::ParentId, Condition::Absent),
                Some(("parent_id", "null")),
            ),
            (is(Field::ParentId, Condition::Equal(text("null"))), None),
            (is(Field::Name, Condition::NotEqual(text("root"))), None),
            (is(Field::Name, Condition::Contains("root".into())), None),
            (
                is(attribute("tier"), Condition::Equal(text("5 \"a\""))),
                Some(("attribute", "tier:\"5 \\\"a\\\"\"")),
            ),
            (
                is(
                    attribute("n"),
                    Condition::Equal(AttributeValue::Integer(-5)),
                ),
                Some(("attribute", "n:-5")),
            ),
            (
                is(attribute("n"), Condition::Equal(AttributeValue::Integer(0))),
                None,
            ),
            (
                is(
                    attribute("n"),
                    Condition::Equal(AttributeValue::Boolean(true)),
                ),
                None,
            ),
            (is(attribute("tier"), Condition::Equal(text("ünï"))), None),
            (is(attribute("user.id"), Condition::Equal(text("u"))), None),
            (is(attribute("7"), Condition::Equal(text("u"))), None),
        ] {
            let case = format!("{predicate:?}");
            let plan = plan(vec![predicate], false);
            assert_eq!(
                plan.applied.len(),
                usize::from(expected.is_some()),
                "{case}"
            );
            if let Some((key, value)) = expected {
                assert_eq!(parameter(&plan, key), Some(value), "{case}");
            } else {
                assert!(plan.parameters.is_empty(), "{case}");
            }
        }
    }

    #[test]
    fn a_field_is_compared_once_since_twice_would_mean_either() {
        let named = |name| is(Field::Name, Condition::Equal(text(name)));
        let plan = plan(vec![named("a"), named("b"), named("a")], false);
        assert_eq!(plan.applied, [0, 2]);
        assert_eq!(parameter(&plan, "name"), Some("a"));
    }

    #[test]
    fn roots_only_holds_against_a_predicate_on_the_parent() {
        let plan = plan(
            vec![is(Field::ParentId, Condition::Equal(text("ab")))],
            true,
        );
        assert_eq!(parameter(&plan, "parent_id"), Some("null"));
        assert!(plan.applied.is_empty());
    }
}
