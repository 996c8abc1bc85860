//! What Langfuse applies of a question, and what is looked at here.
//!
//! Only what its documentation names is handed down, and of metadata only the mark: they are kept
//! as texts, so `attributes['n'] = 5` would also find the text.

use std::ops::Bound;

use roost_provider::time;
use roost_provider::types::{AttributeValue, Span, TimeWindow};

use crate::bindings::trace_store::{Condition as Asked, Field, Predicate, SpanQuery};
use crate::observations::{self, Condition, any_of, equal};

/// The most texts that are compared with one column, and bytes of them: they go into an address.
const MOST_TEXTS: usize = 100;
const LONGEST: usize = 2_000;

/// What a question asks.
pub(crate) struct Filter {
    pub(crate) conditions: Vec<Condition>,
    /// The places of the predicates that are applied in full.
    pub(crate) applied: Vec<u32>,
    window: TimeWindow,
    roots_only: bool,
}

impl Filter {
    pub(crate) fn of(query: &SpanQuery) -> Self {
        let mut filter = Self {
            conditions: Vec::new(),
            applied: Vec::new(),
            window: query.window,
            roots_only: query.roots_only,
        };
        for (place, predicate) in (0..).zip(&query.predicates) {
            if filter.take(predicate) {
                filter.applied.push(place);
            }
        }
        filter
            .conditions
            .extend(observations::begun_inside(&filter.window));
        if filter.roots_only {
            // Also those that have a parent and are called a root.
            filter.conditions.push(observations::is_root());
        }
        filter
    }

    /// Whether a span fits, as far as it is looked at here.
    pub(crate) fn fits(&self, span: &Span) -> bool {
        (self.window.start..self.window.end).contains(&span.start_time)
            && !(self.roots_only && span.parent_id.is_some())
    }

    /// Take a predicate in; false where the host has to look.
    fn take(&mut self, predicate: &Predicate) -> bool {
        match (&predicate.field, &predicate.condition) {
            (Field::StartTime, condition) => return self.narrow(condition),
            (Field::ParentId, Asked::Absent) => self.roots_only = true,
            (Field::Status, Asked::Equal(AttributeValue::Text(text))) if text == "ERROR" => {
                self.conditions.push(equal("level", "ERROR"));
            }
            (field, Asked::Equal(value)) => return self.one_of(field, std::slice::from_ref(value)),
            (field, Asked::OneOf(values)) => return self.one_of(field, values),
            _ => return false,
        }
        true
    }

    /// A field that Langfuse has as text, and the texts it may be.
    fn one_of(&mut self, field: &Field, values: &[AttributeValue]) -> bool {
        let column = match field {
            Field::TraceId => "traceId",
            Field::SpanId => "id",
            Field::Name => "name",
            _ => return false,
        };
        let texts = values.iter().map(|value| match value {
            // An empty name is none to Langfuse.
            AttributeValue::Text(text) if !text.is_empty() => Some(text.as_str()),
            _ => None,
        });
        let Some(texts) = texts.collect::<Option<Vec<&str>>>() else {
            return false;
        };
        let bytes: usize = texts.iter().map(|text| text.len()).sum();
        if texts.len() > MOST_TEXTS || bytes > LONGEST {
            return false;
        }
        self.conditions.push(match texts.as_slice() {
            [text] => equal(column, text),
            texts => any_of(column, texts),
        });
        true
    }

    /// Narrow the window by a condition on the start.
    fn narrow(&mut self, condition: &Asked) -> bool {
        let (from, to) = match *condition {
            Asked::Equal(AttributeValue::Integer(at)) => (Bound::Included(at), Bound::Included(at)),
            Asked::Less(AttributeValue::Integer(at)) => (Bound::Unbounded, Bound::Excluded(at)),
            Asked::LessOrEqual(AttributeValue::Integer(at)) => {
                (Bound::Unbounded, Bound::Included(at))
            }
            Asked::Greater(AttributeValue::Integer(at)) => (Bound::Excluded(at), Bound::Unbounded),
            Asked::GreaterOrEqual(AttributeValue::Integer(at)) => {
                (Bound::Included(at), Bound::Unbounded)
            }
            _ => return false,
        };
        let window = time::window((from, to));
        self.window.start = self.window.start.max(window.start);
        self.window.end = self.window.end.min(window.end);
        true
    }
}
