//! What is written is read back by the protobuf code that OpenTelemetry generates.
#![allow(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use opentelemetry::trace::{
    SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState,
};
use opentelemetry::{Array, KeyValue, StringValue, Value};
use opentelemetry_proto::tonic::common::v1::any_value::Value as ProtoValue;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue as ProtoPair};
use opentelemetry_proto::tonic::trace::v1::Span;
use proptest::prelude::*;
use prost::Message;

use super::{Preset, SpanEncoder};

fn context(trace: u128, span: u64, remote: bool) -> SpanContext {
    SpanContext::new(
        TraceId::from_bytes(trace.to_be_bytes()),
        SpanId::from_bytes(span.to_be_bytes()),
        TraceFlags::SAMPLED,
        remote,
        TraceState::from_key_value([("vendor", "x")]).unwrap(),
    )
}

fn at(nanos: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_nanos(nanos)
}

fn encoder() -> Box<SpanEncoder> {
    let root = SpanContext::empty_context();
    SpanEncoder::new(
        &context(1, 2, false),
        &root,
        "work".into(),
        &SpanKind::Internal,
        at(10),
    )
}

fn finish(encoder: Box<SpanEncoder>) -> Span {
    let bytes = encoder.finish(at(20));
    Span::decode(bytes.as_slice()).unwrap()
}

/// Every field of a span, an event and a link arrives as it was given.
#[test]
fn a_whole_span_is_read_back() {
    let parent = context(7, 9, true);
    let mut encoder = SpanEncoder::new(
        &context(7, 8, false),
        &parent,
        "ask".into(),
        &SpanKind::Client,
        at(1_000),
    );
    encoder.attribute(&KeyValue::new("llm.model_name", "gpt"));
    encoder.event(
        "exception",
        at(1_500),
        &[KeyValue::new("exception.message", "no")],
    );
    encoder.link(&context(5, 6, true), &[KeyValue::new("why", 1)]);
    encoder.status(Status::error("broken"));
    let bytes = encoder.finish(at(2_000));
    let span = Span::decode(bytes.as_slice()).unwrap();

    assert_eq!(span.trace_id, 7_u128.to_be_bytes());
    assert_eq!(span.span_id, 8_u64.to_be_bytes());
    assert_eq!(span.parent_span_id, 9_u64.to_be_bytes());
    assert_eq!(span.trace_state, "vendor=x");
    assert_eq!(
        span.flags, 0x301,
        "sampled, and the parent is known to be remote"
    );
    assert_eq!(span.name, "ask");
    assert_eq!(span.kind, 3);
    assert_eq!(span.start_time_unix_nano, 1_000);
    assert_eq!(span.end_time_unix_nano, 2_000);
    assert_eq!(span.attributes, [pair("llm.model_name", text("gpt"))]);
    let status = span.status.unwrap();
    assert_eq!((status.code, status.message.as_str()), (2, "broken"));

    let [event] = span.events.as_slice() else {
        panic!("one event")
    };
    assert_eq!(
        (event.name.as_str(), event.time_unix_nano),
        ("exception", 1_500)
    );
    assert_eq!(event.attributes, [pair("exception.message", text("no"))]);
    let [link] = span.links.as_slice() else {
        panic!("one link")
    };
    assert_eq!(link.trace_id, 5_u128.to_be_bytes());
    assert_eq!(link.span_id, 6_u64.to_be_bytes());
    assert_eq!(link.trace_state, "vendor=x");
    assert_eq!(link.flags, 0x301);
    assert_eq!(link.attributes, [pair("why", ProtoValue::IntValue(1))]);
}

/// A root has no parent and a span nobody judged no status.
#[test]
fn what_is_absent_is_not_written() {
    let span = finish(encoder());
    assert!(span.parent_span_id.is_empty());
    assert_eq!(span.flags, 0x101);
    assert_eq!(span.status, None);
    assert_eq!(span.dropped_attributes_count, 0);
}

/// OTLP wants each key once: the last value stands, and nothing else moves.
#[test]
fn a_later_value_replaces_the_earlier_one() {
    let mut encoder = encoder();
    for (key, value) in [("a", 1), ("b", 2), ("c", 3), ("b", 400), ("a", 5)] {
        encoder.attribute(&KeyValue::new(key, value));
        encoder.event(key, at(11), &[KeyValue::new("b", value)]);
    }
    let span = finish(encoder);
    let expected = [("c", 3), ("b", 400), ("a", 5)];
    assert_eq!(
        span.attributes,
        expected.map(|(key, value)| pair(key, ProtoValue::IntValue(value)))
    );
    assert_eq!(span.events.len(), 5);
}

