//! Going from page to page until a list is whole, and no further.

use super::Provider;
use crate::contract::{Error, PageRequest, ProviderError};

/// Pages of one listing at the most: an end for providers that have none.
const MAX_PAGES: usize = 10_000;

/// The way through the pages of one listing.
pub(super) struct Paging<'a> {
    provider: &'a Provider,
    operation: &'static str,
    max_page_size: u32,
    request: PageRequest,
    pages: usize,
}

impl<'a> Paging<'a> {
    /// Begin a listing of which `wanted` items are of use.
    pub(super) fn begin(
        provider: &'a Provider,
        operation: &'static str,
        wanted: usize,
    ) -> Result<Self, ProviderError> {
        let max_page_size = provider.limits(operation)?.max_page_size;
        let wanted = u32::try_from(wanted).unwrap_or(u32::MAX);
        Ok(Self {
            provider,
            operation,
            max_page_size,
            request: PageRequest {
                limit: wanted.clamp(1, max_page_size),
                cursor: None,
            },
            pages: 0,
        })
    }

    /// The page to ask for.
    pub(super) fn request(&self) -> &PageRequest {
        &self.request
    }

    /// Ask for pages as large as they come: more is looked through than is of use.
    pub(super) fn enlarge(&mut self) {
        self.request.limit = self.max_page_size;
    }

    /// Go on to the page of this cursor; false when there is none.
    pub(super) fn advance(&mut self, cursor: Option<String>) -> Result<bool, ProviderError> {
        if cursor.is_none() {
            return Ok(false);
        }
        self.pages += 1;
        if cursor == self.request.cursor || self.pages >= MAX_PAGES {
            let why = "its pages have no end".to_owned();
            return Err(self.provider.error(self.operation, Error::Internal(why)));
        }
        self.request.cursor = cursor;
        Ok(true)
    }
}
