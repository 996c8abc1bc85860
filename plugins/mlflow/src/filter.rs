//! What a question asks of traces, so that MLflow leaves out those without a span that fits, and
//! what it asks of spans, which is looked at here.
//!
//! A condition on a trace must hold for every trace with a span that fits. Conditions on spans
//! that come together must hold for one span, which is what is meant.

use std::ops::Bound;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use roost_provider::time;
use roost_provider::types::{AttributeValue, Span, StatusCode};

use crate::bindings::trace_store::{Condition, Field, Predicate, SpanQuery};
use crate::search::{self, MILLISECOND, quoted};
use crate::span;

/// The longest condition made of one predicate, in bytes.
const LONGEST: usize = 8_192;

/// What a question asks.
pub(crate) struct Filter<'q> {
    /// Spans that began at or after this time.
    pub(crate) start: u64,
    /// Spans that began before this time.
    pub(crate) end: u64,
    /// Conditions on traces in MLflow's language, besides those on time.
    pub(crate) conditions: Vec<String>,
    /// The places of the predicates that are applied in full.
    pub(crate) applied: Vec<u32>,
    roots_only: bool,
    /// Fields with the texts that they may be.
    texts: Vec<(&'q Field, Vec<&'q str>)>,
}

impl<'q> Filter<'q> {
    pub(crate) fn of(query: &'q SpanQuery) -> Self {
        let mut filter = Self {
            start: query.window.start,
            end: query.window.end,
            conditions: Vec::new(),
            applied: Vec::new(),
            roots_only: query.roots_only,
            texts: Vec::new(),
        };
        for (place, predicate) in (0..).zip(&query.predicates) {
            if filter.take(predicate) {
                filter.applied.push(place);
            }
        }
        filter
    }

    /// Whether a span fits, as far as it is looked at here.
    pub(crate) fn fits(&self, span: &Span) -> bool {
        (self.start..self.end).contains(&span.start_time)
            && !(self.roots_only && span.parent_id.is_some())
            && self.texts.iter().all(|(field, texts)| {
                text_of(span, field).is_some_and(|text| texts.contains(&text))
            })
    }

    /// Take a predicate in; false where the host has to look.
    fn take(&mut self, predicate: &'q Predicate) -> bool {
        let texts = match (&predicate.field, &predicate.condition) {
            (Field::StartTime, condition) => return self.narrow(condition),
            (Field::ParentId, Condition::Absent) => {
                self.roots_only = true;
                return true;
            }
            (_, Condition::Equal(AttributeValue::Text(text))) => vec![text.as_str()],
            (_, Condition::OneOf(values)) => match texts(values) {
                Some(texts) => texts,
                None => return false,
            },
            _ => return false,
        };
        let field = &predicate.field;
        if !is_text(field) {
            return false;
        }
        let condition = on_traces(field, &texts);
        self.conditions
            .extend(condition.filter(|condition| condition.len() <= LONGEST));
        self.texts.push((field, texts));
        true
    }

    /// Narrow the window by a condition on the start.
    fn narrow(&mut self, condition: &Condition) -> bool {
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

    /// The conditions on traces, with those that they may hold spans that began in a stretch of
    /// time: at or after `start`, and no later than `last`.
    pub(crate) fn between(&self, start: u64, last: u64) -> Vec<String> {
        let mut conditions = self.conditions.clone();
        conditions.push(format!("end_time_ms >= {}", start / MILLISECOND));
        // Times beyond a signed number are no times of spans.
        let last = (last / MILLISECOND).min(i64::MAX as u64 / MILLISECOND);
        conditions.push(format!("timestamp_ms <= {last}"));
        conditions
    }
}

/// What MLflow can say of traces with spans whose field is one of these texts.
fn on_traces(field: &Field, texts: &[&str]) -> Option<String> {
    let list = |texts: &[&str]| {
        let texts: Option<Vec<String>> = texts.iter().map(|text| quoted(text)).collect();
        texts.map(|texts| format!("({})", texts.join(",")))
    };
    match field {
        Field::TraceId => {
            let ids: Vec<String> = texts.iter().map(|id| search::trace_id(id)).collect();
            let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
            list(&ids).map(|list| format!("request_id IN {list}"))
        }
        Field::Name => list(texts).map(|list| format!("span.name IN {list}")),
        Field::Status => list(texts).map(|list| format!("span.status IN {list}")),
        // What is stored of a span is a text in which its id and its parent's are.
        Field::SpanId | Field::ParentId => match texts {
            [id] => in_content(id),
            _ => None,
        },
        _ => None,
    }
}

/// The condition that a trace has a span in which this span id is; none for what is no id.
pub(crate) fn in_content(id: &str) -> Option<String> {
    let bytes = span::from_hex(id).filter(|bytes| !bytes.is_empty())?;
    let text = BASE64_STANDARD.encode(bytes);
    Some(format!("span.content LIKE '%{text}%'"))
}

fn texts(values: &[AttributeValue]) -> Option<Vec<&str>> {
    let texts = values.iter().map(|value| match value {
        AttributeValue::Text(text) => Some(text.as_str()),
        _ => None,
    });
    texts.collect()
}

fn is_text(field: &Field) -> bool {
    matches!(
        field,
        Field::TraceId
            | Field::SpanId
            | Field::ParentId
            | Field::Name
            | Field::Kind
            | Field::Status
            | Field::StatusMessage
    )
}

fn text_of<'s>(span: &'s Span, field: &Field) -> Option<&'s str> {
    match field {
        Field::TraceId => Some(&span.trace_id),
        Field::SpanId => Some(&span.span_id),
        Field::ParentId => span.parent_id.as_deref(),
        Field::Name => Some(&span.name),
        Field::Kind => Some(&span.kind),
        Field::Status => Some(match span.status {
            StatusCode::Unset => "UNSET",
            StatusCode::Ok => "OK",
            StatusCode::Error => "ERROR",
        }),
        Field::StatusMessage => Some(&span.status_message),
        _ => None,
    }
}
