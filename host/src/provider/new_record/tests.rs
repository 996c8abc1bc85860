#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::*;
use crate::contract::{Attribute, StatusCode};

fn span(attributes: &[(&str, AttributeValue)]) -> Span {
    Span {
        trace_id: "0bc0".repeat(8),
        span_id: "ab88".repeat(4),
        parent_id: None,
        name: "answer".to_owned(),
        kind: "LLM".to_owned(),
        status: StatusCode::Ok,
        status_message: String::new(),
        start_time: 1,
        end_time: 2,
        attributes: attributes
            .iter()
            .map(|(key, value)| Attribute {
                key: (*key).to_owned(),
                value: value.clone(),
            })
            .collect(),
        events: Vec::new(),
        links: Vec::new(),
        resource: Vec::new(),
    }
}

#[test]
fn a_span_becomes_a_record_with_everything_it_says() {
    let text = |text: &str| AttributeValue::Text(text.to_owned());
    let record = NewRecord::from_span(&span(&[
        ("input.value", text(r#"{"query":"owls"}"#)),
        ("output.value", text("[1]")),
        ("llm.token_count.total", AttributeValue::Integer(7)),
        ("tags", AttributeValue::Json(r#"["a"]"#.to_owned())),
    ]));
    assert_eq!(record.input, r#"{"query":"owls"}"#);
    assert_eq!(record.output.as_deref(), Some(r#"{"output":"[1]"}"#));
    let metadata: Value = serde_json::from_str(record.metadata.as_deref().unwrap()).unwrap();
    assert_eq!(metadata["span_id"], "ab88".repeat(4));
    assert_eq!(metadata["attributes"]["llm.token_count.total"], 7);
    assert_eq!(metadata["attributes"]["tags"], json!(["a"]));
    assert!(metadata["attributes"].get("input.value").is_none());

    let bare = NewRecord::from_span(&span(&[]));
    assert_eq!((bare.input.as_str(), bare.output), ("{}", None));
}

#[test]
fn what_cannot_be_written_is_refused_with_the_place_and_the_reason() {
    let good = NewRecord::new(&json!({ "q": 1 }));
    for (bad, reason) in [
        (
            NewRecord::new(&json!([1])),
            "record 1: the input must be a JSON object",
        ),
        (good.clone().output(&json!("x")), "the output must"),
        (good.clone().key(""), "its key is empty"),
        (good.clone().split(" train"), "no name of a split"),
    ] {
        let why = check_records(&[good.clone(), bad]).unwrap_err();
        assert!(why.contains(reason), "{why}");
    }
    let twice = [good.clone().key("a"), good.key("a")];
    assert!(check_records(&twice).unwrap_err().contains("comes twice"));
    assert!(NewDataset::new(" ").check().is_err());
    assert!(NewDataset::new("d").metadata(&json!(1)).check().is_err());
}

#[test]
fn content_that_comes_again_without_a_key_in_a_later_call_is_refused() {
    let record = |json: &str| NewRecord {
        input: json.to_owned(),
        ..NewRecord::new(&json!({}))
    };
    let a = record(r#"{"q":1,"r":[2.5]}"#);
    let b = record(r#"{"q":2}"#);
    let same = record(r#"{ "r": [2.5], "q": 1.0 }"#).output(&json!({}));
    let check = |records: &[NewRecord]| check_parts(records.chunks(2));

    let why = check(&[b.clone(), a.clone(), same.clone()]).unwrap_err();
    assert!(
        why.contains("record 2") && why.contains("record 1"),
        "{why}"
    );
    // A key on the earlier one does not keep a backend from taking them for one.
    let keyed = a.clone().key("a");
    assert!(check(&[b.clone(), keyed, same.clone()]).is_err());

    // Within one call both are written, and one with a key is another record.
    assert!(check(&[a.clone(), same.clone(), b.clone()]).is_ok());
    assert!(check(&[a.clone(), b.clone(), same.clone().key("s")]).is_ok());
    let other = same.metadata(&json!({ "m": "1" }));
    assert!(check(&[a, b, other]).is_ok());
}
