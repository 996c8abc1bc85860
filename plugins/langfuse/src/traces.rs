//! `trace-store`.

use roost_provider::types::{PageRequest, Span, SpanRef};
use roost_provider::{Error, cursor, error};

use crate::bindings::trace_store::{
    Guest, Order, OrderKey, SpanBatch, SpanPage, SpanQuery, TracePage,
};
use crate::filter::Filter;
use crate::langfuse::langfuse;
use crate::observations::{Detail, Listing, equal};
use crate::{Provider, Result, span};

impl Guest for Provider {
    fn get_spans(query: SpanQuery) -> Result<SpanPage> {
        let filter = Filter::of(&query);
        let listing = Listing {
            langfuse: langfuse()?,
            project: Some(&query.project),
            conditions: filter.conditions.clone(),
            detail: Detail::Span(query.projection.as_ref()),
        };
        let place = place("span", &query.page)?;
        let (found, next) = listing.page(query.page.limit, place)?;
        let spans = found
            .into_iter()
            .filter_map(|it| span::span(&query.project, it, query.projection.as_ref()))
            .filter(|span| filter.fits(span))
            .collect();
        let newest_first = |order: Order| order.key == OrderKey::StartTime && order.descending;
        Ok(SpanPage {
            spans: SpanBatch::Records(spans),
            cursor: next.map(|next| cursor::mark("span", &next)),
            ordered: query.order.is_none_or(newest_first),
            applied: filter.applied,
        })
    }

    fn get_span(project: String, span: SpanRef) -> Result<Span> {
        let mut conditions = vec![equal("id", &span.span_id)];
        if !span.trace_id.is_empty() {
            conditions.push(equal("traceId", &span.trace_id));
        }
        let listing = Listing {
            langfuse: langfuse()?,
            project: Some(&project),
            conditions,
            detail: Detail::Span(None),
        };
        let (found, _) = listing.page(1, None)?;
        found
            .into_iter()
            .find_map(|it| span::span(&project, it, None))
            .ok_or_else(|| no_span(&project, &span.span_id))
    }

    fn get_trace(
        project: String,
        trace_id: String,
        _near: Option<u64>,
        page: PageRequest,
    ) -> Result<TracePage> {
        let listing = Listing {
            langfuse: langfuse()?,
            project: Some(&project),
            conditions: vec![equal("traceId", &trace_id)],
            detail: Detail::Span(None),
        };
        let place = place("trace", &page)?;
        let (found, next) = listing.page(page.limit, place)?;
        if found.is_empty() && place.is_none() && next.is_none() {
            return Err(no_trace(&project, &trace_id));
        }
        Ok(TracePage {
            spans: found
                .into_iter()
                .filter_map(|it| span::span(&project, it, None))
                .collect(),
            cursor: next.map(|next| cursor::mark("trace", &next)),
        })
    }
}

/// Langfuse's cursor in that of a listing.
fn place<'p>(mark: &str, page: &'p PageRequest) -> Result<Option<&'p str>> {
    let cursor = page.cursor.as_deref();
    cursor.map(|it| cursor::unmark(mark, it)).transpose()
}

/// The error for a span that is not in a project.
pub(crate) fn no_span(project: &str, id: &str) -> Error {
    error::not_found(format!("project `{project}` has no span `{id}`"))
}

/// The error for a trace that is not in a project.
pub(crate) fn no_trace(project: &str, id: &str) -> Error {
    error::not_found(format!("project `{project}` has no trace `{id}`"))
}
