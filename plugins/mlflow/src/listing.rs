//! Pages of spans, newest first.
//!
//! MLflow lists traces, in an order that moves: a trace moves back in time when a span comes
//! that began before the others, and its root, which began first, comes last. What does not move
//! is when a span began. So a listing walks back through time, in slices: the newest traces that
//! began by the end of what is left reach back to some millisecond; with those that began before
//! it and ended after, they hold every span that began since. These spans are one part of the
//! listing, in order, and the next slice ends where this one began.

use roost_provider::types::Span;
use roost_provider::{cursor, error, time};

use crate::Result;
use crate::bindings::trace_store::Projection;
use crate::filter::Filter;
use crate::mlflow::{MOST, Mlflow};
use crate::search::{self, Found, Info, MILLISECOND, Order};

/// How many spans a trace is taken to have, before any was seen.
const SPANS: usize = 10;

/// A call ends with what it has when this much was read, in bytes, or this long, in nanoseconds.
const MUCH: usize = 16 << 20;
const LONG: u64 = 5_000_000_000;

const MARK: &str = "start";

/// A place in the listing: what comes after it began before `start`, or then and has smaller ids.
#[derive(Debug, Clone, PartialEq)]
struct Place {
    start: u64,
    trace_id: String,
    span_id: String,
}

impl Place {
    /// Before everything that began before this time.
    fn before(start: u64) -> Self {
        Self {
            start,
            trace_id: String::new(),
            span_id: String::new(),
        }
    }

    fn of(span: &Span) -> Self {
        Self {
            start: span.start_time,
            trace_id: span.trace_id.clone(),
            span_id: span.span_id.clone(),
        }
    }

    /// The place that a cursor names, and how many traces a page was made of.
    fn parse(text: &str) -> Result<(Self, u32)> {
        let place = || {
            let (traces, rest) = cursor::unmark(MARK, text).ok()?.split_once(':')?;
            let (start, ids) = rest.split_once(':')?;
            let (trace_id, span_id) = ids.split_once(':')?;
            let place = Self {
                start: start.parse().ok()?,
                trace_id: trace_id.to_owned(),
                span_id: span_id.to_owned(),
            };
            Some((place, traces.parse().ok()?))
        };
        place().ok_or_else(|| cursor::refusal(text))
    }

    fn to_cursor(&self, traces: u32) -> String {
        let Self {
            start,
            trace_id,
            span_id,
        } = self;
        cursor::mark(MARK, &format!("{traces}:{start}:{trace_id}:{span_id}"))
    }

    /// The last instant at which a span behind this place can have begun; none where there is
    /// no time left.
    fn last(&self) -> Option<u64> {
        if self.trace_id.is_empty() {
            self.start.checked_sub(1)
        } else {
            Some(self.start)
        }
    }

    fn is_before(&self, span: &Span) -> bool {
        key(span) < (self.start, self.trace_id.as_str(), self.span_id.as_str())
    }
}

/// What spans are ordered by.
fn key(span: &Span) -> (u64, &str, &str) {
    (span.start_time, &span.trace_id, &span.span_id)
}

/// A listing of the spans of an experiment.
pub(crate) struct Listing<'l> {
    pub(crate) mlflow: &'l Mlflow,
    pub(crate) experiment: &'l str,
    pub(crate) filter: &'l Filter<'l>,
    pub(crate) projection: Option<&'l Projection>,
}

/// The spans of a slice in their order, and where the next one begins; none when there is none.
struct Slice {
    spans: Vec<Span>,
    next: Option<Place>,
    traces: usize,
    bytes: usize,
}

