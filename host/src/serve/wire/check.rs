//! Checking a message against what it should be.
//!
//! What passes here, every decoder reads, and reads alike: encodings that protobuf allows and
//! nobody writes, such as a key that is there twice and of which the last counts, are refused,
//! so that what is redacted is what a backend will see.

use super::schema::{Kind, Message};
use super::{Fault, Value, fields};

/// How deep messages may lie in each other. Decoders stop at 100.
pub(super) const MAX_DEPTH: usize = 64;

/// Checks a message and all that is in it.
pub(super) fn check(message: &'static Message, bytes: &[u8]) -> Result<(), Fault> {
    check_at(message, bytes, 0)
}

fn check_at(message: &'static Message, bytes: &[u8], depth: usize) -> Result<(), Fault> {
    if depth > MAX_DEPTH {
        return Err(Fault::Depth);
    }
    // No message has a known field above 16.
    let mut seen = 0_u32;
    for field in fields(bytes) {
        let field = field?;
        let Some(rule) = message.rule(field.number) else {
            continue;
        };
        let bit = 1 << field.number;
        if (seen & bit != 0 && !rule.repeated) || (message.one_of && seen != 0) {
            return Err(Fault::Twice(rule.name));
        }
        seen |= bit;
        check_value(rule.kind, rule.name, field.value, depth)?;
    }
    match message
        .required
        .iter()
        .find(|number| seen & 1 << **number == 0)
    {
        Some(number) => {
            let name = message.rule(*number).map_or("", |rule| rule.name);
            Err(Fault::Missing(name))
        }
        None => Ok(()),
    }
}

fn check_value(
    kind: Kind,
    name: &'static str,
    value: Value<'_>,
    depth: usize,
) -> Result<(), Fault> {
    match (kind, value) {
        (Kind::Bool | Kind::Int64 | Kind::Number, Value::Varint(_))
        | (Kind::Fixed64 | Kind::Double, Value::Fixed64(_))
        | (Kind::Fixed32, Value::Fixed32)
        | (Kind::Bytes, Value::Bytes(_)) => Ok(()),
        (Kind::Text, Value::Bytes(text)) => {
            // Most texts are short and ASCII, which is seen sooner.
            let is_text = text.is_ascii() || std::str::from_utf8(text).is_ok();
            is_text.then_some(()).ok_or(Fault::Utf8(name))
        }
        (Kind::Id(len), Value::Bytes(id)) => {
            let is_id = id.len() == len && id.iter().any(|byte| *byte != 0);
            is_id.then_some(()).ok_or(Fault::Id(name))
        }
        (Kind::MaybeId(len), Value::Bytes(id)) => {
            let may_be = id.is_empty() || id.len() == len;
            may_be.then_some(()).ok_or(Fault::Id(name))
        }
        (Kind::Message(inner), Value::Bytes(bytes)) => check_at(inner, bytes, depth + 1),
        _ => Err(Fault::Type(name)),
    }
}
