//! OTLP's `AnyValue` as MLflow writes it in JSON: `{"int_value": 5}`, and `{}` for null.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};
use serde_json::{Map, Number, Value};

/// A value.
#[derive(Debug, PartialEq)]
pub(crate) enum AnyValue {
    Null,
    Text(String),
    Boolean(bool),
    Integer(i64),
    Number(f64),
    Nested(Nested),
}

/// An array or an object.
#[derive(Debug, PartialEq)]
pub(crate) struct Nested(Value);

impl Nested {
    /// Whether it is an array without arrays and objects in it.
    pub(crate) fn is_flat_list(&self) -> bool {
        let nested = |value: &Value| value.is_array() || value.is_object();
        self.0
            .as_array()
            .is_some_and(|values| !values.iter().any(nested))
    }

    pub(crate) fn into_text(self) -> String {
        self.0.to_string()
    }
}

impl From<AnyValue> for Value {
    fn from(value: AnyValue) -> Self {
        match value {
            AnyValue::Null => Self::Null,
            AnyValue::Text(text) => Self::String(text),
            AnyValue::Boolean(value) => Self::Bool(value),
            AnyValue::Integer(number) => Self::Number(number.into()),
            AnyValue::Number(number) => Number::from_f64(number).map_or(Self::Null, Self::Number),
            AnyValue::Nested(Nested(value)) => value,
        }
    }
}

impl<'de> Deserialize<'de> for AnyValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(AnyValueVisitor)
    }
}

struct AnyValueVisitor;

impl<'de> Visitor<'de> for AnyValueVisitor {
    type Value = AnyValue;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an AnyValue of OTLP")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<AnyValue, A::Error> {
        #[derive(Deserialize)]
        struct List {
            #[serde(default)]
            values: Vec<AnyValue>,
        }
        #[derive(Deserialize)]
        struct Pairs {
            #[serde(default)]
            values: Vec<Pair>,
        }
        #[derive(Deserialize)]
        struct Pair {
            key: String,
            #[serde(default = "null")]
            value: AnyValue,
        }
        fn null() -> AnyValue {
            AnyValue::Null
        }

        let mut found = AnyValue::Null;
        while let Some(key) = map.next_key::<String>()? {
            found = match key.as_str() {
                // Bytes come in base64, and stay.
                "string_value" | "bytes_value" => AnyValue::Text(map.next_value()?),
                "bool_value" => AnyValue::Boolean(map.next_value()?),
                "int_value" => {
                    AnyValue::Integer(integer(&map.next_value()?).ok_or_else(|| {
                        A::Error::custom("int_value is no whole number of 64 bits")
                    })?)
                }
                // Written as a text when it is none that JSON has.
                "double_value" => match map.next_value::<Value>()?.as_f64() {
                    Some(number) => AnyValue::Number(number),
                    None => AnyValue::Null,
                },
                "array_value" => {
                    let list = map.next_value::<List>()?.values.into_iter();
                    AnyValue::Nested(Nested(list.map(Value::from).collect()))
                }
                "kvlist_value" => {
                    let pairs = map.next_value::<Pairs>()?.values.into_iter();
                    let object: Map<String, Value> =
                        pairs.map(|pair| (pair.key, pair.value.into())).collect();
                    AnyValue::Nested(Nested(Value::Object(object)))
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
        }
        Ok(found)
    }
}

/// A number, or a text that is one, as protobuf writes 64 bits in JSON.
fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::String(text) => text.parse().ok(),
        other => other.as_i64(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn every_type_is_read_and_none_is_rounded() {
        for (json, expected) in [
            ("{}", AnyValue::Null),
            (r#"{"string_value":"5"}"#, AnyValue::Text("5".into())),
            (r#"{"bool_value":true}"#, AnyValue::Boolean(true)),
            (
                r#"{"int_value":4611686018427387905}"#,
                AnyValue::Integer(4_611_686_018_427_387_905),
            ),
            (r#"{"int_value":"-7"}"#, AnyValue::Integer(-7)),
            (r#"{"double_value":1.0}"#, AnyValue::Number(1.0)),
            (r#"{"double_value":"NaN"}"#, AnyValue::Null),
        ] {
            assert_eq!(serde_json::from_str::<AnyValue>(json).unwrap(), expected);
        }
    }

    #[test]
    fn arrays_and_objects_become_json() {
        let json = r#"{"array_value":{"values":[{"string_value":"x"},{},{"kvlist_value":{"values":[{"key":"a","value":{"int_value":1}}]}}]}}"#;
        let AnyValue::Nested(list) = serde_json::from_str(json).unwrap() else {
            unreachable!("no list")
        };
        assert!(!list.is_flat_list());
        assert_eq!(list.into_text(), r#"["x",null,{"a":1}]"#);
        let json = r#"{"array_value":{"values":[{"int_value":2}]}}"#;
        let AnyValue::Nested(list) = serde_json::from_str(json).unwrap() else {
            unreachable!("no list")
        };
        assert!(list.is_flat_list());
        assert_eq!(
            serde_json::from_str::<AnyValue>(r#"{"array_value":{}}"#).unwrap(),
            AnyValue::Nested(Nested(Value::Array(vec![])))
        );
    }
}