/// Also where there are so many keys that each may have been set before.
#[test]
fn of_many_keys_each_is_there_once() {
    let keys: Vec<_> = (0..1_000)
        .map(|n| format!("llm.input_messages.{n}.message.content"))
        .collect();
    let mut encoder = encoder();
    for value in [7, 300] {
        for key in &keys {
            encoder.attribute(&KeyValue::new(key.clone(), value));
        }
    }
    let expected: Vec<_> = keys
        .iter()
        .map(|key| pair(key, ProtoValue::IntValue(300)))
        .collect();
    assert_eq!(finish(encoder).attributes, expected);
}

/// What is short is written in another way than what is not: around each length where one ends.
#[test]
fn attributes_of_all_lengths_are_read_back() {
    let keys = (1..150).map(|len| KeyValue::new("k".repeat(len), len as i64));
    let texts = (0..150).map(|len| KeyValue::new(format!("text.{len}"), "t".repeat(len)));
    let ints = [-1, 0, 0x7f, 0x80, 0x3fff, 0x4000, i64::MAX, i64::MIN];
    let ints = ints.map(|value| KeyValue::new(format!("int.{value}"), value));
    let attributes: Vec<_> = keys.chain(texts).chain(ints).collect();
    let mut encoder = encoder();
    attributes
        .iter()
        .for_each(|attribute| encoder.attribute(attribute));
    assert_eq!(finish(encoder).attributes, pairs(&attributes));
}

/// What each span of a project begins with is replaced like what was set.
#[test]
fn a_preset_attribute_is_replaced_too() {
    let preset = Preset::new(&[KeyValue::new("a", 1), KeyValue::new("b", 2)]);
    let mut encoder = encoder();
    encoder.preset(&preset);
    encoder.attribute(&KeyValue::new("a", 3));
    let expected = [("b", 2), ("a", 3)];
    assert_eq!(
        finish(encoder).attributes,
        expected.map(|(key, value)| pair(key, ProtoValue::IntValue(value)))
    );
}

/// What backends cannot store is left out and counted, wherever it occurs.
#[test]
fn what_cannot_be_written_is_counted() {
    let bad = [
        KeyValue::new("nan", f64::NAN),
        KeyValue::new(
            "infinite",
            Value::Array(Array::F64(vec![1.0, f64::INFINITY])),
        ),
        KeyValue::new("", "no key"),
    ];
    let mut encoder = encoder();
    bad.iter()
        .for_each(|attribute| encoder.attribute(attribute));
    encoder.attribute(&KeyValue::new("good", 0.5));
    encoder.event("event", at(11), &bad);
    encoder.link(&context(3, 4, false), &bad);
    let span = finish(encoder);
    assert_eq!(
        span.attributes,
        [pair("good", ProtoValue::DoubleValue(0.5))]
    );
    assert_eq!(span.dropped_attributes_count, 3);
    assert_eq!(span.events[0].dropped_attributes_count, 3);
    assert_eq!(span.links[0].dropped_attributes_count, 3);
}

/// A clock that is set back does not make a span of negative length.
#[test]
fn a_span_never_ends_before_it_starts() {
    let bytes = encoder().finish(at(5));
    let span = Span::decode(bytes.as_slice()).unwrap();
    assert_eq!(span.end_time_unix_nano, 10);
}

