//! The walk beside prost: what one takes the other reads, and reads alike.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use proptest::collection::vec;
use proptest::prelude::*;
use prost::Message;

use super::*;

fn any_value() -> impl Strategy<Value = AnyValue> {
    let leaf = prop_oneof![
        ".{0,8}".prop_map(Any::StringValue),
        any::<bool>().prop_map(Any::BoolValue),
        any::<i64>().prop_map(Any::IntValue),
        any::<i32>().prop_map(|number| Any::DoubleValue(number.into())),
        vec(any::<u8>(), 0..8).prop_map(Any::BytesValue),
    ];
    let whole = |value| AnyValue { value: Some(value) };
    leaf.prop_map(whole).prop_recursive(3, 8, 3, move |inner| {
        let pairs = vec((".{0,4}", inner.clone()), 0..3).prop_map(|pairs| {
            let values = pairs.into_iter().map(|(key, value)| KeyValue {
                key,
                value: Some(value),
                ..KeyValue::default()
            });
            Any::KvlistValue(KeyValueList {
                values: values.collect(),
            })
        });
        let array = vec(inner, 0..3).prop_map(|values| Any::ArrayValue(ArrayValue { values }));
        prop_oneof![pairs, array].prop_map(whole)
    })
}

fn attributes() -> impl Strategy<Value = Vec<KeyValue>> {
    let pairs = vec((".{0,8}", any_value()), 0..3);
    pairs.prop_map(|pairs| {
        let pairs = pairs.into_iter();
        pairs
            .map(|(key, value)| KeyValue {
                key,
                value: Some(value),
                ..KeyValue::default()
            })
            .collect()
    })
}

prop_compose! {
    fn span()(
        trace in 1_u128..,
        id in 1_u64..,
        name in ".{0,8}",
        times in any::<(u64, u64)>(),
        kind in 0..6,
        attributes in attributes(),
        inner in (attributes(), attributes()),
        code in 0..3,
        flags in any::<u32>(),
    ) -> Span {
        Span {
            trace_id: trace.to_be_bytes().to_vec(),
            span_id: id.to_be_bytes().to_vec(),
            trace_state: "a=b".to_owned(),
            parent_span_id: if kind == 0 { Vec::new() } else { vec![7; 8] },
            name,
            kind,
            start_time_unix_nano: times.0,
            end_time_unix_nano: times.1,
            attributes,
            dropped_attributes_count: flags,
            events: vec![Event {
                time_unix_nano: times.0,
                name: "e".to_owned(),
                attributes: inner.0,
                dropped_attributes_count: 1,
            }],
            links: vec![Link {
                trace_id: trace.to_be_bytes().to_vec(),
                span_id: id.to_be_bytes().to_vec(),
                attributes: inner.1,
                ..Link::default()
            }],
            status: Some(Status { message: "s".to_owned(), code }),
            flags,
            ..Span::default()
        }
    }
}

prop_compose! {
    fn request()(groups in vec((attributes(), vec(vec(span(), 0..3), 0..3)), 0..3))
        -> ExportTraceServiceRequest
    {
        let groups = groups.into_iter().map(|(attributes, scopes)| ResourceSpans {
            resource: Some(Resource { attributes, ..Resource::default() }),
            scope_spans: scopes.into_iter().map(|spans| ScopeSpans {
                scope: Some(InstrumentationScope { name: "lib".to_owned(), ..Default::default() }),
                spans,
                ..ScopeSpans::default()
            }).collect(),
            ..ResourceSpans::default()
        });
        ExportTraceServiceRequest { resource_spans: groups.collect() }
    }
}

/// Every span with its resource, as cut and then decoded.
fn decoded(groups: &[request::ResourceSpans]) -> Vec<(Resource, Span)> {
    let mut spans = Vec::new();
    for group in groups {
        let resource = Resource::decode(group.resource).unwrap();
        for scope in &group.scopes {
            InstrumentationScope::decode(scope.scope).unwrap();
            for span in &scope.spans {
                spans.push((resource.clone(), Span::decode(*span).unwrap()));
            }
        }
    }
    spans
}

fn expected(request: &ExportTraceServiceRequest) -> Vec<(Resource, Span)> {
    let mut spans = Vec::new();
    for group in &request.resource_spans {
        for span in group.scope_spans.iter().flat_map(|scope| &scope.spans) {
            spans.push((group.resource.clone().unwrap_or_default(), span.clone()));
        }
    }
    spans
}

