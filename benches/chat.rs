//! The spans that are written and read.

use roost::TelemetryManager;

/// A span as the instrumentation of a chat library makes it: 19 attributes beside the three of Roost.
pub(crate) fn chat(telemetry: &TelemetryManager, tenant: &str, number: i64) {
    const SYSTEM: &str = "You help the users of a video library to find the scene they have in \
        mind. Answer with the number of the clip, the time in it and one sentence that says why \
        it fits. If nothing fits say so; never make up a clip.";
    const FOUND: &str = "Clip 4711 at 00:12:35 fits best: the camera follows a barn owl that \
        leaves the \"tower\" at dusk, circles over the field twice and comes back with a mouse.\n\
        Clip 812 at 00:03:10 shows an owl as well, but in daylight and from far away.";
    let asked = format!("Where does the owl fly home at night? It was about minute {number}.");
    let input = format!(
        r#"{{"messages":[{{"role":"system","content":"{SYSTEM}"}},{{"role":"user","content":"{asked}"}}]}}"#
    );
    telemetry
        .span("ChatCompletion", tenant)
        .kind("LLM")
        .attribute("llm.provider", "openai")
        .attribute("llm.model_name", "gpt-4o-mini")
        .attribute(
            "llm.invocation_parameters",
            r#"{"temperature": 0.2, "max_tokens": 512, "top_p": 1.0}"#,
        )
        .attribute("llm.input_messages.0.message.role", "system")
        .attribute("llm.input_messages.0.message.content", SYSTEM)
        .attribute("llm.input_messages.1.message.role", "user")
        .attribute("llm.input_messages.1.message.content", asked)
        .attribute("llm.output_messages.0.message.role", "assistant")
        .attribute("llm.output_messages.0.message.content", FOUND)
        .attribute("llm.token_count.prompt", 180 + number)
        .attribute("llm.token_count.completion", 74)
        .attribute("llm.token_count.total", 254 + number)
        .attribute("input.value", input)
        .attribute("input.mime_type", "application/json")
        .attribute("output.value", FOUND)
        .attribute("output.mime_type", "text/plain")
        .attribute("score", 0.5 + number as f64 / 4096.0)
        .attribute("cached", number % 2 == 0)
        .attribute("user.id", format!("user-{}", number % 100))
        .in_scope(|_| ());
}
