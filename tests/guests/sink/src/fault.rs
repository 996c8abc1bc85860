//! What a sink does not take, asked for by the name of a span:
//!
//! * `refuse` is rejected by itself,
//! * `broken` makes its call fail, and `trap` ends it in a trap,
//! * `uncounted` is taken and not counted,
//! * `later` makes the first two calls that bring it `unavailable`, and `slow` `rate-limited`,
//! * `linger` makes its call take a while.

use std::cell::Cell;
use std::hint::black_box;

use crate::bindings::roost::telemetry::types::{BackendFailure, Error, RateLimit, Span};

/// So many steps are some tens of milliseconds. There is no clock wherever a guest can be built.
const A_WHILE: u32 = 30_000_000;

thread_local! {
    static REFUSED_CALLS: Cell<u32> = const { Cell::new(0) };
}

/// Fail as one of the names says.
pub(crate) fn of_call(spans: &[Span]) -> Result<(), Error> {
    let has = |name: &str| spans.iter().any(|span| span.name == name);
    if has("trap") {
        std::process::abort();
    }
    if has("broken") {
        return Err(Error::Backend(BackendFailure {
            status: 500,
            excerpt: "a span is broken".to_owned(),
        }));
    }
    if has("linger") {
        (0..A_WHILE).for_each(|step| {
            black_box(step);
        });
    }
    if (has("later") || has("slow")) && REFUSED_CALLS.get() < 2 {
        REFUSED_CALLS.set(REFUSED_CALLS.get() + 1);
        let message = "not yet".to_owned();
        return Err(if has("later") {
            Error::Unavailable(message)
        } else {
            Error::RateLimited(RateLimit {
                message,
                retry_after_ms: Some(20),
            })
        });
    }
    Ok(())
}

/// Why this one is not taken, if it is not.
pub(crate) fn of_span(span: &Span) -> Option<String> {
    (span.name == "refuse").then(|| "its name says so".to_owned())
}

/// For how many it counts.
pub(crate) fn counted(span: &Span) -> u32 {
    u32::from(span.name != "uncounted")
}
