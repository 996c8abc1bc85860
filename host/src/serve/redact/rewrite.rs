//! Walking a message to its attributes, and writing it anew where one changes.

use std::borrow::Cow;

use super::super::wire::any_value::{ARRAY, BYTES, KEY_VALUE_LIST, TEXT};
use super::super::wire::{Change, each_field, key_and_value, pair_of};
use super::rule::Rule;

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

/// What becomes of a `KeyValue` message.
fn attribute(rules: &[Rule], pair: &[u8]) -> Change {
    let known = known_pair(pair);
    let pair = known.as_deref().unwrap_or(pair);
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
        Cow::Owned(value) => Change::To(pair_of(key, &value)),
        Cow::Borrowed(_) => known.map_or(Change::None, Change::To),
    }
}

/// A `KeyValue` message without the fields that no rule can read, in its values too; none where
/// it has none.
fn known_pair(pair: &[u8]) -> Option<Vec<u8>> {
    each_field(pair, |field, content| match field.number {
        1 => Change::None,
        2 => known_value(content).map_or(Change::None, Change::To),
        _ => Change::Drop,
    })
}

/// The same of an `AnyValue` message.
fn known_value(value: &[u8]) -> Option<Vec<u8>> {
    let inner = |content: &[u8], known: fn(&[u8]) -> Option<Vec<u8>>| {
        let list = each_field(content, |field, content| match field.number {
            1 => known(content).map_or(Change::None, Change::To),
            _ => Change::Drop,
        });
        list.map_or(Change::None, Change::To)
    };
    each_field(value, |field, content| match field.number {
        ARRAY => inner(content, known_value),
        KEY_VALUE_LIST => inner(content, known_pair),
        TEXT..=BYTES => Change::None,
        _ => Change::Drop,
    })
}