proptest! {
    #[test]
    fn a_valid_request_is_cut_into_the_spans_it_has(request in request()) {
        let mut refused = Refused::default();
        let bytes = request.encode_to_vec();
        let groups = cut(&bytes, &mut refused).unwrap();
        prop_assert_eq!(&refused, &Refused::default());
        // Bit for bit, since a number that is none is not equal to itself.
        let wanted: Vec<_> = expected(&request).iter().map(|(_, span)| span.encode_to_vec()).collect();
        let spans: Vec<_> = decoded(&groups).iter().map(|(_, span)| span.encode_to_vec()).collect();
        prop_assert_eq!(spans, wanted);
    }

    /// Bytes are changed, cut off and put in: whatever is still taken, prost reads too, and every
    /// span it is told of is one that prost finds in the request.
    #[test]
    fn what_is_taken_of_a_mangled_request_prost_reads_alike(
        request in request(),
        edits in vec((any::<prop::sample::Index>(), any::<u8>(), 0..3), 1..6),
    ) {
        let mut bytes = request.encode_to_vec();
        for (at, byte, edit) in edits {
            if bytes.is_empty() {
                break;
            }
            let at = at.index(bytes.len());
            match edit {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ => { bytes.remove(at); }
            }
        }
        let mut refused = Refused::default();
        let Ok(groups) = cut(&bytes, &mut refused) else {
            return Ok(());
        };
        let taken = decoded(&groups);
        // prost gives up a whole request for a resource that has no spans.
        if refused.spans == 0
            && let Ok(theirs) = ExportTraceServiceRequest::decode(bytes.as_slice())
        {
            let theirs: Vec<_> = expected(&theirs).iter().map(|(_, span)| span.encode_to_vec()).collect();
            let ours: Vec<_> = taken.iter().map(|(_, span)| span.encode_to_vec()).collect();
            prop_assert_eq!(ours, theirs);
        }
        for (_, span) in taken {
            prop_assert!(span.trace_id.len() == 16 && span.span_id.len() == 8);
        }
    }

    #[test]
    fn any_bytes_at_all_are_an_answer(bytes in vec(any::<u8>(), 0..200)) {
        let _ = cut(&bytes, &mut Refused::default());
        let _ = from_json(&bytes, &mut Refused::default());
    }
}

fn one(span: Span) -> Bytes {
    several(vec![span])
}

fn several(spans: Vec<Span>) -> Bytes {
    let request = ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            scope_spans: vec![ScopeSpans {
                spans,
                ..ScopeSpans::default()
            }],
            ..ResourceSpans::default()
        }],
    };
    request.encode_to_vec().into()
}

fn sound(id: u8) -> Span {
    Span {
        trace_id: vec![1; 16],
        span_id: vec![id; 8],
        ..Span::default()
    }
}

#[test]
fn a_bad_span_loses_itself_alone() {
    let bad = [
        (
            Span {
                trace_id: vec![1; 15],
                ..sound(9)
            },
            "`traceId` is no id",
        ),
        (
            Span {
                span_id: vec![0; 8],
                ..sound(9)
            },
            "`spanId` is no id",
        ),
        (
            Span {
                span_id: Vec::new(),
                ..sound(9)
            },
            "`spanId` is missing",
        ),
        (
            Span {
                parent_span_id: vec![1; 3],
                ..sound(9)
            },
            "`parentSpanId` is no id",
        ),
    ];
    for (bad, why) in bad {
        let mut refused = Refused::default();
        let request = several(vec![sound(1), bad, sound(2)]);
        let groups = cut(&request, &mut refused).unwrap();
        assert_eq!(decoded(&groups).len(), 2);
        assert_eq!(refused.spans, 1);
        assert!(refused.why.contains(why), "{}", refused.why);
    }
}

#[test]
fn a_parent_of_none_or_zeros_is_a_root() {
    for parent in [Vec::new(), vec![0; 8]] {
        let mut refused = Refused::default();
        let span = Span {
            parent_span_id: parent,
            ..sound(1)
        };
        assert_eq!(cut(&one(span), &mut refused).unwrap().len(), 1);
    }
}

/// A key that is there twice, of which decoders take the last, could pass by a rule about it.
#[test]
fn what_decoders_could_read_in_two_ways_is_refused() {
    let mut pair = Vec::new();
    put_bytes(1, b"harmless", &mut pair);
    put_bytes(1, b"password", &mut pair);
    let mut bytes = sound(1).encode_to_vec();
    put_bytes(9, &pair, &mut bytes);
    let mut scope = Vec::new();
    put_bytes(2, &bytes, &mut scope);
    let mut resource = Vec::new();
    put_bytes(2, &scope, &mut resource);
    let mut request = Vec::new();
    put_bytes(1, &resource, &mut request);
    let mut refused = Refused::default();
    assert!(cut(&request, &mut refused).unwrap().is_empty());
    assert!(
        refused.why.contains("`key` is there twice"),
        "{}",
        refused.why
    );
}

