//! The way through a listing, and what holds of every page of every listing.

use super::expect::ensure;
use super::rule::Outcome;
use crate::contract::PageRequest;

/// Pages of one listing at the most.
const MOST_PAGES: usize = 2_000;

/// The way through a listing.
pub(super) struct Pages {
    next: Option<PageRequest>,
    seen: usize,
}

impl Pages {
    /// From the beginning, by pages of so many.
    pub(super) fn new(limit: u32) -> Self {
        let cursor = None;
        Self {
            next: Some(PageRequest { limit, cursor }),
            seen: 0,
        }
    }

    /// The page to ask for; none after the last one.
    pub(super) fn next(&self) -> Option<PageRequest> {
        self.next.clone()
    }

    /// A page came, with so many items and this cursor.
    pub(super) fn advance(
        &mut self,
        operation: &str,
        items: usize,
        cursor: Option<String>,
    ) -> Outcome {
        let Some(asked) = &mut self.next else {
            return Ok(());
        };
        let limit = asked.limit;
        ensure!(
            items <= limit as usize,
            "a page of {operation} has {items} items, and its limit was {limit}"
        );
        self.seen += 1;
        ensure!(
            self.seen < MOST_PAGES && (cursor.is_none() || cursor != asked.cursor),
            "the pages of {operation} have no end: cursor {cursor:?} after page {}",
            self.seen
        );
        match cursor {
            None => self.next = None,
            cursor => asked.cursor = cursor,
        }
        Ok(())
    }
}
