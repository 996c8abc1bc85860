//! `trace-store`: spans on their way out.

use crate::Provider;
use crate::exports::roost::telemetry::trace_store::{
    Guest, SpanBatch, SpanPage, SpanQuery, TracePage,
};
use crate::roost::telemetry::types::{Error, PageRequest, Span, SpanRef};
use crate::service::{Page, Question};
use crate::span::Wire;
use crate::times::to_iso;

impl Guest for Provider {
    /// Predicates and order are left to the host, which `applied` and `ordered` tell it.
    fn get_spans(query: SpanQuery) -> Result<SpanPage, Error> {
        let question = listing(&query.project, &query.page)?
            .with("start_time", to_iso(query.window.start))
            .with("end_time", to_iso(query.window.end))
            .with_all("parent_id", query.roots_only.then_some("null"));
        let (spans, cursor) = page(question)?;
        Ok(SpanPage {
            spans: SpanBatch::Records(spans),
            cursor,
            applied: Vec::new(),
            ordered: false,
        })
    }

    fn get_span(project: String, span: SpanRef) -> Result<Span, Error> {
        let one = PageRequest {
            limit: 1,
            cursor: None,
        };
        let trace = Some(span.trace_id).filter(|it| !it.is_empty());
        let question = listing(&project, &one)?
            .with("span_id", &span.span_id)
            .with_all("trace_id", trace);
        let missing = || format!("project `{project}` has no span `{}`", span.span_id);
        let (mut spans, _) = page(question)?;
        spans.pop().ok_or_else(|| Error::NotFound(missing()))
    }

    fn get_trace(
        project: String,
        trace_id: String,
        _near: Option<u64>,
        request: PageRequest,
    ) -> Result<TracePage, Error> {
        let question = listing(&project, &request)?.with("trace_id", &trace_id);
        let (spans, cursor) = page(question)?;
        if spans.is_empty() && request.cursor.is_none() {
            let missing = format!("project `{project}` has no trace `{trace_id}`");
            return Err(Error::NotFound(missing));
        }
        Ok(TracePage { spans, cursor })
    }
}

/// Spans in the order in which they came: what comes in meanwhile moves nothing.
fn listing(project: &str, page: &PageRequest) -> Result<Question, Error> {
    Ok(Question::in_project(project, "/spans")?
        .with("sort", "id")
        .with("order", "asc")
        .with("limit", page.limit)
        .with_all("cursor", page.cursor.as_ref()))
}

/// The spans of a page, and where the next one begins.
fn page(question: Question) -> Result<(Vec<Span>, Option<String>), Error> {
    let page: Page<Wire> = question.ask()?;
    Ok((
        page.data.into_iter().map(Span::from).collect(),
        page.next_cursor,
    ))
}
