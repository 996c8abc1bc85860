//! What options hold, checked as they are read.

use roost::contract::DatasetRef;
use serde_json::{Map, Value};

/// A text that is not empty.
pub(super) use clap::builder::NonEmptyStringValueParser as NonEmpty;

/// A span's id, in the case of the contract.
pub(super) fn span_id(text: &str) -> Result<String, String> {
    hexadecimal(text, 16, "a span id")
}

/// A trace's id, in the case of the contract.
pub(super) fn trace_id(text: &str) -> Result<String, String> {
    hexadecimal(text, 32, "a trace id")
}

fn hexadecimal(text: &str, digits: usize, what: &str) -> Result<String, String> {
    if text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(text.to_ascii_lowercase());
    }
    Err(format!("{what} has {digits} hexadecimal digits"))
}

/// A number that is neither infinite nor none.
pub(super) fn finite(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(number),
        _ => Err("this is a finite number".to_owned()),
    }
}

/// A JSON object, as the text it is.
pub(super) fn object(text: &str) -> Result<String, String> {
    match serde_json::from_str::<Map<String, Value>>(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(format!("this is a JSON object: {error}")),
    }
}

/// `name=value`.
pub(super) fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("say NAME=VALUE".to_owned()),
    }
}

/// `name=number`.
pub(super) fn measure(text: &str) -> Result<(String, f64), String> {
    let (name, value) = pair(text)?;
    Ok((name, finite(&value)?))
}

/// A dataset: its name, or `id:` and its id.
pub(super) fn dataset(text: &str) -> Result<DatasetRef, String> {
    match text.strip_prefix("id:") {
        Some("") => Err("say which id: id:ID".to_owned()),
        Some(id) => Ok(DatasetRef::Id(id.to_owned())),
        None if text.trim().is_empty() => Err("say the dataset's name, or id:ID".to_owned()),
        None => Ok(DatasetRef::Name(text.to_owned())),
    }
}

/// A dataset as messages call it.
pub(super) fn dataset_name(dataset: &DatasetRef) -> String {
    match dataset {
        DatasetRef::Id(id) => format!("dataset id:{id}"),
        DatasetRef::Name(name) => format!("dataset {name}"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn ids_are_taken_in_either_case() {
        assert_eq!(span_id("B7AD6B7169203331").unwrap(), "b7ad6b7169203331");
        assert!(trace_id("b7ad6b7169203331").is_err());
        assert!(span_id("b7ad6b716920333x").is_err());
    }

    #[test]
    fn a_pair_is_parted_at_its_first_sign() {
        assert_eq!(pair("a=b=c").unwrap(), ("a".to_owned(), "b=c".to_owned()));
        assert_eq!(measure("f1=0.5").unwrap(), ("f1".to_owned(), 0.5));
        for text in ["a", "=1", "a=", "a=nan", "a=inf"] {
            assert!(measure(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_dataset_is_named_or_has_an_id() {
        assert_eq!(dataset("qa").unwrap(), DatasetRef::Name("qa".to_owned()));
        assert_eq!(dataset("id:x").unwrap(), DatasetRef::Id("x".to_owned()));
        assert!(dataset("id:").is_err() && dataset(" ").is_err());
    }
}
