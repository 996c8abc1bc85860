//! Listings of spans over REST: whole spans, in two orders, with cursors.

use roost_provider::http::Response;
use roost_provider::types::{Span, SpanRef};
use roost_provider::{Error, cursor, error, time};

use crate::Result;
use crate::bindings::trace_store::{Order, OrderKey, Projection, SpanQuery};
use crate::phoenix::{MOST, Page, phoenix};
use crate::pushdown::{Plan, Window};
use crate::span::{Decoder, Record};

/// The order in which Phoenix lists spans. Both of its sorts have a total order and cursors
/// that name a place in it, so spans that come in meanwhile move nothing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Listing {
    sort: &'static str,
    order: &'static str,
}

/// A page of a listing.
pub(crate) struct Listed {
    pub(crate) spans: Vec<Span>,
    /// Where the next page begins; none when this is the last one.
    pub(crate) cursor: Option<String>,
}

impl Listing {
    /// As they were written, oldest first: a span that arrives late comes last.
    pub(crate) const WRITTEN: Self = Self {
        sort: "id",
        order: "asc",
    };

    /// Those that came in last first.
    const NEWEST: Self = Self {
        sort: "id",
        order: "desc",
    };

    /// By the start.
    pub(crate) const fn by_start_time(descending: bool) -> Self {
        Self {
            sort: "start_time",
            order: if descending { "desc" } else { "asc" },
        }
    }

    /// The listing for an order, if Phoenix has it. By the end or the latency it cannot sort.
    pub(crate) fn start_time(order: Option<Order>) -> Option<Self> {
        let order = order.filter(|order| order.key == OrderKey::StartTime)?;
        Some(Self::by_start_time(order.descending))
    }

    /// The listing that answers a question: the one its cursor belongs to, and for the first
    /// page the one of its order.
    pub(crate) fn of(query: &SpanQuery) -> Self {
        let wanted = Self::start_time(query.order);
        // Where the order does not matter, slices may have begun it by the start.
        let begun = [Self::by_start_time(true), Self::by_start_time(false)]
            .into_iter()
            .find(|listing| {
                let cursor = query.page.cursor.as_deref();
                cursor.is_some_and(|cursor| cursor.starts_with(&listing.name()))
            });
        wanted.or(begun).unwrap_or(Self::NEWEST)
    }

    pub(crate) fn descending(self) -> bool {
        self.order == "desc"
    }

    fn name(self) -> String {
        format!("{}-{}", self.sort, self.order)
    }
}

/// A page of the spans that answer `query` and began inside `window`, from `cursor` on.
pub(crate) fn read(
    query: &SpanQuery,
    listing: Listing,
    window: Window,
    cursor: Option<&str>,
    limit: u32,
) -> Result<Listed> {
    let mut parameters = Plan::of(query).parameters;
    let (start, end) = window.microseconds();
    for (key, at) in [("start_time", start), ("end_time", end)] {
        parameters.push((key, time::format(at.saturating_mul(1_000))));
    }
    page(
        &query.project,
        query.projection.as_ref(),
        &parameters,
        listing,
        cursor,
        limit,
    )
}

/// A page of a trace, whole.
pub(crate) fn of_trace(
    project: &str,
    trace_id: &str,
    cursor: Option<&str>,
    limit: u32,
) -> Result<Listed> {
    let parameters = [("trace_id", trace_id.to_owned())];
    page(project, None, &parameters, Listing::WRITTEN, cursor, limit)
}

/// One span, whole; none where it is not there.
pub(crate) fn one(project: &str, span: &SpanRef) -> Result<Option<Span>> {
    let mut parameters = vec![("span_id", span.span_id.clone())];
    if !span.trace_id.is_empty() {
        parameters.push(("trace_id", span.trace_id.clone()));
    }
    let listed = page(project, None, &parameters, Listing::NEWEST, None, 1)?;
    Ok(listed.spans.into_iter().next())
}

/// The spans of these ids that are there, as `query` wants them; at most 1,000.
pub(crate) fn by_ids(query: &SpanQuery, ids: &[&str]) -> Result<Vec<Span>> {
    let parameters: Vec<_> = ids.iter().map(|id| ("span_id", (*id).to_owned())).collect();
    let projection = query.projection.as_ref();
    let listed = page(
        &query.project,
        projection,
        &parameters,
        Listing::NEWEST,
        None,
        MOST,
    )?;
    Ok(listed.spans)
}

fn page(
    project: &str,
    projection: Option<&Projection>,
    parameters: &[(&'static str, String)],
    listing: Listing,
    cursor: Option<&str>,
    limit: u32,
) -> Result<Listed> {
    let mark = listing.name();
    let cursor = cursor
        .map(|cursor| cursor::unmark(&mark, cursor))
        .transpose()?;
    let answer = parameters
        .iter()
        .fold(
            phoenix()?.get_in_project(project, "spans")?,
            |request, (key, value)| request.query(key, value),
        )
        .query("sort", listing.sort)
        .query("order", listing.order)
        .query("limit", limit)
        .query_some("cursor", cursor)
        .send()?;
    let page: Page<Record<'_>> = answer.json()?;
    let decoder = Decoder {
        project,
        projection,
    };
    let spans = page
        .data
        .into_iter()
        .map(|record| decoder.span(record))
        .collect::<serde_json::Result<_>>()
        .map_err(|error| malformed(&answer, &error))?;
    Ok(Listed {
        spans,
        cursor: page.next_cursor.map(|next| cursor::mark(&mark, &next)),
    })
}

fn malformed(answer: &Response, error: &serde_json::Error) -> Error {
    error::backend(
        answer.status(),
        &format!("Phoenix describes a span in an unexpected way: {error}"),
    )
}
