//! Spans to store.

use roost::TelemetryManager;

use crate::chat::chat;

/// How many names small spans have.
pub(crate) const NAMES: usize = 20;

/// What a span holds.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    /// What the instrumentation of a chat library says: 19 attributes, some of them long.
    Chat,
    /// Six short attributes.
    Small,
}

/// Make one, and end it.
pub(crate) fn make(telemetry: &TelemetryManager, tenant: &str, kind: Kind, number: usize) {
    match kind {
        Kind::Chat => chat(telemetry, tenant, i64::try_from(number).unwrap()),
        Kind::Small => small(telemetry, tenant, number),
    }
}

fn small(telemetry: &TelemetryManager, tenant: &str, number: usize) {
    telemetry
        .span(format!("step {}", number % NAMES), tenant)
        .kind("TOOL")
        .attribute("tool.name", "search")
        .attribute(
            "llm.token_count.total",
            i64::try_from(number % 1_000).unwrap(),
        )
        .attribute("user.id", format!("user-{}", number % 100))
        .attribute("cached", number.is_multiple_of(2))
        .attribute("score", 0.5)
        .in_scope(|_| ());
}
