//! Instants as people write them, and instants and durations as they read them. All of
//! it in UTC: backends show UTC too, and the two must be comparable.

use std::str::FromStr;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

use super::exit::CommandError;

const MICROSECOND: u64 = 1_000;
const MILLISECOND: u64 = 1_000_000;
const SECOND: u64 = 1_000_000_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;

/// An instant on the command line: `1h30m` is that long ago, `2026-11-20T10:00:00Z` is
/// itself, and a date or a time without an offset is in UTC.
#[derive(Debug, Clone, Copy)]
pub(super) enum Moment {
    Ago(Span),
    At(Timestamp),
}

/// A day ago.
pub(super) fn a_day_ago() -> Moment {
    Moment::Ago(Span::new().days(1))
}

impl FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "now" {
            return Ok(Self::Ago(Span::new()));
        }
        if let Ok(instant) = text.parse() {
            return Ok(Self::At(instant));
        }
        if let Ok(local) = text.parse::<DateTime>() {
            return local
                .to_zoned(TimeZone::UTC)
                .map(|instant| Self::At(instant.timestamp()))
                .map_err(|error| error.to_string());
        }
        match text.parse::<Span>() {
            // `1h ago` is negative to its parser and means the same here.
            Ok(span) => Ok(Self::Ago(span.abs())),
            Err(_) => Err(
                "say how long ago, such as 30m, 1h30m or 2d, or when, such as 2026-11-20 or \
                 2026-11-20T10:00:00Z"
                    .to_owned(),
            ),
        }
    }
}

impl Moment {
    /// Nanoseconds since the Unix epoch; 0 for what is before it.
    pub(super) fn nanoseconds(self, now: Timestamp) -> Result<u64, CommandError> {
        let instant = match self {
            Self::At(instant) => instant,
            Self::Ago(span) => now
                .to_zoned(TimeZone::UTC)
                .checked_sub(span)
                .map_err(|_| CommandError::Usage(format!("{span:#} ago is before all calendars")))?
                .timestamp(),
        };
        Ok(u64::try_from(instant.as_nanosecond()).unwrap_or(0))
    }
}

/// The instant of a timestamp of the contract.
fn instant(nanoseconds: u64) -> Timestamp {
    Timestamp::from_nanosecond(nanoseconds.into()).unwrap_or(Timestamp::MAX)
}

/// RFC 3339 with nine digits of a second, so that nothing is lost and texts sort as their
/// instants do.
pub(super) fn rfc3339(nanoseconds: u64) -> String {
    format!("{:.9}", instant(nanoseconds))
}

/// RFC 3339 with milliseconds.
pub(super) fn readable(nanoseconds: u64) -> String {
    format!("{:.3}", instant(nanoseconds))
}

/// Month, day and time: for a narrow column.
pub(super) fn short(nanoseconds: u64) -> String {
    instant(nanoseconds).strftime("%m-%d %H:%M:%S").to_string()
}

/// A duration in the unit that suits it: `850 µs`, `2.5 ms`, `1.25 s`, `2m 05s`.
pub(super) fn duration(nanoseconds: u64) -> String {
    let whole = |unit: u64| nanoseconds / unit;
    match nanoseconds {
        0..MICROSECOND => format!("{nanoseconds} ns"),
        MICROSECOND..MILLISECOND => format!("{} µs", whole(MICROSECOND)),
        MILLISECOND..SECOND => {
            let tenths = whole(MILLISECOND / 10);
            if tenths < 100 {
                format!("{}.{} ms", tenths / 10, tenths % 10)
            } else {
                format!("{} ms", tenths / 10)
            }
        }
        SECOND..MINUTE => {
            let hundredths = whole(SECOND / 100);
            format!("{}.{:02} s", hundredths / 100, hundredths % 100)
        }
        MINUTE..HOUR => format!("{}m {:02}s", whole(MINUTE), whole(SECOND) % 60),
        _ => format!("{}h {:02}m", whole(HOUR), whole(MINUTE) % 60),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn moments_are_read_as_people_write_them() {
        let now: Timestamp = "2026-11-20T12:00:00Z".parse().unwrap();
        let table = [
            ("1h", "2026-11-20T11:00:00Z"),
            ("1h30m", "2026-11-20T10:30:00Z"),
            ("90 minutes ago", "2026-11-20T10:30:00Z"),
            ("2d", "2026-11-18T12:00:00Z"),
            ("1w", "2026-11-13T12:00:00Z"),
            ("1mo", "2026-10-20T12:00:00Z"),
            ("PT15M", "2026-11-20T11:45:00Z"),
            ("now", "2026-11-20T12:00:00Z"),
            ("2026-11-20T10:00:00Z", "2026-11-20T10:00:00Z"),
            ("2026-11-20T10:00:00+02:00", "2026-11-20T08:00:00Z"),
            ("2026-11-20T10:00:00", "2026-11-20T10:00:00Z"),
            ("2026-11-20 10:00", "2026-11-20T10:00:00Z"),
            ("2026-11-20", "2026-11-20T00:00:00Z"),
            ("1960-01-01", "1970-01-01T00:00:00Z"),
        ];
        for (text, expected) in table {
            let moment: Moment = text.parse().unwrap();
            let expected: Timestamp = expected.parse().unwrap();
            let nanoseconds = moment.nanoseconds(now).unwrap();
            assert_eq!(instant(nanoseconds), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_moment_is_refused() {
        for text in ["", "5", "yesterday", "1x", "2026-13-01", "25:00"] {
            assert!(text.parse::<Moment>().is_err(), "{text:?}");
        }
        let long_ago: Moment = "19000y".parse().unwrap();
        assert!(long_ago.nanoseconds(Timestamp::now()).is_err());
    }

    #[test]
    fn instants_keep_their_nanoseconds() {
        let nanoseconds = 1_795_000_000_123_456_789;
        assert_eq!(rfc3339(nanoseconds), "2026-11-18T11:06:40.123456789Z");
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00.000000000Z");
        assert_eq!(readable(nanoseconds), "2026-11-18T11:06:40.123Z");
        assert_eq!(short(nanoseconds), "11-18 11:06:40");
        assert_eq!(readable(u64::MAX), "2554-07-21T23:34:33.709Z");
    }

    #[test]
    fn durations_have_the_unit_that_suits_them() {
        for (nanoseconds, shown) in [
            (0, "0 ns"),
            (999, "999 ns"),
            (850 * MICROSECOND, "850 µs"),
            (2_540 * MICROSECOND, "2.5 ms"),
            (9_999_999, "9.9 ms"),
            (400 * MILLISECOND, "400 ms"),
            (SECOND - 1, "999 ms"),
            (1_250 * MILLISECOND, "1.25 s"),
            (MINUTE - 1, "59.99 s"),
            (125 * SECOND, "2m 05s"),
            (3 * HOUR + 7 * MINUTE, "3h 07m"),
        ] {
            assert_eq!(duration(nanoseconds), shown);
        }
    }
}
