//! OTLP as JSON, turned into protobuf, so that all that comes after knows one form.
//!
//! The rules are OTLP's: names in lowerCamelCase, ids in hexadecimal, enumerations as numbers,
//! whole numbers of 64 bits as numbers or texts; unknown names and `null` count as not there.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use serde_json::{Map, Value as Json};

use super::check::MAX_DEPTH;
use super::fields::{put_bytes, put_varint};
use super::request::Refused;
use super::schema::{Kind, Message, REQUEST, Rule, SPAN};

/// Why JSON is no export request.
#[derive(Debug, thiserror::Error)]
pub(in crate::serve) enum JsonFault {
    /// It is no JSON.
    #[error("the body is no JSON: {0}")]
    Syntax(#[from] serde_json::Error),
    /// A value is of the wrong kind.
    #[error("`{name}` has to be {wanted}")]
    Value {
        /// The name.
        name: &'static str,
        /// What it has to be.
        wanted: &'static str,
    },
}

/// The `ExportTraceServiceRequest` message of a JSON body. A span that is none is refused.
pub(in crate::serve) fn from_json(
    body: &[u8],
    refused: &mut Refused,
) -> Result<Vec<u8>, JsonFault> {
    let mut out = Vec::with_capacity(body.len());
    match serde_json::from_slice(body)? {
        Json::Object(request) => put_message(&REQUEST, &request, 0, &mut out, refused)?,
        _ => return Err(wrong("body", "an object")),
    }
    Ok(out)
}

fn put_message(
    message: &'static Message,
    object: &Map<String, Json>,
    depth: usize,
    out: &mut Vec<u8>,
    refused: &mut Refused,
) -> Result<(), JsonFault> {
    for (number, rule) in (1..).zip(message.fields) {
        let Some(rule) = rule else { continue };
        match object.get(rule.name) {
            None | Some(Json::Null) => {}
            Some(Json::Array(items)) if rule.repeated => {
                let is_spans =
                    matches!(rule.kind, Kind::Message(inner) if std::ptr::eq(inner, &SPAN));
                for item in items {
                    let start = out.len();
                    match put_value(number, rule, item, depth, out, refused) {
                        Err(fault) if is_spans => {
                            out.truncate(start);
                            refused.add(1, format_args!("a span is malformed: {fault}"));
                        }
                        done => done?,
                    }
                }
            }
            Some(_) if rule.repeated => return Err(wrong(rule.name, "a list")),
            Some(value) => put_value(number, rule, value, depth, out, refused)?,
        }
    }
    Ok(())
}

fn put_value(
    number: u32,
    rule: &Rule,
    value: &Json,
    depth: usize,
    out: &mut Vec<u8>,
    refused: &mut Refused,
) -> Result<(), JsonFault> {
    let wrong = |wanted| wrong(rule.name, wanted);
    let tag = |wire, out: &mut Vec<u8>| put_varint(u64::from(number << 3 | wire), out);
    match rule.kind {
        Kind::Bool => {
            let value = value.as_bool().ok_or_else(|| wrong("true or false"))?;
            tag(0, out);
            out.push(value.into());
        }
        Kind::Int64 => {
            let value: i64 = whole(value).ok_or_else(|| wrong("a whole number of 64 bits"))?;
            tag(0, out);
            put_varint(value.cast_unsigned(), out);
        }
        Kind::Number => {
            let value: u32 = whole(value).ok_or_else(|| wrong("a whole number of 32 bits"))?;
            tag(0, out);
            put_varint(value.into(), out);
        }
        Kind::Fixed64 => {
            let value: u64 = whole(value).ok_or_else(|| wrong("a whole number of 64 bits"))?;
            tag(1, out);
            out.extend_from_slice(&value.to_le_bytes());
        }
        Kind::Fixed32 => {
            let value: u32 = whole(value).ok_or_else(|| wrong("a whole number of 32 bits"))?;
            tag(5, out);
            out.extend_from_slice(&value.to_le_bytes());
        }
        Kind::Double => {
            // Texts are for infinities, and for what is no number.
            let text = value.as_str().and_then(|text| text.parse().ok());
            let value: f64 = value.as_f64().or(text).ok_or_else(|| wrong("a number"))?;
            tag(1, out);
            out.extend_from_slice(&value.to_le_bytes());
        }
        Kind::Text => {
            let text = value.as_str().ok_or_else(|| wrong("a text"))?;
            put_bytes(number, text.as_bytes(), out);
        }
        Kind::Bytes => {
            let bytes = value.as_str().and_then(base64);
            put_bytes(
                number,
                &bytes.ok_or_else(|| wrong("a text in base64"))?,
                out,
            );
        }
        Kind::Id(_) | Kind::MaybeId(_) => {
            let id = value.as_str().and_then(hex);
            put_bytes(number, &id.ok_or_else(|| wrong("hexadecimal digits"))?, out);
        }
        Kind::Message(inner) => {
            let object = value.as_object().ok_or_else(|| wrong("an object"))?;
            if depth >= MAX_DEPTH {
                return Err(wrong("less deep"));
            }
            let mut message = Vec::new();
            put_message(inner, object, depth + 1, &mut message, refused)?;
            put_bytes(number, &message, out);
        }
    }
    Ok(())
}

fn wrong(name: &'static str, wanted: &'static str) -> JsonFault {
    JsonFault::Value { name, wanted }
}

/// A whole number, as a number or as a text.
fn whole<T: std::str::FromStr>(value: &Json) -> Option<T> {
    match value {
        Json::Number(number) => number.to_string().parse().ok(),
        Json::String(text) => text.parse().ok(),
        _ => None,
    }
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else {
        return None;
    };
    pairs
        .iter()
        .map(|[high, low]| u8::try_from(digit(high)? << 4 | digit(low)?).ok())
        .collect()
}

/// Both alphabets are in use, and the padding is often left out.
fn base64(text: &str) -> Option<Vec<u8>> {
    const LENIENT: GeneralPurposeConfig =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
    const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);
    STANDARD
        .decode(text)
        .or_else(|_| URL_SAFE.decode(text))
        .ok()
}