#[test]
fn values_that_lie_too_deep_are_refused_and_nothing_overflows() {
    for (depth, taken) in [(20, true), (100_000, false)] {
        let mut value = Vec::new();
        for _ in 0..depth {
            let mut array = Vec::new();
            put_bytes(1, &value, &mut array);
            value.clear();
            put_bytes(5, &array, &mut value);
        }
        let mut pair = Vec::new();
        put_bytes(2, &value, &mut pair);
        let mut span = sound(1).encode_to_vec();
        put_bytes(9, &pair, &mut span);
        assert_eq!(check(&schema::SPAN, &span).is_ok(), taken);
    }
}

#[test]
fn json_is_the_protobuf_it_stands_for() {
    let json = serde_json::json!({ "resourceSpans": [{
        "resource": { "attributes": [{ "key": "service.name", "value": { "stringValue": "shop" } }] },
        "unknown": { "a": [1] },
        "scopeSpans": [{
            "scope": { "name": "lib", "version": null },
            "spans": [{
                "traceId": "5B8EFFF798038103D269B633813FC60C",
                "spanId": "eee19b7ec3c1b174",
                "parentSpanId": "",
                "name": "GET /",
                "kind": 2,
                "startTimeUnixNano": "1544712660000000000",
                "endTimeUnixNano": 1_544_712_661_000_000_000_u64,
                "attributes": [
                    { "key": "i", "value": { "intValue": "-7" } },
                    { "key": "n", "value": { "intValue": 7 } },
                    { "key": "d", "value": { "doubleValue": 1.5 } },
                    { "key": "nan", "value": { "doubleValue": "Infinity" } },
                    { "key": "b", "value": { "bytesValue": "_-8" } },
                    { "key": "e", "value": {} },
                    { "key": "a", "value": { "arrayValue": { "values": [{ "boolValue": true }] } } },
                    { "key": "k", "value": { "kvlistValue": {} } },
                ],
                "status": { "code": 2, "message": "no" },
                "flags": 257,
            }],
        }],
    }]});
    let mut refused = Refused::default();
    let bytes = from_json(json.to_string().as_bytes(), &mut refused).unwrap();
    let request = ExportTraceServiceRequest::decode(bytes.as_slice()).unwrap();
    let group = &request.resource_spans[0];
    assert_eq!(
        group.resource.as_ref().unwrap().attributes[0].key,
        "service.name"
    );
    let span = &group.scope_spans[0].spans[0];
    assert_eq!(span.trace_id[..3], [0x5b, 0x8e, 0xff]);
    assert_eq!((span.kind, span.flags), (2, 257));
    assert_eq!(span.start_time_unix_nano, 1_544_712_660_000_000_000);
    assert_eq!(span.end_time_unix_nano, 1_544_712_661_000_000_000);
    assert_eq!(span.status.as_ref().unwrap().code, 2);
    let values = span
        .attributes
        .iter()
        .map(|pair| pair.value.clone().unwrap().value);
    let wanted = [
        Some(Any::IntValue(-7)),
        Some(Any::IntValue(7)),
        Some(Any::DoubleValue(1.5)),
        Some(Any::DoubleValue(f64::INFINITY)),
        Some(Any::BytesValue(vec![0xff, 0xef])),
        None,
        Some(Any::ArrayValue(ArrayValue {
            values: vec![AnyValue {
                value: Some(Any::BoolValue(true)),
            }],
        })),
        Some(Any::KvlistValue(KeyValueList::default())),
    ];
    assert_eq!(values.collect::<Vec<_>>(), wanted);
}

#[test]
fn a_bad_span_in_json_loses_itself_alone() {
    let span = |id: &str| serde_json::json!({ "traceId": "01".repeat(16), "spanId": id });
    let json = serde_json::json!({ "resourceSpans": [{ "scopeSpans": [{ "spans": [
        span("0102030405060708"), span("xyz"), span("01"), span("0102030405060709"),
    ] }] }] });
    let mut refused = Refused::default();
    let bytes = from_json(json.to_string().as_bytes(), &mut refused).unwrap();
    let groups = cut(&bytes, &mut refused).unwrap();
    assert_eq!(decoded(&groups).len(), 2);
    assert_eq!(refused.spans, 2);
}

#[test]
fn the_text_of_an_attribute_is_the_last_of_its_key() {
    let pair = |key: &str, value| KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(value) }),
        ..KeyValue::default()
    };
    let text = |text: &str| Any::StringValue(text.to_owned());
    let resource = Resource {
        attributes: vec![
            pair("a", text("1")),
            pair("b", Any::IntValue(1)),
            pair("a", text("2")),
        ],
        ..Resource::default()
    };
    let bytes = resource.encode_to_vec();
    assert_eq!(attribute_text(&bytes, "a"), Some("2"));
    assert_eq!(attribute_text(&bytes, "b"), None);
    assert_eq!(attribute_text(&bytes, "c"), None);
}
