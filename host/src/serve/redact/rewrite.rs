//! Walking a message to its attributes, and writing it anew where one changes.

use std::borrow::Cow;

use super::super::wire::{Field, Value, fields, put_bytes};
use super::rule::{Change, Rule};

/// Where the attributes of a message are, and the messages in it that have some.
#[derive(Debug)]
pub(super) struct Shape {
    attributes: u32,
    inner: &'static [(u32, Shape)],
}

pub(super) static RESOURCE: Shape = attributes_in(1);
pub(super) static SCOPE: Shape = attributes_in(3);
pub(super) static SPAN: Shape = Shape {
    attributes: 9,
    // Events and links.
    inner: &[(11, attributes_in(3)), (13, attributes_in(4))],
};

const fn attributes_in(field: u32) -> Shape {
    Shape {
        attributes: field,
        inner: &[],
    }
}

/// The message as the rules leave it; none where they leave it as it is.
pub(super) fn rewrite(rules: &[Rule], shape: &Shape, message: &[u8]) -> Option<Vec<u8>> {
    each_field(message, |field, content| {
        if field.number == shape.attributes {
            return attribute(rules, content);
        }
        let inner = shape
            .inner
            .iter()
            .find(|(number, _)| *number == field.number);
        match inner.and_then(|(_, inner)| rewrite(rules, inner, content)) {
            Some(changed) => Change::To(changed),
            None => Change::None,
        }
    })
}

/// Writes a message anew with what `change` makes of its length-delimited fields; none where
/// nothing changes.
pub(super) fn each_field(
    message: &[u8],
    mut change: impl FnMut(&Field<'_>, &[u8]) -> Change,
) -> Option<Vec<u8>> {
    let mut out: Option<Vec<u8>> = None;
    let mut done = 0;
    // What comes here is valid.
    for field in fields(message).filter_map(Result::ok) {
        let change = match field.value {
            Value::Bytes(content) => change(&field, content),
            _ => Change::None,
        };
        if let (None, Change::To(_) | Change::Drop) = (&out, &change) {
            let mut before = Vec::with_capacity(message.len());
            before.extend_from_slice(message.get(..done).unwrap_or_default());
            out = Some(before);
        }
        done += field.raw.len();
        match (&mut out, change) {
            (Some(out), Change::None) => out.extend_from_slice(field.raw),
            (Some(out), Change::To(content)) => put_bytes(field.number, &content, out),
            (_, Change::Drop) | (None, _) => {}
        }
    }
    out
}

/// What becomes of a `KeyValue` message.
fn attribute(rules: &[Rule], pair: &[u8]) -> Change {
    let (key, value) = key_and_value(pair);
    let mut current = Cow::Borrowed(value);
    for rule in rules {
        match rule.run(key, &current) {
            Change::None => {}
            Change::To(value) => current = Cow::Owned(value),
            Change::Drop => return Change::Drop,
        }
    }
    match current {
        Cow::Borrowed(_) => Change::None,
        Cow::Owned(value) => Change::To(pair_of(key, &value)),
    }
}

/// The parts of a valid `KeyValue` message.
pub(super) fn key_and_value(pair: &[u8]) -> (&str, &[u8]) {
    let (mut key, mut value) = ("", [].as_slice());
    for field in fields(pair).filter_map(Result::ok) {
        match (field.number, field.value) {
            (1, Value::Bytes(bytes)) => key = std::str::from_utf8(bytes).unwrap_or_default(),
            (2, Value::Bytes(bytes)) => value = bytes,
            _ => {}
        }
    }
    (key, value)
}

/// A `KeyValue` message.
pub(super) fn pair_of(key: &str, value: &[u8]) -> Vec<u8> {
    let mut pair = Vec::with_capacity(key.len() + value.len() + 8);
    put_bytes(1, key.as_bytes(), &mut pair);
    put_bytes(2, value, &mut pair);
    pair
}
