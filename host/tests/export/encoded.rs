//! Spans that come encoded, from somebody else's request.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use roost::config::BatchExportConfig;
use roost::export::{EncodedSpans, IngestError, Origin, Project, Protocol, Receipt};

use crate::fixture::{LONG, PROJECT, Resolver, config, flush, project, span, start};
use crate::receiver::{Answer, Receiver, text};

pub(crate) fn attribute(key: &str, value: &str) -> KeyValue {
    let value = AnyValue {
        value: Some(Value::StringValue(value.to_owned())),
    };
    KeyValue {
        key: key.to_owned(),
        value: Some(value),
        ..KeyValue::default()
    }
}

pub(crate) fn origin(attributes: &[(&str, &str)], scope: &str) -> Arc<Origin> {
    let resource = Resource {
        attributes: attributes.iter().map(|(k, v)| attribute(k, v)).collect(),
        ..Resource::default()
    };
    let scope = InstrumentationScope {
        name: scope.to_owned(),
        ..InstrumentationScope::default()
    };
    Arc::new(Origin::new(
        resource.encode_to_vec().into(),
        scope.encode_to_vec().into(),
    ))
}

/// A span with this name, and with ids that no other has.
pub(crate) fn encoded(name: &str) -> Bytes {
    let span = Span {
        trace_id: rand::random::<[u8; 16]>().to_vec(),
        span_id: rand::random::<[u8; 8]>().to_vec(),
        name: name.to_owned(),
        start_time_unix_nano: 1,
        end_time_unix_nano: 2,
        ..Span::default()
    };
    span.encode_to_vec().into()
}

pub(crate) fn spans(
    project: &Arc<Project>,
    origin: &Arc<Origin>,
    names: &[&str],
) -> Vec<EncodedSpans> {
    vec![EncodedSpans {
        project: Arc::clone(project),
        origin: Arc::clone(origin),
        session: None,
        spans: names.iter().map(|name| encoded(name)).collect(),
    }]
}

/// The sender's resource and scope arrive, but the project's own attributes win.
#[test]
fn encoded_spans_keep_their_resource_and_scope() {
    for protocol in [Protocol::Grpc, Protocol::HttpProtobuf] {
        let receiver = Receiver::willing(protocol);
        let pipeline = start(&config(), &Resolver::to(&receiver));
        let sender = [
            ("host.name", "web-1"),
            ("tenant.id", "globex"),
            (PROJECT, "globex-search"),
            ("service.name", "forged"),
        ];
        let origin = origin(&sender, "openinference.langchain");
        let receipt = pipeline
            .ingest(spans(&project("acme"), &origin, &["a", "b"]))
            .unwrap();
        assert_eq!(flush(&pipeline).delivered, 2);

        let settlement = receipt.now_or_never().expect("the spans are settled");
        assert_eq!((settlement.delivered, settlement.dropped.total()), (2, 0));
        let request = receiver.received().remove(0).request;
        assert_eq!(request.resource_spans.len(), 1);
        let group = &request.resource_spans[0];
        let resource = &group.resource.as_ref().unwrap().attributes;
        assert_eq!(text(resource, "host.name").unwrap(), "web-1");
        assert_eq!(text(resource, "tenant.id").unwrap(), "acme");
        assert_eq!(text(resource, "service.name").unwrap(), "search");
        assert_eq!(text(resource, PROJECT).unwrap(), "acme-search");
        assert_eq!(resource.len(), 4, "each key once");
        let scope = group.scope_spans[0].scope.as_ref().unwrap();
        assert_eq!(scope.name, "openinference.langchain");
        assert_eq!(receiver.names(), ["a", "b"]);
    }
}

/// What shares project, resource and scope shares a group, whichever request it came in; what
/// does not, does not.
#[test]
fn equal_origins_share_a_group() {
    let receiver = Receiver::willing(Protocol::Grpc);
    let pipeline = start(&config(), &Resolver::to(&receiver));
    let (acme, globex) = (project("acme"), project("globex"));
    let web = || origin(&[("host.name", "web")], "one");
    for (project, origin, name) in [
        (&acme, web(), "a"),
        (&globex, web(), "b"),
        (&acme, origin(&[("host.name", "web")], "two"), "c"),
        (&acme, web(), "d"),
    ] {
        drop(pipeline.ingest(spans(project, &origin, &[name])).unwrap());
    }
    span(&pipeline, &acme, "own");
    assert_eq!(flush(&pipeline).delivered, 5);
    let request = receiver.received().remove(0).request;
    let mut groups: Vec<Vec<_>> = request
        .resource_spans
        .iter()
        .map(|group| {
            let spans = group.scope_spans.iter().flat_map(|scope| &scope.spans);
            spans.map(|span| span.name.as_str()).collect()
        })
        .collect();
    groups.sort();
    assert_eq!(groups, [vec!["a", "d"], vec!["b"], vec!["c"], vec!["own"]]);
}

