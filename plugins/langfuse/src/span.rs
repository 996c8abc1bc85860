//! An observation as the contract's span.

use std::collections::BTreeMap;

use roost_provider::types::{Attribute, AttributeValue, Span, StatusCode};
use serde_json::Value;

use crate::bindings::trace_store::Projection;
use crate::metadata::{ATTRIBUTES, Metadata, RESOURCE, SCOPE, attribute_value};
use crate::observations::Observation;
use crate::{mark, session_id};

/// The attribute that says what kind of span it is.
const KIND: &str = "openinference.span.kind";

/// The attributes that Langfuse takes out of the others as input and output.
const INPUT: &str = "input.value";
const OUTPUT: &str = "output.value";

/// Whether inputs and outputs are wanted.
pub(crate) fn wants_io(projection: Option<&Projection>) -> bool {
    [INPUT, OUTPUT]
        .iter()
        .any(|key| wants_attribute(projection, key))
}

/// Whether the metadata of this key are wanted.
pub(crate) fn wants(projection: Option<&Projection>, key: &str) -> bool {
    match place(key) {
        Place::Attribute(key) => key == KIND || wants_attribute(projection, &key),
        Place::Resource(_) => projection.is_none_or(|it| it.resource),
        Place::Nowhere => false,
    }
}

fn wants_attribute(projection: Option<&Projection>, key: &str) -> bool {
    let wanted = projection.and_then(|it| it.attributes.as_ref());
    wanted.is_none_or(|keys| keys.iter().any(|it| it == key))
}

/// Where metadata belong.
enum Place {
    Attribute(String),
    Resource(String),
    /// To Langfuse, or to us.
    Nowhere,
}

fn place(key: &str) -> Place {
    let own = format!("{}{}", mark::METADATA, mark::KEY);
    if let Some(key) = key.strip_prefix(ATTRIBUTES) {
        if key == own {
            Place::Nowhere
        } else {
            Place::Attribute(key.to_owned())
        }
    } else if let Some(key) = key.strip_prefix(RESOURCE) {
        Place::Resource(key.to_owned())
    } else if key == mark::KEY || key.starts_with(SCOPE) {
        Place::Nowhere
    } else {
        // Whoever sent the span put it there by name.
        Place::Attribute(format!("{}{key}", mark::METADATA))
    }
}

/// The span that an observation of `project` is; none where it belongs to no trace.
pub(crate) fn span(
    project: &str,
    observation: Observation,
    projection: Option<&Projection>,
) -> Option<Span> {
    let end_time = observation.ended();
    let (mut attributes, mut resource) = split(observation.metadata);
    let kind = kind(attributes.remove(KIND), &observation.kind);
    for (key, value) in [(INPUT, observation.input), (OUTPUT, observation.output)] {
        match value {
            Value::Null => continue,
            Value::String(text) => attributes.insert(key.to_owned(), AttributeValue::Text(text)),
            value => attributes.insert(key.to_owned(), attribute_value(value)),
        };
    }
    attributes.retain(|key, _| wants_attribute(projection, key));
    if projection.is_some_and(|it| !it.resource) {
        resource.clear();
    }
    let mut attributes = list(attributes);
    session_id::restore(project, &mut attributes);
    Some(Span {
        trace_id: observation.trace_id?,
        span_id: observation.id,
        parent_id: observation
            .parent_observation_id
            .filter(|id| !id.is_empty()),
        name: observation.name.unwrap_or_default(),
        kind,
        status: match observation.level.as_deref() {
            Some("ERROR") => StatusCode::Error,
            _ => StatusCode::Unset,
        },
        status_message: observation.status_message.unwrap_or_default(),
        start_time: observation.start_time,
        end_time,
        attributes,
        // Langfuse keeps none.
        events: Vec::new(),
        links: Vec::new(),
        resource: list(resource),
    })
}

type Attributes = BTreeMap<String, AttributeValue>;

