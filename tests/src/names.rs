//! Names that no other test uses. Span and session ids are unique over a whole Phoenix,
//! not over a project, so sharing a server means never writing an id twice.

use uuid::Uuid;

/// A name that begins with `prefix` and that nobody else has: letters, digits and one
/// hyphen, so it can be a tenant's, a project's or a session's.
#[must_use]
pub fn unique(prefix: &str) -> String {
    format!("{prefix}-{}", Uuid::new_v4().simple())
}

/// A trace id: 32 lower-case hexadecimal digits.
#[must_use]
pub fn trace_id() -> String {
    Uuid::new_v4().simple().to_string()
}

/// A span id: 16 lower-case hexadecimal digits.
#[must_use]
pub fn span_id() -> String {
    format!("{:016x}", Uuid::new_v4().as_u64_pair().1)
}
