//! `trace-store`, over REST.

use roost_provider::http::Response;
use roost_provider::types::{PageRequest, Span, SpanRef};
use roost_provider::{Error, error};

use crate::bindings::trace_store::{
    Guest, Order, OrderKey, Projection, SpanBatch, SpanPage, SpanQuery, TracePage,
};
use crate::phoenix::{Page, phoenix};
use crate::pushdown::Plan;
use crate::span::{Decoder, Record};
use crate::{Provider, Result, cursor};

impl Guest for Provider {
    fn get_spans(query: SpanQuery) -> Result<SpanPage> {
        let plan = Plan::of(&query);
        let listing = Listing::of(query.order);
        let request = plan.parameters.iter().fold(
            phoenix()?.get_in_project(&query.project, "spans")?,
            |request, (key, value)| request.query(key, value),
        );
        let answer = request
            .query("sort", listing.sort)
            .query("order", listing.order)
            .query("limit", query.page.limit)
            .query_some("cursor", listing.unmark(query.page.cursor.as_deref())?)
            .send()?;
        let decoder = Decoder {
            project: &query.project,
            projection: query.projection.as_ref(),
        };
        let (spans, next) = read(&answer, &decoder)?;
        Ok(SpanPage {
            spans: SpanBatch::Records(spans),
            cursor: next.map(|next| listing.mark(&next)),
            applied: plan.applied,
            ordered: listing.follows(query.order),
        })
    }

    fn get_span(project: String, span: SpanRef) -> Result<Span> {
        let trace = Some(&span.trace_id).filter(|id| !id.is_empty());
        let answer = phoenix()?
            .get_in_project(&project, "spans")?
            .query("span_id", &span.span_id)
            .query_some("trace_id", trace)
            .query("limit", 1)
            .send()?;
        let (spans, _) = read(&answer, &whole(&project))?;
        spans.into_iter().next().ok_or_else(|| {
            error::not_found(format!(
                "project `{project}` has no span `{}`",
                span.span_id
            ))
        })
    }

    fn get_trace(
        project: String,
        trace_id: String,
        _near: Option<u64>,
        page: PageRequest,
    ) -> Result<TracePage> {
        let listing = Listing::TRACE;
        let answer = phoenix()?
            .get_in_project(&project, "spans")?
            .query("trace_id", &trace_id)
            .query("sort", listing.sort)
            .query("order", listing.order)
            .query("limit", page.limit)
            .query_some("cursor", listing.unmark(page.cursor.as_deref())?)
            .send()?;
        let (spans, next) = read(&answer, &whole(&project))?;
        if spans.is_empty() && page.cursor.is_none() {
            return Err(error::not_found(format!(
                "project `{project}` has no trace `{trace_id}`"
            )));
        }
        Ok(TracePage {
            spans,
            cursor: next.map(|next| listing.mark(&next)),
        })
    }
}

/// The order in which Phoenix lists spans. Both of its sorts have a total order and cursors
/// that name a place in it, so spans that come in meanwhile move nothing.
#[derive(Clone, Copy)]
struct Listing {
    sort: &'static str,
    order: &'static str,
}

impl Listing {
    /// A trace as it was written, oldest first: a span that arrives late comes last.
    const TRACE: Self = Self {
        sort: "id",
        order: "asc",
    };

    /// The listing for an order that is wanted. By the end or the latency Phoenix cannot sort;
    /// then, and where no order is wanted, the spans that came in last are first.
    fn of(order: Option<Order>) -> Self {
        match order {
            Some(Order {
                key: OrderKey::StartTime,
                descending,
            }) => Self {
                sort: "start_time",
                order: if descending { "desc" } else { "asc" },
            },
            _ => Self {
                sort: "id",
                order: "desc",
            },
        }
    }

    fn follows(self, order: Option<Order>) -> bool {
        order.is_none_or(|order| order.key == OrderKey::StartTime)
    }

    fn mark(self, next: &str) -> String {
        cursor::mark(&self.name(), next)
    }

    fn unmark(self, cursor: Option<&str>) -> Result<Option<&str>> {
        cursor
            .map(|cursor| cursor::unmark(&self.name(), cursor))
            .transpose()
    }

    fn name(self) -> String {
        format!("{}-{}", self.sort, self.order)
    }
}

/// Everything of the spans of a project.
fn whole(project: &str) -> Decoder<'_> {
    const EVERYTHING: Option<&Projection> = None;
    Decoder {
        project,
        projection: EVERYTHING,
    }
}

/// The spans of an answer, and Phoenix's cursor of the next page.
fn read(answer: &Response, decoder: &Decoder<'_>) -> Result<(Vec<Span>, Option<String>)> {
    let page: Page<Record<'_>> = answer.json()?;
    let spans = page
        .data
        .into_iter()
        .map(|record| decoder.span(record))
        .collect::<serde_json::Result<_>>()
        .map_err(|error| malformed(answer, &error))?;
    Ok((spans, page.next_cursor))
}

fn malformed(answer: &Response, error: &serde_json::Error) -> Error {
    error::backend(
        answer.status(),
        &format!("Phoenix describes a span in an unexpected way: {error}"),
    )
}
