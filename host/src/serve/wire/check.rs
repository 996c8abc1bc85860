//! Checking a message against what it should be.
//!
//! What passes here, every decoder reads, and reads alike: encodings that protobuf allows and
//! nobody writes, such as a key that is there twice and of which the last counts, are refused,
//! so that what is redacted is what a backend will see.

use super::fields::next;
use super::schema::{Kind, Message};
use super::{Fault, Value};

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
    let mut rest = bytes;
    loop {
        if depth < MAX_DEPTH - 1 {
            skip_usual_attributes(message, &mut rest);
        }
        if rest.is_empty() {
            break;
        }
        let field = next(&mut rest)?;
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
        (Kind::Text, Value::Bytes(text)) => is_text(text).then_some(()).ok_or(Fault::Utf8(name)),
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

fn is_text(bytes: &[u8]) -> bool {
    is_ascii(bytes) || std::str::from_utf8(bytes).is_ok()
}

/// Most texts are ASCII and so short that the library's way would take several times as long.
#[inline]
fn is_ascii(bytes: &[u8]) -> bool {
    let (words, rest) = bytes.as_chunks();
    let rest = match bytes.last_chunk() {
        // With some of the words before once more.
        Some(last) => u64::from_ne_bytes(*last),
        None => rest.iter().fold(0, |all, byte| all | u64::from(*byte)),
    };
    let all = words
        .iter()
        .fold(rest, |all, word| all | u64::from_ne_bytes(*word));
    all & 0x8080_8080_8080_8080 == 0
}

/// Goes past attributes that are valid and [as nearly all are](is_usual_pair).
#[inline]
fn skip_usual_attributes(message: &Message, rest: &mut &[u8]) {
    let Some(key) = message.attributes else {
        return;
    };
    while let Some((pair, after)) = short(key, rest)
        && is_usual_pair(pair)
    {
        *rest = after;
    }
}

/// Whether this is a valid `KeyValue` as nearly all are, which are most of a span: a key and a value
/// that is no array or list, each with its length in one byte. Field by field, as the others are
/// looked at, it would take several times as long.
fn is_usual_pair(pair: &[u8]) -> bool {
    let Some((key, value)) = short(0x0a, pair) else {
        return false;
    };
    let Some((value, [])) = short(0x12, value) else {
        return false;
    };
    // Of the whole pair in one go, where that is enough.
    let is_ascii = is_ascii(pair);
    let is_value = match value {
        [0x0a, len @ ..0x80, text @ ..] => {
            text.len() == usize::from(*len) && (is_ascii || is_text(text))
        }
        // Its last byte, and no other, says that it is the last.
        [0x10 | 0x18, number @ .., 0..0x80] => {
            number.len() < 9 && number.iter().all(|byte| *byte >= 0x80)
        }
        [0x21, bits @ ..] => bits.len() == size_of::<f64>(),
        _ => false,
    };
    is_value && (is_ascii || is_text(key))
}

/// What is in the length-delimited field with this key of one byte, and what follows.
fn short(key: u8, bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    match bytes {
        [first, len @ ..0x80, rest @ ..] if *first == key => rest.split_at_checked((*len).into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing)]

    use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
    use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
    use proptest::prelude::*;
    use prost::Message as _;

    use super::super::schema::KEY_VALUE;
    use super::*;

    fn pair(key: String, value: Any) -> Vec<u8> {
        let value = Some(AnyValue { value: Some(value) });
        let pair = KeyValue {
            key,
            value,
            ..KeyValue::default()
        };
        pair.encode_to_vec()
    }

    #[test]
    fn short_texts_numbers_and_truths_are_usual() {
        for value in [
            Any::StringValue("gpt-4o".to_owned()),
            Any::BoolValue(false),
            Any::IntValue(0),
            Any::IntValue(i64::MAX),
            Any::DoubleValue(0.5),
        ] {
            assert!(
                is_usual_pair(&pair("key".to_owned(), value.clone())),
                "{value:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn ascii_is_what_the_library_says(text in prop::collection::vec(0_u8..0x82, 0..40)) {
            prop_assert_eq!(is_ascii(&text), text.is_ascii());
        }

        /// With any byte of it another.
        #[test]
        fn what_seems_usual_is_valid_field_by_field(
            key in ".{1,6}",
            value in prop_oneof![
                ".{0,6}".prop_map(Any::StringValue),
                any::<bool>().prop_map(Any::BoolValue),
                any::<i64>().prop_map(Any::IntValue),
                any::<f64>().prop_map(Any::DoubleValue),
            ],
            place in any::<prop::sample::Index>(),
            byte in any::<u8>(),
        ) {
            let mut pair = pair(key, value);
            let place = place.index(pair.len());
            pair[place] = byte;
            if is_usual_pair(&pair) {
                prop_assert_eq!(check(&KEY_VALUE, &pair), Ok(()));
            }
        }
    }
}
