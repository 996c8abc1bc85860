//! Cursors: a backend's own or a provider's, marked with the listing they belong to.
//!
//! A backend takes a cursor of one listing for a place in another without a word. The mark
//! makes that an error, and tells a later version of the provider what it is looking at.

use crate::{Error, error};

/// `cursor` of the listing `mark`, for the contract.
#[must_use]
pub fn mark(mark: &str, cursor: &str) -> String {
    format!("{mark}:{cursor}")
}

/// The cursor in one that [`mark`] made.
///
/// # Errors
/// See [`refusal`].
pub fn unmark<'c>(mark: &str, cursor: &'c str) -> Result<&'c str, Error> {
    cursor
        .strip_prefix(mark)
        .and_then(|rest| rest.strip_prefix(':'))
        .ok_or_else(|| refusal(cursor))
}

/// The `invalid-argument` for a cursor that cannot be understood.
#[must_use]
pub fn refusal(cursor: &str) -> Error {
    error::invalid_argument(format!(
        "`{cursor}` is no cursor of this listing: begin again without one"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_works_in_its_own_listing_only() {
        let cursor = mark("id-desc", "U3Bhbjo1Nw==");
        assert_eq!(unmark("id-desc", &cursor).ok(), Some("U3Bhbjo1Nw=="));
        for other in ["start_time-asc", "id"] {
            assert!(matches!(
                unmark(other, &cursor),
                Err(Error::InvalidArgument(_))
            ));
        }
    }
}
