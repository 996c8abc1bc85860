//! The span that everybody sends: ten attributes, about 500 bytes as OTLP.

use opentelemetry::KeyValue;

pub(crate) const NAME: &str = "ChatCompletion";

pub(crate) fn attributes() -> [KeyValue; 10] {
    [
        KeyValue::new("openinference.span.kind", "LLM"),
        KeyValue::new("llm.provider", "openai"),
        KeyValue::new("llm.model_name", "gpt-4o-mini"),
        KeyValue::new("llm.token_count.prompt", 180),
        KeyValue::new("llm.token_count.completion", 74),
        KeyValue::new("llm.token_count.total", 254),
        KeyValue::new("input.value", "Where does the owl fly home at night?"),
        KeyValue::new("output.value", "Clip 4711 at 00:12:35 fits best."),
        KeyValue::new("score", 0.5),
        KeyValue::new("cached", false),
    ]
}

/// What Roost adds to each span by itself: whose it is.
pub(crate) fn automatic(tenant: &str) -> [KeyValue; 3] {
    [
        KeyValue::new("tenant.id", tenant.to_owned()),
        KeyValue::new("service.name", "video-search"),
        KeyValue::new("environment", "development"),
    ]
}

pub(crate) fn tenant(number: usize) -> String {
    format!("tenant-{number:04}")
}
