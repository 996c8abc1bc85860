//! Listing spans over the query endpoint, which has neither cursor nor order: by slices of
//! time, each of them small enough to be answered whole.
//!
//! Every span has one place in time, so none is on two pages and none between them, also
//! when many began in one instant and when others come in meanwhile. How long a slice may be
//! is guessed from how close the spans were before; of one that holds too many, a part is
//! asked for. Whatever cannot be done this way is done over REST.

use std::collections::BTreeMap;
use std::fmt;

use roost_provider::types::Span;
use roost_provider::{Error, cursor, error};

use crate::bindings::trace_store::{SpanBatch, SpanPage, SpanQuery};
use crate::condition::Condition;
use crate::dsl::{Question, Row};
use crate::listing::Listing;
use crate::phoenix::{MOST, phoenix};
use crate::pushdown::{Plan, Window};
use crate::{Result, listing, projects};

/// Below this number, spans over REST are there before a slice of the right length is found.
const FEWEST: u32 = 300;

/// The most requests for one page.
const MOST_REQUESTS: u32 = 40;

/// How many ids of spans go into one address: some 13 KB of it.
const SPANS_AN_ADDRESS: usize = 500;

/// The part of a page that may be doubtful; beyond it, all of it is as fast over REST.
const DOUBTFUL_PART: usize = 5;

/// How much longer than the slice before a slice may be.
const MOST_GROWTH: u64 = 8;

/// What came of trying.
pub(crate) enum Outcome {
    Page(SpanPage),
    /// The listing goes on over REST, with the spans that began in this window.
    OverRest(Listing, Window),
    /// This way does not suit the question, or Phoenix does not let it be asked.
    Unsuited,
}

/// A page of the spans that answer `query`.
pub(crate) fn page(query: &SpanQuery) -> Result<Outcome> {
    let condition = Condition::of(query);
    let Some(question) = Question::of(query, &condition) else {
        return Ok(Outcome::Unsuited);
    };
    // The newest first where it does not matter.
    let descending = Listing::start_time(query.order).is_none_or(|it| it.descending());
    let begun = match query.page.cursor.as_deref() {
        Some(cursor) if cursor.starts_with(MARK) => Some(Rest::parse(cursor, descending)?),
        None if suits(query, &question, &condition) => None,
        _ => return Ok(Outcome::Unsuited),
    };
    let search = Search {
        query,
        question: &question,
        condition: &condition,
    };
    let found = match begun {
        Some(rest) => search.go_on(rest),
        None => search.begin(descending),
    };
    match (found, begun) {
        (Ok(page), _) => Ok(Outcome::Page(page)),
        (
            Err(
                error @ (Error::NotFound(_)
                | Error::RateLimited(_)
                | Error::Timeout(_)
                | Error::Unauthenticated(_)),
            ),
            _,
        ) => Err(error),
        // The key of a viewer, values of several types, a Phoenix that says it otherwise.
        (Err(_), None) => Ok(Outcome::Unsuited),
        (Err(_), Some(rest)) => Ok(Outcome::OverRest(
            Listing::by_start_time(rest.descending),
            rest.window(),
        )),
    }
}

/// Whether this way is the faster one: few columns of many spans, or a predicate that only
/// the query endpoint applies.
fn suits(query: &SpanQuery, question: &Question<'_>, condition: &Condition) -> bool {
    let filters = condition.applied.len() > Plan::of(query).applied.len();
    filters || (question.is_narrow() && query.page.limit >= FEWEST)
}

struct Search<'q> {
    query: &'q SpanQuery,
    question: &'q Question<'q>,
    condition: &'q Condition,
}