impl Listing<'_> {
    /// A page, and the cursor of the next one.
    pub(crate) fn page(
        &self,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<(Vec<Span>, Option<String>)> {
        let limit = limit as usize;
        let begin = time::monotonic();
        let (mut place, mut wanted) = match cursor {
            Some(cursor) => Place::parse(cursor)?,
            None => (Place::before(self.filter.end), needed(limit, 1, SPANS)),
        };
        let mut spans = Vec::new();
        let (mut traces, mut bytes) = (0, 0);
        loop {
            let slice = self.slice(&place, wanted)?;
            spans.extend(slice.spans);
            traces += slice.traces;
            bytes += slice.bytes;
            let a_page = needed(limit, traces, spans.len());
            if spans.len() > limit || (spans.len() == limit && slice.next.is_some()) {
                spans.truncate(limit);
                let last = spans.last().map(Place::of);
                return Ok((spans, last.map(|place| place.to_cursor(a_page))));
            }
            let Some(next) = slice.next else {
                return Ok((spans, None));
            };
            place = next;
            if bytes > MUCH || time::monotonic().saturating_sub(begin) > LONG {
                return Ok((spans, Some(place.to_cursor(a_page))));
            }
            wanted = needed(limit - spans.len(), traces, spans.len());
        }
    }

    /// The spans behind a place that about as many traces as wanted hold.
    fn slice(&self, place: &Place, wanted: u32) -> Result<Slice> {
        let start = self.filter.start;
        let last = place.last().filter(|last| *last >= start);
        let Some(last) = last else {
            return Ok(Slice {
                spans: Vec::new(),
                next: None,
                traces: 0,
                bytes: 0,
            });
        };
        let (mut ids, since) = self.newest(start, last, wanted)?;
        if let Some(since) = since {
            // Those that began before and went on.
            let under_way: Vec<Info> = search::search_all(
                self.mlflow,
                self.experiment,
                &self.filter.between(since, since - 1),
                Order::NewestFirst,
            )?;
            ids.extend(under_way.into_iter().map(|info| info.trace_id));
            // A trace can have moved from the ones to the others.
            ids.sort();
            ids.dedup();
        }
        let since = since.unwrap_or(start);
        let mut spans = Vec::new();
        let bytes = search::fetch(self.mlflow, &ids, |trace| {
            if !trace.info.is_in(self.experiment) {
                return Ok(());
            }
            for span in trace.spans(self.projection) {
                let span = span.map_err(malformed)?;
                if span.start_time >= since && place.is_before(&span) && self.filter.fits(&span) {
                    spans.push(span);
                }
            }
            Ok(())
        })?;
        spans.sort_by(|left, right| key(right).cmp(&key(left)));
        Ok(Slice {
            spans,
            next: (since > start).then(|| Place::before(since)),
            traces: ids.len(),
            bytes,
        })
    }

    /// The newest traces that began by `last`, and since when there is no other; none where
    /// there is no other at all.
    fn newest(&self, start: u64, last: u64, wanted: u32) -> Result<(Vec<String>, Option<u64>)> {
        let conditions = self.filter.between(start, last);
        let mut ids = Vec::new();
        let mut token: Option<String> = None;
        loop {
            let found: Found<Info> = search::search(
                self.mlflow,
                self.experiment,
                &conditions,
                Order::NewestFirst,
                wanted,
                token.as_deref(),
            )?;
            let oldest = found.traces.last().map(Info::millisecond);
            ids.extend(found.traces.into_iter().map(|info| info.trace_id));
            token = found.token;
            let (Some(oldest), Some(_)) = (oldest, &token) else {
                return Ok((ids, None));
            };
            // Others may have begun in the same millisecond.
            let since = (oldest + 1).saturating_mul(MILLISECOND);
            if since <= start {
                return Ok((ids, None));
            }
            if since <= last {
                return Ok((ids, Some(since)));
            }
        }
    }
}

/// How many traces to ask for, so that they have as many spans as are missing, where as many as
/// were seen had that many.
fn needed(missing: usize, traces: usize, spans: usize) -> u32 {
    let needed = missing.saturating_mul(traces.max(1)).div_ceil(spans.max(1));
    u32::try_from(needed).unwrap_or(MOST).clamp(1, MOST)
}

/// The error for a span that cannot be read.
pub(crate) fn malformed(error: serde_json::Error) -> roost_provider::Error {
    error::backend(
        200,
        &format!("MLflow describes a span in an unexpected way: {error}"),
    )
}
