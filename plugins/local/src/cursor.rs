//! Cursors: the place of the last row that was returned, marked with the listing it is of.

use roost_provider::cursor::{mark, refusal, unmark};

use crate::Result;

/// A cursor after the row with these two keys.
pub(crate) fn after(listing: &str, first: i64, second: i64) -> String {
    mark(listing, &format!("{first}:{second}"))
}

/// The two keys in a cursor of `listing`; none where there is no cursor.
pub(crate) fn read(listing: &str, cursor: Option<&str>) -> Result<Option<(i64, i64)>> {
    let Some(cursor) = cursor else {
        return Ok(None);
    };
    let keys = unmark(listing, cursor)?.split_once(':');
    let keys = keys.and_then(|(first, second)| Some((first.parse().ok()?, second.parse().ok()?)));
    keys.map(Some).ok_or_else(|| refusal(cursor))
}

/// A cursor after the row of this time and id, in a listing of the newest first.
pub(crate) fn after_id(listing: &str, time: Option<u64>, id: &str) -> String {
    mark(listing, &format!("{}:{id}", time.unwrap_or_default()))
}

/// The time and the id in a cursor of `listing`; those of a row before all others where there is no
/// cursor.
pub(crate) fn read_id<'c>(listing: &str, cursor: Option<&'c str>) -> Result<(i64, &'c str)> {
    let Some(cursor) = cursor else {
        return Ok((i64::MAX, ""));
    };
    let place = unmark(listing, cursor)?.split_once(':');
    let place = place.and_then(|(time, id)| Some((time.parse().ok()?, id)));
    place.ok_or_else(|| refusal(cursor))
}

/// What follows a page: none after the last one, which has no more than `limit` of the rows
/// that were asked for, one more than that.
pub(crate) fn cut<T>(
    rows: &mut Vec<T>,
    limit: u32,
    cursor: impl Fn(&T) -> String,
) -> Option<String> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    if rows.len() <= limit {
        return None;
    }
    rows.truncate(limit);
    rows.last().map(cursor)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_cursor_works_in_its_own_listing_only() {
        let cursor = after("start-desc", -5, 7);
        assert_eq!(read("start-desc", Some(&cursor)).unwrap(), Some((-5, 7)));
        for other in ["start", "end-desc", ""] {
            assert!(read(other, Some(&cursor)).is_err());
        }
        assert!(read("start-desc", Some("start-desc:1")).is_err());

        let cursor = after_id("datasets", Some(5), "00ff");
        assert_eq!(read_id("datasets", Some(&cursor)).unwrap(), (5, "00ff"));
        assert_eq!(read_id("datasets", None).unwrap(), (i64::MAX, ""));
        assert!(read_id("experiments", Some(&cursor)).is_err());
        assert!(read_id("datasets", Some("datasets:00ff")).is_err());
    }
}