impl Search<'_> {
    /// The first page.
    fn begin(&self, descending: bool) -> Result<SpanPage> {
        let (start, end) = self.condition.window.microseconds();
        let rows = self.question.ask(start, end, self.limit() + 1)?;
        if rows.is_empty() {
            // The query endpoint says the same of a project that does not exist.
            projects::find(phoenix()?, &self.query.project)?;
        }
        if rows.len() <= self.limit() {
            return self.answer(rows, descending, None);
        }
        let (start, end) = self.occupied()?;
        self.go_on(Rest {
            descending,
            start,
            end,
            length: spread(&rows),
        })
    }

    /// The next page.
    fn go_on(&self, mut rest: Rest) -> Result<SpanPage> {
        for _ in 0..MOST_REQUESTS {
            let (start, end) = rest.slice();
            let rows = self.question.ask(start, end, self.limit() + 1)?;
            if rows.len() > self.limit() {
                if end - start <= 1 {
                    return Err(give_up("too many spans in one instant"));
                }
                // Phoenix chose among them: how far apart they are is a hint and no more.
                rest.length = spread(&rows).min((end - start) / 2);
                continue;
            }
            match rest.after(rows.len(), self.limit()) {
                Some(next) if rows.is_empty() => rest = next,
                next => return self.answer(rows, rest.descending, next),
            }
        }
        Err(give_up("the spans are too unevenly spread"))
    }

    fn limit(&self) -> usize {
        self.query.page.limit.min(MOST) as usize
    }

    /// The part of the window from the first span to the last.
    fn occupied(&self) -> Result<(u64, u64)> {
        let mut window = self.condition.window;
        for descending in [false, true] {
            let listing = Listing::by_start_time(descending);
            let outermost = listing::read(self.query, listing, window, None, 1)?;
            let at = outermost.spans.first().map(|span| span.start_time);
            let at = at.ok_or_else(|| give_up("the spans are gone"))?;
            match descending {
                false => window.start = at,
                true => window.end = at.saturating_add(1),
            }
        }
        Ok(window.microseconds())
    }

    fn answer(&self, rows: Vec<Row>, descending: bool, next: Option<Rest>) -> Result<SpanPage> {
        let doubtful: Vec<&str> = rows
            .iter()
            .filter(|row| row.doubtful)
            .map(|row| row.span.span_id.as_str())
            .collect();
        if self.question.is_narrow() && doubtful.len() > rows.len() / DOUBTFUL_PART + 1 {
            return Err(give_up("too many values of no certain type"));
        }
        let mut certain = self.read_again(&doubtful)?;
        let mut spans: Vec<Span> = rows
            .into_iter()
            .filter_map(|row| match row.doubtful {
                // What is not there any more was deleted meanwhile.
                true => certain.remove(&row.span.span_id),
                false => Some(row.span),
            })
            .collect();
        spans.sort_by_key(|span| span.start_time);
        if descending {
            spans.reverse();
        }
        Ok(SpanPage {
            spans: SpanBatch::Records(spans),
            cursor: next.map(|rest| rest.to_string()),
            applied: self.condition.applied.clone(),
            ordered: Listing::start_time(self.query.order).is_some() || self.query.order.is_none(),
        })
    }

    /// The spans of these ids over REST.
    fn read_again(&self, ids: &[&str]) -> Result<BTreeMap<String, Span>> {
        let mut spans = BTreeMap::new();
        for ids in ids.chunks(SPANS_AN_ADDRESS) {
            for span in listing::by_ids(self.query, ids)? {
                spans.insert(span.span_id.clone(), span);
            }
        }
        Ok(spans)
    }
}

/// How far apart the outermost of these spans began, in microseconds.
fn spread(rows: &[Row]) -> u64 {
    let began = || rows.iter().map(|row| row.span.start_time / 1_000);
    let (first, last) = (began().min(), began().max());
    last.unwrap_or(0).saturating_sub(first.unwrap_or(0))
}

/// Why it goes on over REST; nobody reads it but who debugs this.
fn give_up(why: &str) -> Error {
    error::backend(0, why)
}

/// What is left of a listing.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Rest {
    descending: bool,
    /// From when on spans are left, in microseconds since the epoch; inside.
    start: u64,
    /// Until when; outside.
    end: u64,
    /// How much of it may fit on a page.
    length: u64,
}

impl Rest {
    /// The part to ask for next.
    fn slice(&self) -> (u64, u64) {
        let length = self.length.max(1);
        if self.descending {
            (self.start.max(self.end.saturating_sub(length)), self.end)
        } else {
            (self.start, self.end.min(self.start.saturating_add(length)))
        }
    }

