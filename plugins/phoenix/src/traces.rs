//! `trace-store`: few columns over the query endpoint, everything else over REST.

use roost_provider::error;
use roost_provider::types::{PageRequest, Span, SpanRef};

use crate::bindings::trace_store::{Guest, SpanBatch, SpanPage, SpanQuery, TracePage};
use crate::listing::{self, Listing};
use crate::pushdown::{Plan, Window};
use crate::slices::{self, Outcome};
use crate::{Provider, Result};

impl Guest for Provider {
    fn get_spans(query: SpanQuery) -> Result<SpanPage> {
        match slices::page(&query)? {
            Outcome::Page(page) => Ok(page),
            Outcome::OverRest(listing, window) => over_rest(&query, listing, window, None),
            Outcome::Unsuited => {
                let cursor = query.page.cursor.as_deref();
                over_rest(&query, Listing::of(&query), Plan::of(&query).window, cursor)
            }
        }
    }

    fn get_span(project: String, span: SpanRef) -> Result<Span> {
        listing::one(&project, &span)?.ok_or_else(|| {
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
        let cursor = page.cursor.as_deref();
        let listed = listing::of_trace(&project, &trace_id, cursor, page.limit)?;
        if listed.spans.is_empty() && page.cursor.is_none() {
            return Err(error::not_found(format!(
                "project `{project}` has no trace `{trace_id}`"
            )));
        }
        Ok(TracePage {
            spans: listed.spans,
            cursor: listed.cursor,
        })
    }
}

fn over_rest(
    query: &SpanQuery,
    listing: Listing,
    window: Window,
    cursor: Option<&str>,
) -> Result<SpanPage> {
    let listed = listing::read(query, listing, window, cursor, query.page.limit)?;
    Ok(SpanPage {
        spans: SpanBatch::Records(listed.spans),
        cursor: listed.cursor,
        applied: Plan::of(query).applied,
        ordered: query.order.is_none() || Listing::start_time(query.order).is_some(),
    })
}
