//! The spans of a search.

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use roost::manager::{BackendSearch, Encode, Search, SearchResult};
use serde_json::json;

use crate::fixture::{Application, Seen, string, values};

fn milliseconds(seen: &Seen, key: &str) -> f64 {
    match seen.attributes()[key] {
        Value::DoubleValue(value) => value,
        ref other => panic!("{key} is {other:?}"),
    }
}

#[test]
fn a_search_its_encoder_and_its_backend_have_their_attributes() {
    let app = Application::start("");
    let telemetry = &app.telemetry;
    let search = Search {
        query: "owls",
        strategy: "HYBRID",
        profile: "frames",
        ..Search::default()
    };
    telemetry.search_span("acme", search).in_scope(|span| {
        let encode = Encode {
            encoder: "ColPali",
            query: "größer",
        };
        telemetry.encode_span("acme", encode).in_scope(|_| ());
        let backend = BackendSearch {
            query: "owls",
            schema: "frames_mv",
            has_embeddings: true,
            ..BackendSearch::default()
        };
        let backend = telemetry.backend_search_span("acme", backend).start();
        backend.end();
        let found = ["a", "b", "c", "d"].map(|document_id| SearchResult {
            document_id,
            score: 0.5,
            ..SearchResult::default()
        });
        span.add_search_results(&found);
    });

    let search = app.span("search_service.search");
    let input: serde_json::Value = serde_json::from_str(&search.text("input.value")).unwrap();
    let expected = json!({
        "query": "owls", "top_k": 10, "strategy": "HYBRID", "profile": "frames",
        "backend": "vespa",
    });
    assert_eq!(input, expected);
    let attributes = search.attributes();
    for (key, value) in [
        ("openinference.span.kind", string("CHAIN")),
        ("operation.name", string("search")),
        ("query", string("owls")),
        ("top_k", Value::IntValue(10)),
        ("num_results", Value::IntValue(4)),
        ("top_score", Value::DoubleValue(0.5)),
    ] {
        assert_eq!(attributes[key], value, "{key}");
    }
    let top = values(&search.event("search_results").attributes)["results"].clone();
    let Value::StringValue(top) = top else {
        panic!("{top:?}")
    };
    let top: Vec<serde_json::Value> = serde_json::from_str(&top).unwrap();
    assert_eq!(top.len(), 3);
    assert_eq!(
        (&top[2]["rank"], &top[2]["document_id"]),
        (&json!(3), &json!("c"))
    );

    let encode = app.span("encoder.colpali.encode");
    assert!(encode.is_child_of(&search));
    assert_eq!(encode.text("operation.name"), "encode.colpali");
    assert_eq!(encode.text("encoder_type"), "ColPali");
    assert_eq!(encode.attributes()["query_length"], Value::IntValue(6));

    let backend = app.span("search.execute");
    assert!(backend.is_child_of(&search));
    assert_eq!(backend.text("openinference.span.kind"), "RETRIEVER");
    assert_eq!(backend.text("schema"), "frames_mv");
    assert_eq!(
        backend.attributes()["has_embeddings"],
        Value::BoolValue(true)
    );

    let inside = milliseconds(&encode, "encoding_time_ms") + milliseconds(&backend, "latency_ms");
    assert!(inside > 0.0 && inside <= milliseconds(&search, "latency_ms"));
}
