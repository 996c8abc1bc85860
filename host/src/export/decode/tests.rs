//! What the contract makes of OTLP.

#![allow(clippy::unwrap_used)]

use opentelemetry_proto::tonic::common::v1 as common;
use opentelemetry_proto::tonic::trace::v1 as trace;

use super::*;

fn any(value: common::any_value::Value) -> Option<common::AnyValue> {
    Some(common::AnyValue { value: Some(value) })
}

fn pair(key: &str, value: common::any_value::Value) -> common::KeyValue {
    common::KeyValue {
        key: key.to_owned(),
        value: any(value),
        ..Default::default()
    }
}

fn span() -> trace::Span {
    trace::Span {
        trace_id: vec![0xab; 16],
        span_id: vec![0, 0, 0, 0, 0, 0, 0, 7],
        ..Default::default()
    }
}

/// What is appended to a span counts over what is in it, and what JSON cannot say is left
/// out or told in base64.
#[test]
fn a_key_is_there_once_and_values_are_what_the_contract_has() {
    use common::any_value::Value::{
        ArrayValue, BoolValue, BytesValue, DoubleValue, IntValue, KvlistValue, StringValue,
    };
    let list = common::KeyValueList {
        values: vec![
            pair("deep", IntValue(1)),
            pair("odd", DoubleValue(f64::NAN)),
        ],
    };
    let array = common::ArrayValue {
        values: vec![
            any(BoolValue(true)).unwrap(),
            any(KvlistValue(list)).unwrap(),
        ],
    };
    let own = trace::Span {
        attributes: vec![
            pair("session.id", StringValue("own".into())),
            pair(KIND, StringValue("agent".into())),
            pair("list", ArrayValue(array)),
            pair("bytes", BytesValue(vec![255, 0])),
            pair("odd", DoubleValue(f64::INFINITY)),
            pair("", IntValue(1)),
            common::KeyValue {
                key: "empty".into(),
                ..Default::default()
            },
        ],
        ..span()
    };
    let more = trace::Span {
        attributes: vec![pair("session.id", StringValue("theirs".into()))],
        ..Default::default()
    };
    let decoded = decode_span(&[&own.encode_to_vec(), &more.encode_to_vec()]).unwrap();
    assert_eq!(decoded.trace_id, "ab".repeat(16));
    assert_eq!(decoded.span_id, "0000000000000007");
    assert_eq!((decoded.kind.as_str(), decoded.parent_id), ("AGENT", None));
    let attributes: Vec<_> = decoded
        .attributes
        .into_iter()
        .map(|attribute| (attribute.key, attribute.value))
        .collect();
    let expected = [
        ("session.id", AttributeValue::Text("theirs".into())),
        (
            "list",
            AttributeValue::Json(r#"[true,{"deep":1,"odd":null}]"#.into()),
        ),
        ("bytes", AttributeValue::Text("/wA=".into())),
    ]
    .map(|(key, value)| (key.to_owned(), value));
    assert_eq!(attributes, expected);
}

/// A span without an id is none; a link without one is left out.
#[test]
fn ids_are_checked() {
    let good = trace::span::Link {
        trace_id: vec![1; 16],
        span_id: vec![2; 8],
        ..Default::default()
    };
    let linked = trace::Span {
        links: vec![trace::span::Link::default(), good],
        ..span()
    };
    let links = decode_span(&[&linked.encode_to_vec()]).unwrap().links;
    let ids: Vec<_> = links.iter().map(|link| link.span_id.as_str()).collect();
    assert_eq!(ids, ["0202020202020202"]);
    let nameless = trace::Span {
        span_id: vec![0; 8],
        ..span()
    };
    let fault = decode_span(&[&nameless.encode_to_vec()]).unwrap_err();
    assert_eq!(fault, DecodeFault::Id("spanId"));
    assert!(matches!(
        decode_span(&[&[10, 99]]),
        Err(DecodeFault::Protobuf(_))
    ));
}

/// A sink that is asked for the same spans twice must see the same order of events.
#[test]
fn events_are_in_the_order_of_time() {
    let at = |time_unix_nano, name: &str| trace::span::Event {
        time_unix_nano,
        name: name.to_owned(),
        ..Default::default()
    };
    let span = trace::Span {
        events: vec![at(3, "c"), at(1, "a"), at(2, "b")],
        ..span()
    };
    let events = decode_span(&[&span.encode_to_vec()]).unwrap().events;
    let names: String = events.into_iter().map(|event| event.name).collect();
    assert_eq!(names, "abc");
}
