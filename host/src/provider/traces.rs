//! Spans and traces, for reading.

use super::pages::SpanPages;
use super::paging::Paging;
use super::query::SpanQuery;
use super::{MAX_ITEMS, Provider};
use crate::contract::{ProviderError, Span, SpanRef};

pub(crate) const GET_SPANS: &str = "get-spans";
const GET_SPAN: &str = "get-span";
const GET_TRACE: &str = "get-trace";

/// Spans and traces of a [`Provider`].
pub struct TraceStore<'a> {
    pub(crate) provider: &'a Provider,
}

impl<'a> TraceStore<'a> {
    pub(super) fn new(provider: &'a Provider) -> Self {
        Self { provider }
    }

    /// The spans that answer `query`. Filters and order are exact: what the backend does
    /// not do is done here.
    ///
    /// # Errors
    ///
    /// As [`pages`](Self::pages), and of [`SpanPages::next`]; and
    /// [`Error::InvalidArgument`](crate::contract::Error::InvalidArgument) for more than
    /// 100,000 spans, which are read page by page.
    pub async fn get_spans(&self, query: &SpanQuery) -> Result<Vec<Span>, ProviderError> {
        let mut pages = self.pages(query)?.kept();
        let mut spans = Vec::new();
        while let Some(page) = pages.next().await? {
            spans.extend(page);
            if spans.len() > MAX_ITEMS {
                return Err(self.provider.too_many(GET_SPANS, "spans to hold at once"));
            }
        }
        Ok(spans)
    }

    /// The spans that answer `query`, page by page, for answers too large to hold: the backend
    /// is asked each time.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidArgument`](crate::contract::Error::InvalidArgument) for a window that ends before it begins;
    /// [`Error::PermissionDenied`](crate::contract::Error::PermissionDenied) for a project that is not in this handle's scope.
    pub fn pages(&self, query: &SpanQuery) -> Result<SpanPages<'a>, ProviderError> {
        let provider = self.provider;
        provider.admit(GET_SPANS, &query.project)?;
        query
            .window
            .check()
            .map_err(|why| provider.invalid(GET_SPANS, why))?;
        SpanPages::begin(provider, query.clone())
    }

    /// One span, whole.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`](crate::contract::Error::NotFound) for a project or a span that does not exist;
    /// [`Error::InvalidArgument`](crate::contract::Error::InvalidArgument) for an id that is none.
    pub async fn get_span(&self, project: &str, span: &SpanRef) -> Result<Span, ProviderError> {
        let provider = self.provider;
        provider.admit(GET_SPAN, project)?;
        span.check()
            .map_err(|why| provider.invalid(GET_SPAN, why))?;
        provider
            .read(GET_SPAN, project, span, async |store, guests| {
                guests.traces()?.call_get_span(store, project, span).await
            })
            .await
    }

    /// Every span of a trace, oldest first.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`](crate::contract::Error::NotFound) for a project that does not exist and for a trace without a
    /// span; [`Error::InvalidArgument`](crate::contract::Error::InvalidArgument) for an id that is none and for a trace of more than
    /// 100,000 spans.
    pub async fn get_trace(
        &self,
        project: &str,
        trace_id: &str,
    ) -> Result<Vec<Span>, ProviderError> {
        let provider = self.provider;
        provider.admit(GET_TRACE, project)?;
        check_trace_id(trace_id).map_err(|why| provider.invalid(GET_TRACE, why))?;
        let mut spans = Vec::new();
        let mut paging = Paging::begin(provider, GET_TRACE, MAX_ITEMS)?;
        loop {
            let question = (trace_id, paging.request());
            let answer = provider
                .read(GET_TRACE, project, question, async |store, guests| {
                    guests
                        .traces()?
                        .call_get_trace(store, project, trace_id, None, paging.request())
                        .await
                })
                .await?;
            spans.extend(answer.spans);
            if spans.len() > MAX_ITEMS {
                return Err(provider.too_many(GET_TRACE, "spans in this trace"));
            }
            if !paging.advance(answer.cursor)? {
                break;
            }
        }
        spans.sort_by_key(|span| (span.start_time, span.end_time));
        Ok(spans)
    }
}

impl SpanRef {
    /// A span by the ids of its trace and of itself.
    pub fn new(trace_id: impl Into<String>, span_id: impl Into<String>) -> Self {
        Self {
            trace_id: trace_id.into(),
            span_id: span_id.into(),
            near: None,
        }
    }

    /// A span by its id alone, which some backends cannot find.
    pub fn by_id(span_id: impl Into<String>) -> Self {
        Self::new(String::new(), span_id)
    }

    pub(super) fn check(&self) -> Result<(), String> {
        if !self.trace_id.is_empty() {
            check_trace_id(&self.trace_id)?;
        }
        check_span_id(&self.span_id)
    }
}

pub(crate) fn check_trace_id(id: &str) -> Result<(), String> {
    check_hex("trace id", id, 32)
}

pub(crate) fn check_span_id(id: &str) -> Result<(), String> {
    check_hex("span id", id, 16)
}

fn check_hex(what: &str, id: &str, digits: usize) -> Result<(), String> {
    let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if id.len() == digits && id.bytes().all(is_hex) {
        return Ok(());
    }
    Err(format!(
        "`{id}` is no {what}: it has {digits} lower-case hexadecimal digits"
    ))
}