/// The attributes of a span and of its resource.
fn split(metadata: Metadata) -> (Attributes, Attributes) {
    let (mut attributes, mut resource) = (BTreeMap::new(), BTreeMap::new());
    for (key, value) in metadata {
        match place(&key) {
            Place::Attribute(key) => attributes.insert(key, attribute_value(value)),
            Place::Resource(key) => resource.insert(key, attribute_value(value)),
            Place::Nowhere => None,
        };
    }
    (attributes, resource)
}

fn list(attributes: Attributes) -> Vec<Attribute> {
    let attributes = attributes.into_iter().filter(|(key, _)| !key.is_empty());
    attributes
        .map(|(key, value)| Attribute { key, value })
        .collect()
}

/// The kind in upper case. Langfuse's type is the kind of those that say none.
fn kind(said: Option<AttributeValue>, observed: &str) -> String {
    if let Some(AttributeValue::Text(mut kind)) = said
        && !kind.is_empty()
    {
        kind.make_ascii_uppercase();
        return kind;
    }
    match observed {
        "GENERATION" => "LLM".to_owned(),
        "" | "SPAN" | "EVENT" => "UNKNOWN".to_owned(),
        other => other.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use super::*;
    use serde_json::json;

    fn observation(more: Value) -> Observation {
        let mut whole = json!({
            "id": "00f067aa0ba902b7", "traceId": "4bf92f3577b34da6a3ce929d0e0e4736",
            "startTime": "2026-11-18T11:27:00.001Z", "endTime": null,
            "parentObservationId": "", "type": "GENERATION",
        });
        for (key, value) in more.as_object().unwrap() {
            whole[key] = value.clone();
        }
        serde_json::from_value(whole).unwrap()
    }

    #[test]
    fn everything_finds_its_place() {
        let observation = observation(json!({
            "level": "ERROR", "statusMessage": "gone", "input": "5", "output": { "a": 1 },
            "metadata": {
                "roost_project": "shop", "hand": "made", "scope.name": "roost",
                "attributes.openinference.span.kind": "tool",
                "attributes.n": "5", "attributes.session.id": "shop:7",
                "attributes.langfuse.observation.metadata.roost_project": "shop",
                "resourceAttributes.service.name": "search",
            },
        }));
        let span = span("shop", observation, None).unwrap();
        assert_eq!(
            (span.kind.as_str(), span.status),
            ("TOOL", StatusCode::Error)
        );
        assert_eq!((span.parent_id, span.end_time), (None, span.start_time));
        let text = |text: &str| AttributeValue::Text(text.to_owned());
        // What is generated cannot be compared.
        let found: Vec<_> = span
            .attributes
            .iter()
            .map(|it| (it.key.as_str(), format!("{:?}", it.value)))
            .collect();
        let expected = [
            ("input.value", text("5")),
            ("langfuse.observation.metadata.hand", text("made")),
            ("n", AttributeValue::Integer(5)),
            ("output.value", AttributeValue::Json("{\"a\":1}".to_owned())),
            ("session.id", text("7")),
        ];
        assert_eq!(
            found,
            expected.map(|(key, value)| (key, format!("{value:?}")))
        );
        assert_eq!(span.resource.len(), 1);
    }

    #[test]
    fn a_projection_leaves_the_rest_out_and_keeps_the_kind() {
        let few = Projection {
            attributes: Some(vec!["n".to_owned()]),
            events: false,
            links: false,
            resource: false,
        };
        assert!(!wants_io(Some(&few)) && wants_io(None));
        assert!(wants(Some(&few), "attributes.n") && !wants(Some(&few), "attributes.m"));
        let observation = observation(json!({
            "input": "x",
            "metadata": { "attributes": { "n": "1", "m": "2" }, "resourceAttributes": { "a": "b" } },
        }));
        let span = span("shop", observation, Some(&few)).unwrap();
        assert_eq!((span.kind.as_str(), span.attributes.len()), ("LLM", 1));
        assert!(span.resource.is_empty());
    }
}
