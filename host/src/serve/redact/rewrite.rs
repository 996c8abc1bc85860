//! Walking a message to its attributes, and writing it anew where one changes.

use std::borrow::Cow;

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
