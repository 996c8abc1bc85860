//! A manager that exports to a receiver, and the spans as they arrived.

use std::collections::BTreeMap;
use std::time::Duration;

use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::{Span, span::Event};
use roost::export::Protocol;
use roost::{Config, TelemetryManager};

use crate::receiver::{Received, Receiver, text};

pub(crate) struct Application {
    pub(crate) telemetry: TelemetryManager,
    receiver: Receiver,
}

/// A span as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) project: String,
    pub(crate) span: Span,
}

impl Application {
    /// With these lines of `roost.toml` under `[telemetry]`.
    pub(crate) fn start(lines: &str) -> Self {
        let receiver = Receiver::willing(Protocol::Grpc);
        let toml = format!(
            "[telemetry]\notlp_endpoint = \"{}\"\n\
             batch_config.schedule_delay_millis = 3_600_000\n{lines}",
            receiver.endpoint()
        );
        let config = Config::from_toml(&toml, "roost.toml").unwrap();
        Self {
            telemetry: TelemetryManager::export_only(config).unwrap(),
            receiver,
        }
    }

    /// Every span that has ended, in the order they began.
    pub(crate) fn spans(&self) -> Vec<Seen> {
        let report = self.telemetry.force_flush_blocking(Duration::from_secs(20));
        assert!(report.is_complete(), "{report:?}");
        let mut spans = Vec::new();
        for received in self.receiver.received() {
            for group in received.request.resource_spans {
                let resource = group.resource.unwrap().attributes;
                let project = text(&resource, "openinference.project.name").unwrap();
                let all = group.scope_spans.into_iter().flat_map(|scope| scope.spans);
                spans.extend(all.map(|span| Seen {
                    project: project.clone(),
                    span,
                }));
            }
        }
        spans.sort_by_key(|seen| seen.span.start_time_unix_nano);
        spans
    }

    /// The requests that have come.
    pub(crate) fn requests(&self) -> Vec<Received> {
        self.receiver.received()
    }

    /// The span of this name.
    pub(crate) fn span(&self, name: &str) -> Seen {
        let spans = self.spans();
        let mut named = spans.iter().filter(|seen| seen.span.name == name);
        let found = named
            .next()
            .unwrap_or_else(|| panic!("no {name}: {spans:?}"));
        assert!(named.next().is_none(), "{name} twice: {spans:?}");
        found.clone()
    }

    pub(crate) fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = self.spans().into_iter().map(|it| it.span.name).collect();
        names.sort();
        names
    }
}

impl Seen {
    pub(crate) fn attributes(&self) -> BTreeMap<String, Value> {
        values(&self.span.attributes)
    }

    pub(crate) fn text(&self, key: &str) -> String {
        text(&self.span.attributes, key).unwrap_or_else(|| panic!("no {key}: {self:?}"))
    }

    pub(crate) fn is_child_of(&self, parent: &Self) -> bool {
        self.span.parent_span_id == parent.span.span_id
            && self.span.trace_id == parent.span.trace_id
            && self.project == parent.project
    }

    pub(crate) fn is_root(&self) -> bool {
        self.span.parent_span_id.is_empty()
    }

    pub(crate) fn links_to(&self, other: &Self) -> bool {
        self.span
            .links
            .iter()
            .any(|link| link.trace_id == other.span.trace_id && link.span_id == other.span.span_id)
    }

    pub(crate) fn status(&self) -> (i32, String) {
        let status = self.span.status.clone().unwrap_or_default();
        (status.code, status.message)
    }

    pub(crate) fn event(&self, name: &str) -> &Event {
        let mut events = self.span.events.iter();
        let found = events.find(|event| event.name == name);
        found.unwrap_or_else(|| panic!("no event {name}: {:?}", self.span.events))
    }
}

pub(crate) fn values(attributes: &[KeyValue]) -> BTreeMap<String, Value> {
    let pair = |it: &KeyValue| {
        let value = it.value.clone().unwrap().value.unwrap();
        (it.key.clone(), value)
    };
    attributes.iter().map(pair).collect()
}

pub(crate) fn string(text: &str) -> Value {
    Value::StringValue(text.to_owned())
}
