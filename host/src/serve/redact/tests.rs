//! What rules make of spans, read by another decoder.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use futures_util::FutureExt as _;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue, KeyValueList};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link};
use prost::Message;

use super::*;
use crate::config::Config;

fn redactor(rules: &str) -> Redactor {
    let text = format!("redaction.hash_secret = \"s3cret\"\n{rules}");
    let config = Config::from_toml(&text, "roost.toml").unwrap();
    config.validate().unwrap();
    let made = Redactor::new(&config.redaction).now_or_never();
    made.expect("a literal secret is there at once").unwrap()
}

fn value(value: Value) -> Option<AnyValue> {
    Some(AnyValue { value: Some(value) })
}

fn pair(key: &str, inner: Value) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: value(inner),
        ..KeyValue::default()
    }
}

fn text(key: &str, text: &str) -> KeyValue {
    pair(key, Value::StringValue(text.to_owned()))
}

fn span(attributes: Vec<KeyValue>) -> Span {
    Span {
        trace_id: vec![1; 16],
        span_id: vec![2; 8],
        name: "ann@acme.example asks".to_owned(),
        attributes,
        ..Span::default()
    }
}

fn redacted(redactor: &Redactor, span: &Span) -> Span {
    Span::decode(&*redactor.span(&span.encode_to_vec())).unwrap()
}

/// The attributes after a rule, by key.
fn after(rules: &str, attributes: Vec<KeyValue>) -> Vec<(String, Value)> {
    let span = redacted(&redactor(rules), &span(attributes));
    let pairs = span.attributes.into_iter();
    pairs
        .map(|pair| (pair.key, pair.value.unwrap().value.unwrap()))
        .collect()
}

fn texts(pairs: &[(&str, &str)]) -> Vec<(String, Value)> {
    let pairs = pairs.iter();
    pairs
        .map(|(key, text)| ((*key).to_owned(), Value::StringValue((*text).to_owned())))
        .collect()
}

#[test]
fn a_span_no_rule_is_about_is_handed_on_without_a_copy() {
    let redactor = redactor(r#"redaction.rules = [{ key = "user.*", action = "drop" }]"#);
    let bytes = span(vec![text("a", "b")]).encode_to_vec();
    assert_eq!(redactor.span(&bytes).as_ptr(), bytes.as_ptr());
}

#[test]
fn a_key_is_a_text_or_a_pattern_of_the_whole_key() {
    let rules = r#"redaction.rules = [
        { key = "password", action = "drop" },
        { key = "user.*", action = "drop" },
    ]"#;
    let attributes = ["password", "password2", "user.email", "user", "a.user.b"];
    let left = after(rules, attributes.map(|key| text(key, "x")).to_vec());
    assert_eq!(
        left,
        texts(&[("password2", "x"), ("user", "x"), ("a.user.b", "x")])
    );
}

#[test]
fn each_action_does_what_it_says() {
    let rules = r#"redaction.rules = [
        { key = "hash", action = "hash" },
        { key = "cut", action = { truncate = 2 } },
        { key = "swap", action = { replace = "[gone]" } },
    ]"#;
    let attributes = vec![
        text("hash", "ann"),
        pair("hash", Value::IntValue(7)),
        text("cut", "日本語"),
        text("cut", "ab"),
        pair("cut", Value::BytesValue(vec![1, 2, 3])),
        pair("cut", Value::IntValue(1_000)),
        pair("swap", Value::BoolValue(true)),
    ];
    let left = after(rules, attributes);
    // printf ann | openssl dgst -sha256 -hmac s3cret
    let ann = "1d1914399cc4a1d1dc0f159ec30c59ed";
    let seven = "f915ee12a38620754f99a33609612aeb";
    let mut wanted = texts(&[
        ("hash", ann),
        ("hash", seven),
        ("cut", "日本"),
        ("cut", "ab"),
    ]);
    wanted.push(("cut".to_owned(), Value::BytesValue(vec![1, 2])));
    wanted.push(("cut".to_owned(), Value::IntValue(1_000)));
    wanted.extend(texts(&[("swap", "[gone]")]));
    assert_eq!(left, wanted);
}

