//! `trace-store`.

use std::cell::RefCell;

use roost_provider::types::{AttributeValue, PageRequest, Span, SpanRef};

use super::{breaks, instead_of_missing, internal, of_any_project};
use crate::bindings::trace_store::{Guest, SpanBatch, SpanPage, SpanQuery, TracePage};
use crate::{Error, Provider, Result, Wrong};

thread_local! {
    /// Where the listing is, for a provider that keeps it in its instance.
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

impl Guest for Wrong {
    fn get_spans(mut query: SpanQuery) -> Result<SpanPage> {
        let asked = query.clone();
        if breaks("traces.window") {
            query.window.end = query.window.end.saturating_add(1);
        }
        if breaks("traces.roots") {
            query.roots_only = false;
        }
        if breaks("traces.empty-window") && query.window.start == query.window.end {
            return Err(Error::InvalidArgument("the window is empty".to_owned()));
        }
        if breaks("traces.predicates") {
            query.predicates.clear();
        }
        if breaks("traces.pages-stand-still") {
            return by_number(&query);
        }
        if breaks("traces.cursor") && query.page.cursor.is_some() {
            query.page.cursor = PLACE.take();
            if query.page.cursor.is_none() {
                return Err(Error::InvalidArgument("no listing was begun".to_owned()));
            }
        }
        let mut answer = Provider::get_spans(query.clone());
        if breaks("traces.wrong-cursor") && matches!(answer, Err(Error::InvalidArgument(_))) {
            query.page.cursor = None;
            answer = Provider::get_spans(query);
        }
        if breaks("traces.unknown-project") {
            answer = instead_of_missing(answer, || {
                Ok(SpanPage {
                    spans: SpanBatch::Records(Vec::new()),
                    cursor: None,
                    applied: Vec::new(),
                    ordered: true,
                })
            });
        }
        let mut page = answer?;
        if breaks("traces.predicates") {
            page.applied = (0..)
                .zip(&asked.predicates)
                .map(|(place, _)| place)
                .collect();
        }
        if breaks("traces.cursor") && page.cursor.is_some() {
            PLACE.set(page.cursor.replace("next".to_owned()));
        }
        if breaks("traces.records") && asked.projection.is_some() {
            page.spans = SpanBatch::Arrow(Vec::new());
        }
        if let SpanBatch::Records(spans) = &mut page.spans {
            spoil(&asked, spans, page.cursor.is_some());
            if breaks("traces.order") && asked.order.is_some() {
                page.ordered = true;
                spans.reverse();
            }
        }
        Ok(page)
    }

    fn get_span(project: String, span: SpanRef) -> Result<Span> {
        let mut answer = Provider::get_span(project, span.clone());
        if breaks("traces.span") {
            answer = instead_of_missing(answer, internal);
        }
        if breaks("traces.other-project") {
            let any = || of_any_project(|project| Provider::get_span(project, span.clone()));
            answer = instead_of_missing(answer, any);
        }
        let mut span = answer?;
        if breaks("traces.large") {
            for attribute in &mut span.attributes {
                if let AttributeValue::Text(text) = &mut attribute.value {
                    *text = text.chars().take(65_535).collect();
                }
            }
        }
        if breaks("traces.events") {
            span.events.iter_mut().for_each(|event| event.time = 0);
        }
        Ok(span)
    }

    fn get_trace(
        project: String,
        trace_id: String,
        near: Option<u64>,
        page: PageRequest,
    ) -> Result<TracePage> {
        let answer = Provider::get_trace(project, trace_id, near, page);
        if breaks("traces.trace") {
            let nothing = TracePage {
                spans: Vec::new(),
                cursor: None,
            };
            return instead_of_missing(answer, || Ok(nothing));
        }
        answer
    }
}

/// Spoil the spans of a page, which another follows or not.
fn spoil(asked: &SpanQuery, spans: &mut Vec<Span>, is_followed: bool) {
    if breaks("traces.pages") && is_followed {
        spans.pop();
    }
    for span in spans {
        let has_no_kind =
            breaks("traces.written") || breaks("traces.projection") && asked.projection.is_some();
        if has_no_kind {
            span.kind = "UNKNOWN".to_owned();
        }
        if breaks("traces.attributes") {
            for attribute in &mut span.attributes {
                if let AttributeValue::Integer(number) = attribute.value {
                    attribute.value = AttributeValue::Text(number.to_string());
                }
            }
        }
    }
}

/// Pages that are counted from the newest span, whatever came meanwhile.
fn by_number(query: &SpanQuery) -> Result<SpanPage> {
    let first = query
        .page
        .cursor
        .as_deref()
        .map_or(Ok(0), str::parse::<usize>);
    let first = first.map_err(|_| Error::InvalidArgument("no cursor".to_owned()))?;
    let limit = query.page.limit as usize;
    let mut whole = query.clone();
    whole.page = PageRequest {
        limit: 1_000,
        cursor: None,
    };
    let mut page = Provider::get_spans(whole)?;
    if let SpanBatch::Records(spans) = &mut page.spans {
        page.cursor = (spans.len() > first + limit).then(|| (first + limit).to_string());
        *spans = spans.drain(..).skip(first).take(limit).collect();
    }
    Ok(page)
}
