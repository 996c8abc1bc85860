//! `trace-store`: spans on their way out.

use serde::Deserialize;

use crate::Provider;
use crate::exports::roost::telemetry::trace_store::{
    Guest, SpanBatch, SpanPage, SpanQuery, TracePage,
};
use crate::roost::telemetry::types::{Error, PageRequest, Span, SpanRef};
use crate::service::{encode, get};
use crate::span::Wire;

/// A page of the service's listings.
#[derive(Deserialize)]
struct Page {
    spans: Vec<Wire>,
    next: Option<String>,
}

impl Page {
    fn spans(self) -> Result<Vec<Span>, Error> {
        self.spans.into_iter().map(Span::try_from).collect()
    }
}

impl Guest for Provider {
    /// The service knows the window and roots; predicates and order are left to the host, which
    /// `applied` and `ordered` tell it.
    fn get_spans(query: SpanQuery) -> Result<SpanPage, Error> {
        let mut path = format!(
            "/projects/{}/spans?start={}&end={}&roots={}&limit={}",
            encode(&query.project),
            query.window.start,
            query.window.end,
            query.roots_only,
            query.page.limit,
        );
        push_cursor(&mut path, query.page.cursor);
        let mut page: Page = get(&path)?;
        Ok(SpanPage {
            cursor: page.next.take(),
            spans: SpanBatch::Records(page.spans()?),
            applied: Vec::new(),
            ordered: false,
        })
    }

    fn get_span(project: String, span: SpanRef) -> Result<Span, Error> {
        let path = format!(
            "/projects/{}/spans/{}",
            encode(&project),
            encode(&span.span_id)
        );
        get::<Wire>(&path)?.try_into()
    }

    fn get_trace(
        project: String,
        trace_id: String,
        _near: Option<u64>,
        page: PageRequest,
    ) -> Result<TracePage, Error> {
        let (project, trace) = (encode(&project), encode(&trace_id));
        let mut path = format!("/projects/{project}/traces/{trace}?limit={}", page.limit);
        push_cursor(&mut path, page.cursor);
        let mut page: Page = get(&path)?;
        Ok(TracePage {
            cursor: page.next.take(),
            spans: page.spans()?,
        })
    }
}

fn push_cursor(path: &mut String, cursor: Option<String>) {
    if let Some(cursor) = cursor {
        path.push_str("&after=");
        path.push_str(&encode(&cursor));
    }
}