#[test]
fn a_pattern_redacts_what_it_matches_and_leaves_the_rest() {
    let rules = r#"redaction.rules = [
        { value = '[\w.]+@[\w.]+', action = { replace = "$0 [mail]" } },
        { value = '\b\d{16}\b', action = { truncate = 4 } },
        { key = "note", value = "secret", action = "drop" },
    ]"#;
    let attributes = vec![
        text("input.value", "ann@acme.example and bob@acme.example paid"),
        pair("card", Value::IntValue(4_111_111_111_111_111)),
        pair("raw", Value::BytesValue(b"to ann@acme.example".to_vec())),
        text("note", "a secret"),
        text("note", "no such thing"),
        pair("count", Value::IntValue(7)),
    ];
    let mut wanted = texts(&[
        ("input.value", "$0 [mail] and $0 [mail] paid"),
        ("card", "4111"),
        ("raw", "to $0 [mail]"),
        ("note", "no such thing"),
    ]);
    wanted.push(("count".to_owned(), Value::IntValue(7)));
    assert_eq!(after(rules, attributes), wanted);
}

#[test]
fn rules_apply_one_after_the_other() {
    let rules = r#"redaction.rules = [
        { key = "a", action = { replace = "ann@acme.example" } },
        { value = '@.*', action = { replace = "" } },
    ]"#;
    let left = after(rules, vec![text("a", "x")]);
    assert_eq!(left, texts(&[("a", "ann")]));
}

#[test]
fn attributes_in_attributes_have_paths_for_keys() {
    let rules = r#"redaction.rules = [
        { key = "user.password", action = "drop" },
        { key = "users", value = "ann", action = { replace = "somebody" } },
    ]"#;
    let list = |pairs| Value::KvlistValue(KeyValueList { values: pairs });
    let array = |values: Vec<Value>| {
        let values = values.into_iter().map(|inner| value(inner).unwrap());
        Value::ArrayValue(ArrayValue {
            values: values.collect(),
        })
    };
    let of = |name: &str| Value::StringValue(name.to_owned());
    let attributes = vec![
        pair(
            "user",
            list(vec![text("name", "ann"), text("password", "x")]),
        ),
        pair(
            "users",
            array(vec![of("ann"), list(vec![text("id", "ann1")])]),
        ),
    ];
    let wanted = vec![
        ("user".to_owned(), list(vec![text("name", "ann")])),
        (
            "users".to_owned(),
            array(vec![of("somebody"), list(vec![text("id", "somebody1")])]),
        ),
    ];
    assert_eq!(after(rules, attributes), wanted);
}

#[test]
fn attributes_of_events_links_and_resources_are_seen_and_nothing_else_is() {
    let redactor = redactor(r#"redaction.rules = [{ value = "ann", action = { replace = "x" } }]"#);
    let secret = || vec![text("who", "ann")];
    let before = Span {
        events: vec![Event {
            name: "ann".to_owned(),
            time_unix_nano: 7,
            attributes: secret(),
            ..Event::default()
        }],
        links: vec![Link {
            trace_id: vec![3; 16],
            span_id: vec![4; 8],
            attributes: secret(),
            ..Link::default()
        }],
        ..span(secret())
    };
    let mut wanted = before.clone();
    wanted.attributes = vec![text("who", "x")];
    wanted.events[0].attributes = vec![text("who", "x")];
    wanted.links[0].attributes = vec![text("who", "x")];
    assert_eq!(redacted(&redactor, &before), wanted);

    let resource = Resource {
        attributes: secret(),
        ..Resource::default()
    };
    let resource = resource.encode_to_vec();
    let resource = Resource::decode(&*redactor.resource(&resource)).unwrap();
    assert_eq!(resource.attributes, vec![text("who", "x")]);
}

#[test]
fn what_no_rule_can_read_does_not_leave_in_an_attribute() {
    use super::super::wire::put_bytes;

    // Fields of a later version, in the pair, in its value, and in a value inside.
    let mut inner = AnyValue {
        value: Some(Value::StringValue("kept".to_owned())),
    }
    .encode_to_vec();
    put_bytes(15, b"hidden", &mut inner);
    let (mut array, mut any, mut pair) = (Vec::new(), Vec::new(), Vec::new());
    put_bytes(1, &inner, &mut array);
    put_bytes(2, b"hidden", &mut array);
    put_bytes(5, &array, &mut any);
    put_bytes(15, b"hidden", &mut any);
    put_bytes(1, b"list", &mut pair);
    put_bytes(2, &any, &mut pair);
    put_bytes(15, b"hidden", &mut pair);
    let mut bytes = span(Vec::new()).encode_to_vec();
    put_bytes(9, &pair, &mut bytes);

    let rules = "redaction.rules = [{ key = \"other\", action = \"drop\" }]";
    let (none, redactor) = (redactor(""), redactor(rules));
    let left = redactor.span(&bytes);
    assert!(!left.windows(6).any(|part| part == b"hidden"));
    assert_eq!(
        Span::decode(&*left).unwrap(),
        Span::decode(bytes.as_slice()).unwrap()
    );
    assert_eq!(*none.span(&bytes), bytes);
}