/// Spans of a session carry what the destination says of it, and no others do.
#[test]
fn encoded_spans_belong_to_their_session() {
    let receiver = Receiver::willing(Protocol::Grpc);
    let pipeline = start(&config(), &Resolver::to(&receiver));
    let (acme, origin) = (project("acme"), origin(&[], ""));
    let mut sent = spans(&acme, &origin, &["inside"]);
    sent[0].session = Some("s-1".into());
    drop(pipeline.ingest(sent).unwrap());
    drop(
        pipeline
            .ingest(spans(&acme, &origin, &["outside"]))
            .unwrap(),
    );
    assert_eq!(flush(&pipeline).delivered, 2);
    let received = receiver.received();
    let spans = received.iter().flat_map(|received| received.spans());
    let mut sessions: Vec<_> = spans
        .map(|span| (span.name.as_str(), text(&span.attributes, "session.id")))
        .collect();
    sessions.sort();
    let session = Some("acme-search:s-1".to_owned());
    assert_eq!(sessions, [("inside", session), ("outside", None)]);
}

/// A receipt says what was lost, and waits for every span.
#[test]
fn a_receipt_says_what_became_of_each_span() {
    let receiver = Receiver::start(Protocol::Grpc, |received, _| {
        if received.has_span("bad") {
            Answer::Grpc(tonic::Code::InvalidArgument, vec![])
        } else {
            Answer::Taken
        }
    });
    let pipeline = start(&config(), &Resolver::to(&receiver));
    let sent = spans(&project("acme"), &origin(&[], ""), &["good", "bad", "fine"]);
    let mut receipt = pipeline.ingest(sent).unwrap();
    assert!(
        (&mut receipt).now_or_never().is_none(),
        "nothing is sent yet"
    );
    flush(&pipeline);
    let settlement = receipt.now_or_never().unwrap();
    assert_eq!((settlement.delivered, settlement.dropped.rejected), (2, 1));
}

/// All or nothing: a refused call leaves no span behind, in the queue or in the books.
#[test]
fn encoded_spans_are_taken_all_or_not_at_all() {
    let receiver = Receiver::start(Protocol::Grpc, |_, _| Answer::Silence);
    let config = BatchExportConfig {
        max_queue_size: 8,
        ..config()
    };
    let pipeline = start(&config, &Resolver::to(&receiver));
    let (acme, origin) = (project("acme"), origin(&[], ""));
    let send = |count| -> Result<Receipt, IngestError> {
        pipeline.ingest(spans(&acme, &origin, &vec!["x"; count]))
    };
    assert_eq!(send(9).unwrap_err(), IngestError::TooLarge);
    let first = send(4).unwrap();
    assert!(
        matches!(send(5), Err(IngestError::QueueFull { retry_after }) if !retry_after.is_zero())
    );
    assert_eq!((pipeline.stats().created, acme.stats().created), (4, 4));
    let _ = pipeline.shutdown_blocking(std::time::Duration::from_millis(50));
    assert_eq!(first.now_or_never().unwrap().dropped.shutdown, 4);
    assert_eq!(send(1).unwrap_err(), IngestError::Closed);
    assert_eq!(pipeline.stats().created, 4);
}

/// Whoever awaits a receipt needs no runtime of any kind; nothing of a call is nothing.
#[test]
fn an_empty_call_is_settled_at_once() {
    let receiver = Receiver::willing(Protocol::Grpc);
    let pipeline = start(&config(), &Resolver::to(&receiver));
    let receipt = pipeline
        .ingest(spans(&project("acme"), &origin(&[], ""), &[]))
        .unwrap();
    assert_eq!(receipt.now_or_never().unwrap().delivered, 0);
    assert!(pipeline.force_flush_blocking(LONG).is_complete());
}
