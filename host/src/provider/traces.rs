//! Spans and traces, for reading.

use std::cmp::Ordering;

use super::paging::Paging;
use super::query::SpanQuery;
use super::{MAX_ITEMS, Provider};
use crate::contract::{
    Error, Order, OrderKey, PageRequest, Predicate, ProviderError, Span, SpanBatch, SpanPage,
    SpanRef,
};

const GET_SPANS: &str = "get-spans";
const GET_SPAN: &str = "get-span";
const GET_TRACE: &str = "get-trace";

/// Spans and traces of a [`Provider`].
pub struct TraceStore<'a> {
    provider: &'a Provider,
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
    /// [`Error::NotFound`] for a project that does not exist; [`Error::InvalidArgument`]
    /// for a window that ends before it begins, and when an order that the backend does
    /// not have would need more than 100,000 spans to be sorted here.
    pub async fn get_spans(&self, query: &SpanQuery) -> Result<Vec<Span>, ProviderError> {
        let provider = self.provider;
        provider.admit(GET_SPANS, &query.project)?;
        query
            .window
            .check()
            .map_err(|why| provider.invalid(GET_SPANS, why))?;
        if query.limit == 0 {
            return Ok(Vec::new());
        }
        let mut spans = Vec::new();
        let mut must_sort = false;
        let mut paging = Paging::begin(provider, GET_SPANS, query.limit)?;
        loop {
            let answer = self.page(query, paging.request().clone()).await?;
            let rest = unapplied(&query.predicates, &answer.applied);
            // Once one page is out of order, the first spans may be on the last page.
            must_sort |= query.order.is_some() && !answer.ordered;
            let found = self.records(answer.spans)?;
            spans.extend(
                found
                    .into_iter()
                    .filter(|span| rest.iter().all(|predicate| predicate.matches(span))),
            );
            if must_sort && spans.len() > MAX_ITEMS {
                return Err(provider.too_many(GET_SPANS, "spans to sort"));
            }
            if must_sort || !rest.is_empty() {
                paging.enlarge();
            }
            if (!must_sort && spans.len() >= query.limit) || !paging.advance(answer.cursor)? {
                break;
            }
        }
        if must_sort && let Some(order) = query.order {
            spans.sort_by(|left, right| compare(order, left, right));
        }
        spans.truncate(query.limit);
        Ok(spans)
    }

    /// One span, whole.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] for a project or a span that does not exist;
    /// [`Error::InvalidArgument`] for an id that is none.
    pub async fn get_span(&self, project: &str, span: &SpanRef) -> Result<Span, ProviderError> {
        let provider = self.provider;
        provider.admit(GET_SPAN, project)?;
        span.check()
            .map_err(|why| provider.invalid(GET_SPAN, why))?;
        provider
            .call(GET_SPAN, async |store, guests| {
                guests.traces()?.call_get_span(store, project, span).await
            })
            .await
    }

    /// Every span of a trace, oldest first.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] for a project that does not exist and for a trace without a
    /// span; [`Error::InvalidArgument`] for an id that is none and for a trace of more than
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
            let answer = provider
                .call(GET_TRACE, async |store, guests| {
                    guests
                        .traces()?
                        .call_get_trace(store, project, trace_id, paging.request())
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

    async fn page(&self, query: &SpanQuery, page: PageRequest) -> Result<SpanPage, ProviderError> {
        let query = query.to_contract(page);
        self.provider
            .call(GET_SPANS, async |store, guests| {
                guests.traces()?.call_get_spans(store, &query).await
            })
            .await
    }

    /// A page's spans as records, the only form this host asks for.
    fn records(&self, spans: SpanBatch) -> Result<Vec<Span>, ProviderError> {
        match spans {
            SpanBatch::Records(spans) => Ok(spans),
            SpanBatch::Arrow(_) => Err(self.provider.error(
                GET_SPANS,
                Error::Internal("it answered Arrow, which was not asked for".to_owned()),
            )),
        }
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
        check_hex("span id", &self.span_id, 16)
    }
}

pub(super) fn check_trace_id(id: &str) -> Result<(), String> {
    check_hex("trace id", id, 32)
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

/// The predicates that a page does not claim to have applied.
fn unapplied<'a>(predicates: &'a [Predicate], applied: &[u32]) -> Vec<&'a Predicate> {
    (0..)
        .zip(predicates)
        .filter(|(place, _)| !applied.contains(place))
        .map(|(_, predicate)| predicate)
        .collect()
}

fn compare(order: Order, left: &Span, right: &Span) -> Ordering {
    let key = |span: &Span| match order.key {
        OrderKey::StartTime => span.start_time,
        OrderKey::EndTime => span.end_time,
        OrderKey::Latency => span.end_time.saturating_sub(span.start_time),
    };
    let ascending = key(left).cmp(&key(right));
    if order.descending {
        ascending.reverse()
    } else {
        ascending
    }
}