proptest! {
    /// Whatever the attributes, names and times: what is read back is what was written.
    #[test]
    fn any_span_is_read_back(
        attributes in prop::collection::vec(attribute(), 0..12),
        events in prop::collection::vec((".*", any::<u64>(), prop::collection::vec(attribute(), 0..4)), 0..4),
        links in prop::collection::vec((1_u128.., 1_u64.., prop::collection::vec(attribute(), 0..4)), 0..4),
        name in ".*",
        message in ".*",
        (start, length) in (any::<u64>(), any::<u64>()),
    ) {
        let end = start.saturating_add(length);
        let root = SpanContext::empty_context();
        let mut encoder =
            SpanEncoder::new(&context(1, 2, false), &root, "".into(), &SpanKind::Server, at(start));
        encoder.name(name.clone().into());
        encoder.status(Status::error(message.clone()));
        attributes.iter().for_each(|attribute| encoder.attribute(attribute));
        for (name, time, attributes) in &events {
            encoder.event(name, at(*time), attributes);
        }
        for (trace, span, attributes) in &links {
            encoder.link(&context(*trace, *span, false), attributes);
        }
        let bytes = encoder.finish(at(end));
        let span = Span::decode(bytes.as_slice()).unwrap();

        prop_assert_eq!(span.attributes, last_of_each(&attributes));
        prop_assert_eq!(span.name, name);
        prop_assert_eq!((span.start_time_unix_nano, span.end_time_unix_nano), (start, end));
        prop_assert_eq!(span.status.unwrap().message, message);
        prop_assert_eq!(span.events.len(), events.len());
        for (read, (name, time, attributes)) in span.events.iter().zip(&events) {
            prop_assert_eq!((&read.name, read.time_unix_nano), (name, *time));
            prop_assert_eq!(&read.attributes, &pairs(attributes));
        }
        prop_assert_eq!(span.links.len(), links.len());
        for (read, (trace, id, attributes)) in span.links.iter().zip(&links) {
            prop_assert_eq!(&read.trace_id, &trace.to_be_bytes());
            prop_assert_eq!(&read.span_id, &id.to_be_bytes());
            prop_assert_eq!(&read.attributes, &pairs(attributes));
        }
    }
}

/// Few keys, so that some occur twice.
fn attribute() -> impl Strategy<Value = KeyValue> {
    ("[a-d]{1,2}", value()).prop_map(|(key, value)| KeyValue::new(key, value))
}

fn value() -> impl Strategy<Value = Value> {
    let number = prop::num::f64::NORMAL | prop::num::f64::ZERO;
    let string = || ".*".prop_map(StringValue::from);
    prop_oneof![
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::I64),
        number.prop_map(Value::F64),
        string().prop_map(Value::String),
        list(any::<bool>()).prop_map(|list| Value::Array(Array::Bool(list))),
        list(any::<i64>()).prop_map(|list| Value::Array(Array::I64(list))),
        list(number).prop_map(|list| Value::Array(Array::F64(list))),
        list(string()).prop_map(|list| Value::Array(Array::String(list))),
    ]
}

fn list<T: std::fmt::Debug>(of: impl Strategy<Value = T>) -> impl Strategy<Value = Vec<T>> {
    prop::collection::vec(of, 0..5)
}

fn last_of_each(attributes: &[KeyValue]) -> Vec<ProtoPair> {
    let is_last = |at: usize, key: &opentelemetry::Key| {
        attributes
            .iter()
            .skip(at + 1)
            .all(|later| later.key != *key)
    };
    let last: Vec<_> = attributes
        .iter()
        .enumerate()
        .filter(|(at, attribute)| is_last(*at, &attribute.key))
        .map(|(_, attribute)| attribute.clone())
        .collect();
    pairs(&last)
}

fn pairs(attributes: &[KeyValue]) -> Vec<ProtoPair> {
    attributes
        .iter()
        .map(|attribute| pair(attribute.key.as_str(), proto(&attribute.value)))
        .collect()
}

fn pair(key: &str, value: ProtoValue) -> ProtoPair {
    ProtoPair {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(value) }),
        ..ProtoPair::default()
    }
}

fn text(value: &str) -> ProtoValue {
    ProtoValue::StringValue(value.to_owned())
}

fn proto(value: &Value) -> ProtoValue {
    match value {
        Value::Bool(value) => ProtoValue::BoolValue(*value),
        Value::I64(value) => ProtoValue::IntValue(*value),
        Value::F64(value) => ProtoValue::DoubleValue(*value),
        Value::String(value) => text(value.as_str()),
        Value::Array(Array::Bool(list)) => array(list.iter().map(|v| ProtoValue::BoolValue(*v))),
        Value::Array(Array::I64(list)) => array(list.iter().map(|v| ProtoValue::IntValue(*v))),
        Value::Array(Array::F64(list)) => array(list.iter().map(|v| ProtoValue::DoubleValue(*v))),
        Value::Array(Array::String(list)) => array(list.iter().map(|v| text(v.as_str()))),
        other => panic!("no such value is generated: {other:?}"),
    }
}

fn array(values: impl Iterator<Item = ProtoValue>) -> ProtoValue {
    let values = values
        .map(|value| AnyValue { value: Some(value) })
        .collect();
    ProtoValue::ArrayValue(ArrayValue { values })
}
