//! A filter: refused with a message, or it says of each span whether it fits.
#![no_main]

use libfuzzer_sys::fuzz_target;
use roost::contract::{Attribute, AttributeValue, Span, StatusCode};
use roost::query::Filter;

fn spans() -> Vec<Span> {
    let attribute = |key: &str, value| Attribute {
        key: key.to_owned(),
        value,
    };
    let span = |name: &str, status, attributes| Span {
        trace_id: "0af7651916cd43dd8448eb211c80319c".to_owned(),
        span_id: "b7ad6b7169203331".to_owned(),
        parent_id: None,
        name: name.to_owned(),
        kind: "LLM".to_owned(),
        status,
        status_message: String::new(),
        start_time: 1_000_000_000,
        end_time: 1_250_000_000,
        attributes,
        events: Vec::new(),
        links: Vec::new(),
        resource: Vec::new(),
    };
    vec![
        span("", StatusCode::Unset, Vec::new()),
        span(
            "search",
            StatusCode::Error,
            vec![
                attribute("a", AttributeValue::Text("x".to_owned())),
                attribute("n", AttributeValue::Integer(-1)),
                attribute("f", AttributeValue::Number(0.5)),
                attribute("b", AttributeValue::Boolean(true)),
            ],
        ),
    ]
}

fuzz_target!(|text: &str| {
    match Filter::parse(text) {
        Ok(filter) => {
            let spans = spans();
            // Expressions may fail on values, such as a division by zero; they say so.
            if let Ok(fits) = filter.fits(&spans) {
                assert_eq!(fits.len(), spans.len());
            }
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
