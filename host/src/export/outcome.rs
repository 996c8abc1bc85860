//! What an answer to an export request means, whichever protocol brought it.

use std::collections::BTreeSet;
use std::time::Duration;

use prost::Message;

use super::answer::ExportTraceServiceResponse;

/// What one attempt came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The backend took the spans, but for those that are rejected.
    Delivered { rejected: Rejected, message: String },
    /// Something in the request is not to the backend's liking, or it is too large. Smaller
    /// requests may fare better.
    Unfit(String),
    /// The backend does not want the request, whatever is in it.
    Rejected(String),
    /// The backend cannot take it now.
    Retry {
        why: String,
        /// How long it asks to be left alone.
        after: Option<Duration>,
        /// The connection may be at fault; the next attempt should have a new one.
        reconnect: bool,
    },
}

/// Which spans of a request the backend did not take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Rejected {
    /// So many; it does not say which.
    Some(u64),
    /// Those at these places.
    At(BTreeSet<usize>),
}

impl Rejected {
    pub(super) fn count(&self) -> u64 {
        match self {
            Self::Some(count) => *count,
            Self::At(places) => places.len() as u64,
        }
    }

    /// Whether the span at this place, of so many, counts as rejected. Spread evenly over the
    /// request, a loss that nobody ascribes falls on its projects in proportion.
    pub(super) fn has(&self, place: usize, total: usize) -> bool {
        match self {
            Self::Some(count) => {
                let (place, total) = (place as u64, total as u64);
                let count = (*count).min(total);
                (place + 1) * count / total.max(1) > place * count / total.max(1)
            }
            Self::At(places) => places.contains(&place),
        }
    }
}

impl Outcome {
    /// The outcome of an answer that says all went well.
    pub(super) fn accepted(body: &[u8]) -> Self {
        // A backend that answers with something else than OTLP has taken the spans all the
        // same; several answer in JSON, whatever was asked for.
        let partial = ExportTraceServiceResponse::decode(body)
            .unwrap_or_default()
            .partial_success
            .unwrap_or_default();
        Self::Delivered {
            rejected: Rejected::Some(partial.rejected_spans.try_into().unwrap_or(0)),
            message: partial.error_message,
        }
    }
}

/// The value of a `retry-after` header: seconds, or a date.
pub(super) fn retry_after(value: &str) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::parse(value).ok()?.timestamp();
    let wait = date.duration_since(jiff::Timestamp::now());
    Some(wait.try_into().unwrap_or_default())
}