    /// What is left after the next slice, which held that many spans of `limit`; none where
    /// it was the last.
    fn after(self, found: usize, limit: usize) -> Option<Self> {
        let (start, end) = self.slice();
        let (start, end) = match self.descending {
            true => (self.start, start),
            false => (end, self.end),
        };
        // Five sixths full, so that few slices hold too many.
        let length =
            u128::from(self.length.max(1)) * 5 * limit as u128 / (6 * found.max(1) as u128);
        let most = self.length.max(1).saturating_mul(MOST_GROWTH);
        let length = u64::try_from(length).unwrap_or(u64::MAX).clamp(1, most);
        (start < end).then_some(Self {
            start,
            end,
            length,
            ..self
        })
    }

    fn window(&self) -> Window {
        Window {
            start: self.start.saturating_mul(1_000),
            end: self.end.saturating_mul(1_000),
        }
    }

    fn parse(text: &str, descending: bool) -> Result<Self> {
        let numbers = cursor::unmark(mark(descending), text)?;
        let mut numbers = numbers.split('-').map(str::parse);
        let mut next = || numbers.next()?.ok();
        match (next(), next(), next(), next()) {
            (Some(start), Some(end), Some(length), None) if start < end => Ok(Self {
                descending,
                start,
                end,
                length,
            }),
            _ => Err(cursor::refusal(text)),
        }
    }
}

impl fmt::Display for Rest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = mark(self.descending);
        write!(
            formatter,
            "{mark}:{}-{}-{}",
            self.start, self.end, self.length
        )
    }
}

/// With this every cursor of slices begins.
const MARK: &str = "slice-";

fn mark(descending: bool) -> &'static str {
    if descending {
        "slice-desc"
    } else {
        "slice-asc"
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// Walk over spans that began at these instants.
    fn walk(instants: &[u64], descending: bool, limit: usize) -> Option<Vec<Vec<u64>>> {
        let (first, last) = (*instants.first()?, *instants.last()?);
        let mut rest = Rest {
            descending,
            start: first,
            end: last + 1,
            length: (last - first) / 2,
        };
        let mut pages = Vec::new();
        for _ in 0..10_000 {
            let (start, end) = rest.slice();
            let inside = |at: &&u64| (start..end).contains(*at);
            let found: Vec<u64> = instants.iter().filter(inside).copied().collect();
            if found.len() > limit {
                rest.length = (end - start) / 2;
                assert!(end - start > 1);
                continue;
            }
            let next = rest.after(found.len(), limit);
            pages.push(found);
            match next {
                Some(next) => rest = Rest::parse(&next.to_string(), descending).unwrap(),
                None => return Some(pages),
            }
        }
        None
    }

    #[test]
    fn every_instant_is_on_one_page_however_uneven_they_are() {
        let dense = (0..500).map(|at| 1_000_000 + at * 3);
        let same = std::iter::repeat_n(1_700_000_000_000_000, 90);
        let sparse = (0..50).map(|at| 1_795_000_000_000_000 + at * 3_600_000_000);
        let instants: Vec<u64> = dense.chain(same).chain(sparse).collect();
        for descending in [false, true] {
            let pages = walk(&instants, descending, 100).unwrap();
            assert!(pages.iter().all(|page| page.len() <= 100));
            let mut all = pages.concat();
            all.sort_unstable();
            assert_eq!(all, instants);
            // Months without a span cost a few questions and not one a second.
            assert!(pages.len() < 200, "{}", pages.len());
        }
    }

    #[test]
    fn a_cursor_that_was_tampered_with_is_refused() {
        let rest = Rest {
            descending: true,
            start: 3,
            end: 5,
            length: 1,
        };
        assert_eq!(Rest::parse(&rest.to_string(), true).unwrap(), rest);
        for text in [
            "slice-asc:3-5-1",
            "slice-desc:3-5",
            "slice-desc:5-3-1",
            "slice-desc:3-5-1-0",
        ] {
            assert!(Rest::parse(text, true).is_err(), "{text}");
        }
    }
}
