//! Pages of the configured spans.

use crate::bindings::exports::roost::telemetry::trace_store::TracePage;
use crate::bindings::roost::telemetry::types::{Error, PageRequest, Span, StatusCode};
use crate::config::Config;

/// The spans that are `wanted`, one page of them. The cursor is how many came before.
pub(crate) fn page(
    config: &Config,
    page: &PageRequest,
    wanted: impl Fn(&Span) -> bool,
) -> Result<TracePage, Error> {
    let skip = match &page.cursor {
        None => 0,
        Some(cursor) => cursor
            .parse()
            .map_err(|_| Error::InvalidArgument(format!("cursor `{cursor}` is not ours")))?,
    };
    let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
    let mut rest = config.spans().filter(wanted).skip(skip);
    let spans: Vec<Span> = rest.by_ref().take(limit).collect();
    let cursor = rest.next().map(|_| (skip + spans.len()).to_string());
    Ok(TracePage { spans, cursor })
}

/// A span that is only a name.
pub(crate) fn named(name: String) -> Span {
    Span {
        trace_id: "0".repeat(31) + "1",
        span_id: "0".repeat(15) + "1",
        parent_id: None,
        name,
        kind: "UNKNOWN".to_owned(),
        status: StatusCode::Unset,
        status_message: String::new(),
        start_time: 0,
        end_time: 0,
        attributes: Vec::new(),
        events: Vec::new(),
        links: Vec::new(),
        resource: Vec::new(),
    }
}
