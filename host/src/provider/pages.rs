//! The spans that answer a question, page by page: filtered and ordered by the backend where
//! it can, and here where it cannot.

use std::cmp::Ordering;

use super::paging::Paging;
use super::query::{SpanFilter, SpanQuery};
use super::traces::GET_SPANS;
use super::{MAX_ITEMS, Provider};
use crate::contract::{
    Error, Order, OrderKey, Predicate, ProviderError, Span, SpanBatch, SpanPage,
};
use crate::plugin::Guests;

/// How a page that came as an Arrow IPC stream becomes spans.
pub(crate) type DecodeArrow = fn(&[u8]) -> Result<Vec<Span>, String>;

/// The way through the spans that answer a [`SpanQuery`]; see
/// [`TraceStore::pages`](super::TraceStore::pages).
pub struct SpanPages<'a> {
    provider: &'a Provider,
    query: SpanQuery,
    paging: Paging<'a>,
    /// How many spans are still wanted.
    wanted: usize,
    ended: bool,
    /// Spans that wait for others to be sorted with.
    held: Vec<Span>,
    /// Whether a page did not follow the order: the first spans may be on the last page.
    unordered: bool,
    /// Whether spans were handed out.
    begun: bool,
    decode_arrow: Option<DecodeArrow>,
    /// Whether the backend's answers are kept.
    kept: bool,
}

impl<'a> SpanPages<'a> {
    pub(super) fn begin(provider: &'a Provider, query: SpanQuery) -> Result<Self, ProviderError> {
        let wanted = query.limit;
        Ok(Self {
            provider,
            paging: Paging::begin(provider, GET_SPANS, wanted)?,
            query,
            wanted,
            ended: wanted == 0,
            held: Vec::new(),
            unordered: false,
            begun: false,
            decode_arrow: None,
            kept: false,
        })
    }

    /// Keep the backend's answers, and take those that are kept.
    pub(super) fn kept(mut self) -> Self {
        self.kept = true;
        self
    }

    /// Let the provider answer Arrow, and decode it so.
    #[cfg(feature = "query")]
    pub(crate) fn accept_arrow(mut self, decode: DecodeArrow) -> Self {
        self.decode_arrow = Some(decode);
        self
    }

    /// The next page; `None` after the last one. Never an empty one.
    ///
    /// A backend that does not have the order that is wanted is read to its end before the
    /// first page is there.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] for a project that does not exist; [`Error::InvalidArgument`] when
    /// an order that the backend does not have would need more than 100,000 spans to be
    /// held here.
    pub async fn next(&mut self) -> Result<Option<Vec<Span>>, ProviderError> {
        while !self.ended {
            let (found, ordered) = self.fetch().await?;
            self.held.extend(found);
            self.unordered |= !ordered;
            match self.query.order {
                Some(order) if self.unordered => self.hold(order)?,
                _ if self.held.is_empty() => {}
                _ => break,
            }
        }
        let mut page = std::mem::take(&mut self.held);
        page.truncate(self.wanted);
        self.wanted -= page.len();
        self.ended |= self.wanted == 0;
        self.begun |= !page.is_empty();
        Ok(Some(page).filter(|spans| !spans.is_empty()))
    }

    /// The spans of one page of the backend that fit, and whether they follow the order.
    async fn fetch(&mut self) -> Result<(Vec<Span>, bool), ProviderError> {
        let answer = self.page().await?;
        let rest = unapplied(&self.query.predicates, &answer.applied);
        let mut found = self.records(answer.spans)?;
        found.retain(|span| rest.iter().all(|predicate| predicate.matches(span)));
        for filter in &self.query.filters {
            self.apply(&**filter, &mut found)?;
        }
        let ordered = answer.ordered || self.query.order.is_none();
        if !ordered || !rest.is_empty() || !self.query.filters.is_empty() {
            self.paging.enlarge();
        }
        self.ended = !self.paging.advance(answer.cursor)?;
        Ok((found, ordered))
    }

    async fn page(&self) -> Result<SpanPage, ProviderError> {
        let question = self
            .query
            .to_contract(self.paging.request().clone(), self.decode_arrow.is_some());
        let ask = async |store: &mut _, guests: &Guests| {
            guests.traces()?.call_get_spans(store, &question).await
        };
        let project = &self.query.project;
        if self.kept {
            self.provider.read(GET_SPANS, project, &question, ask).await
        } else {
            self.provider.call(GET_SPANS, ask).await
        }
    }

    /// Sort what is held, and let go of what cannot be wanted.
    fn hold(&mut self, order: Order) -> Result<(), ProviderError> {
        if self.begun {
            let why = "its pages follow the order no longer".to_owned();
            return Err(self.provider.error(GET_SPANS, Error::Internal(why)));
        }
        if self.held.len() > self.wanted || self.ended {
            self.held.sort_by(|left, right| compare(order, left, right));
            self.held.truncate(self.wanted);
        }
        if self.held.len() > MAX_ITEMS {
            return Err(self.provider.too_many(GET_SPANS, "spans to sort"));
        }
        Ok(())
    }

    /// Keep the spans that fit.
    fn apply(&self, filter: &dyn SpanFilter, spans: &mut Vec<Span>) -> Result<(), ProviderError> {
        let fits = filter
            .fits(spans)
            .map_err(|why| self.provider.invalid(GET_SPANS, why))?;
        let mut fits = fits.into_iter();
        spans.retain(|_| fits.next().unwrap_or(false));
        Ok(())
    }

    /// A page's spans as records.
    fn records(&self, spans: SpanBatch) -> Result<Vec<Span>, ProviderError> {
        let decoded = match (spans, self.decode_arrow) {
            (SpanBatch::Records(spans), _) => return Ok(spans),
            (SpanBatch::Arrow(bytes), Some(decode)) => {
                decode(&bytes).map_err(|why| format!("its Arrow page cannot be read: {why}"))
            }
            (SpanBatch::Arrow(_), None) => {
                Err("it answered Arrow, which was not asked for".to_owned())
            }
        };
        decoded.map_err(|why| self.provider.error(GET_SPANS, Error::Internal(why)))
    }
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
