//! Time: the contract's nanoseconds and the texts that backends speak, and the host's clocks.
//!
//! The calendar is Howard Hinnant's `days_from_civil` and its inverse, some thirty lines. A
//! library of dates is a third of a megabyte in a component, for its time zones and messages.

use std::ops::{Bound, RangeBounds};

use serde::{Deserialize as _, Deserializer, de};

use crate::bindings::wasi::clocks::{monotonic_clock, wall_clock};
use crate::types::TimeWindow;

const SECOND: u64 = 1_000_000_000;
const DAY: i64 = 86_400;

/// The nanoseconds of an RFC 3339 text such as `2026-11-18T11:07:00.6+00:00`. What was
/// before 1970 becomes 0, since the contract knows no such time; none for what is no time
/// that a `timestamp` can hold.
#[must_use]
pub fn parse(text: &str) -> Option<u64> {
    let (year, rest) = number(text, 4)?;
    let (month, rest) = number(rest.strip_prefix('-')?, 2)?;
    let (day, rest) = number(rest.strip_prefix('-')?, 2)?;
    let (clock, rest) = clock(rest.strip_prefix(['T', 't', ' '])?)?;
    let (fraction, rest) = match rest.strip_prefix('.') {
        Some(rest) => fraction(rest)?,
        None => (0, rest),
    };
    let offset = offset(rest)?;
    nanoseconds(days(year, month, day)? * DAY + clock - offset, fraction)
}

/// The nanoseconds of an HTTP date such as `Wed, 18 Nov 2026 11:07:00 GMT`.
#[must_use]
pub fn parse_http_date(text: &str) -> Option<u64> {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let (_, rest) = text.split_once(", ")?;
    let (day, rest) = number(rest, 2)?;
    let (month, rest) = rest.strip_prefix(' ')?.split_once(' ')?;
    let month = (1..).zip(MONTHS).find(|(_, name)| *name == month)?.0;
    let (year, rest) = number(rest, 4)?;
    let (clock, rest) = clock(rest.strip_prefix(' ')?)?;
    (rest == " GMT").then_some(())?;
    nanoseconds(days(year, month, day)? * DAY + clock, 0)
}

/// A time as RFC 3339 writes it, in UTC and with as many digits as it needs. Backends that
/// read fewer cut them off: give them a time of their own precision, see [`ceil_to`].
#[must_use]
pub fn format(nanoseconds: u64) -> String {
    // Both fit: a `u64` holds no more than 584 years of nanoseconds.
    let seconds = (nanoseconds / SECOND).cast_signed();
    let (year, month, day) = civil(seconds / DAY);
    let clock = seconds % DAY;
    let (hour, minute, second) = (clock / 3_600, clock / 60 % 60, clock % 60);
    let mut text = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
    let fraction = nanoseconds % SECOND;
    if fraction > 0 {
        let digits = format!(".{fraction:09}");
        text.push_str(digits.trim_end_matches('0'));
    }
    text.push('Z');
    text
}

/// `nanoseconds`, rounded up to a whole number of `unit` (1,000 for microseconds).
///
/// In a backend that keeps microseconds, a span is at or after a bound exactly if it is at
/// or after the bound rounded up: so a query's window stays exact when both its ends are.
#[must_use]
pub fn ceil_to(unit: u64, nanoseconds: u64) -> u64 {
    nanoseconds
        .checked_next_multiple_of(unit)
        .unwrap_or(u64::MAX - u64::MAX % unit)
}

/// The window of those timestamps that lie in a range of whole numbers, such as `i64::MIN..5`: what
/// a condition on a time leaves.
#[must_use]
pub fn window(range: impl RangeBounds<i64>) -> TimeWindow {
    // Nothing was before 1970, and nothing is a nanosecond after the last instant.
    let at = |instant: &i64| u64::try_from(*instant).unwrap_or(0);
    let after = |instant: &i64| u64::try_from(i128::from(*instant) + 1).unwrap_or(0);
    TimeWindow {
        start: match range.start_bound() {
            Bound::Included(instant) => at(instant),
            Bound::Excluded(instant) => after(instant),
            Bound::Unbounded => 0,
        },
        end: match range.end_bound() {
            Bound::Included(instant) => after(instant),
            Bound::Excluded(instant) => at(instant),
            Bound::Unbounded => u64::MAX,
        },
    }
}

/// The host's clock, in nanoseconds since the Unix epoch.
#[must_use]
pub fn now() -> u64 {
    let now = wall_clock::now();
    now.seconds
        .saturating_mul(1_000_000_000)
        .saturating_add(u64::from(now.nanoseconds))
}

/// A clock that never goes back, in nanoseconds since some instant: for measuring how long
/// something took.
#[must_use]
pub fn monotonic() -> u64 {
    monotonic_clock::now()
}

/// Read an RFC 3339 text with serde: `#[serde(deserialize_with = "time::deserialize")]`.
///
/// # Errors
/// For a value that is no time.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    struct Visitor;

    impl de::Visitor<'_> for Visitor {
        type Value = u64;

        fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            formatter.write_str("an RFC 3339 time")
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<u64, E> {
            parse(text).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
        }
    }

    deserializer.deserialize_str(Visitor)
}

/// The same for a time that may be missing or null, together with `#[serde(default)]`.
///
/// # Errors
/// For a value that is neither null nor a time.
pub fn deserialize_option<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<u64>, D::Error> {
    #[derive(serde::Deserialize)]
    struct Time(#[serde(deserialize_with = "deserialize")] u64);

    Ok(Option::<Time>::deserialize(deserializer)?.map(|time| time.0))
}

/// Seconds since the epoch and a fraction of one in nanoseconds, as a `timestamp`.
fn nanoseconds(seconds: i64, fraction: u64) -> Option<u64> {
    match u64::try_from(seconds) {
        Ok(seconds) => seconds.checked_mul(SECOND)?.checked_add(fraction),
        Err(_) => Some(0),
    }
}

/// A number of exactly `digits` digits, and the text behind it.
fn number(text: &str, digits: usize) -> Option<(i64, &str)> {
    let (number, rest) = text.split_at_checked(digits)?;
    let is_number = number.bytes().all(|byte| byte.is_ascii_digit());
    Some((is_number.then(|| number.parse().ok())??, rest))
}

/// `11:07:00` in seconds. A leap second counts as the second before it.
fn clock(text: &str) -> Option<(i64, &str)> {
    let (hour, rest) = number(text, 2)?;
    let (minute, rest) = number(rest.strip_prefix(':')?, 2)?;
    let (second, rest) = number(rest.strip_prefix(':')?, 2)?;
    let valid = hour < 24 && minute < 60 && second <= 60;
    valid.then_some((hour * 3_600 + minute * 60 + second.min(59), rest))
}

/// The digits behind the point in nanoseconds; what is finer is cut off.
fn fraction(text: &str) -> Option<(u64, &str)> {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, rest) = text.split_at_checked(end)?;
    let mut nanoseconds = 0;
    let mut place = SECOND / 10;
    for digit in digits.bytes() {
        nanoseconds += u64::from(digit - b'0') * place;
        place /= 10;
    }
    (end > 0).then_some((nanoseconds, rest))
}

/// `Z` or `+02:00` in seconds.
fn offset(text: &str) -> Option<i64> {
    if matches!(text, "Z" | "z") {
        return Some(0);
    }
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+')?),
    };
    let (hours, rest) = number(rest, 2)?;
    let (minutes, rest) = number(rest.strip_prefix(':')?, 2)?;
    let valid = hours < 24 && minutes < 60 && rest.is_empty();
    valid.then_some(sign * (hours * 3_600 + minutes * 60))
}

/// The days from 1970-01-01 to a date; none for a date that is not in the calendar.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    // The year begins in March, so that the day that comes and goes is its last.
    let shifted = if month > 2 { year } else { year - 1 };
    let (era, of_era) = (shifted.div_euclid(400), shifted.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    (civil(days) == (year, month, day)).then_some(days)
}

/// The year, month and day that many days after 1970-01-01.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let years = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * years + years / 4 - years / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = era * 400 + years + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_every_form_backends_use() {
        let morning = 1_795_001_220_000_000_000;
        for text in [
            "2026-11-18T11:27:00+00:00",
            "2026-11-18T11:27:00Z",
            "2026-11-18T13:27:00.000000+02:00",
        ] {
            assert_eq!(parse(text), Some(morning), "{text}");
        }
        assert_eq!(
            parse("2026-11-18T11:27:00.000001+00:00"),
            Some(morning + 1_000)
        );
        assert_eq!(
            parse_http_date("Wed, 18 Nov 2026 11:27:00 GMT"),
            Some(morning)
        );
        assert_eq!(parse("1969-12-31T23:59:59Z"), Some(0));
    }

    #[test]
    fn a_range_of_numbers_is_a_window_of_instants() {
        let of = |range: (Bound<i64>, Bound<i64>)| {
            let window = window(range);
            (window.start, window.end)
        };
        let (at, beyond) = (Bound::Included(5), Bound::Excluded(5));
        assert_eq!(of((at, at)), (5, 6));
        assert_eq!(of((beyond, Bound::Unbounded)), (6, u64::MAX));
        assert_eq!(of((Bound::Unbounded, beyond)), (0, 5));
        assert_eq!(of((Bound::Included(-5), Bound::Included(-1))), (0, 0));
        let last = Bound::Included(i64::MAX);
        assert_eq!(of((last, last)), (i64::MAX as u64, i64::MAX as u64 + 1));
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in [
            "",
            "yesterday",
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-11-18T24:00:00Z",
            "2026-11-18T11:27:00",
            "2026-11-18T11:27:00.Z",
            "2026-11-18T11:27:00Z and more",
            "+026-11-18T11:27:00Z",
            "ü026-11-18T11:27:00Z",
            "9999-12-31T23:59:59Z",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        for time in [0, 1, 1_795_001_220_123_456_789, u64::MAX] {
            assert_eq!(parse(&format(time)), Some(time));
        }
        assert_eq!(format(951_782_400_500_000_000), "2000-02-29T00:00:00.5Z");
        // Every day of four centuries, leap years and all.
        for day in 0..146_097 {
            let (year, month, of_month) = civil(day);
            assert_eq!(days(year, month, of_month), Some(day));
        }
    }

    #[test]
    fn a_bound_is_rounded_up_and_never_past_the_end_of_time() {
        assert_eq!(ceil_to(1_000, 0), 0);
        assert_eq!(ceil_to(1_000, 1), 1_000);
        assert_eq!(ceil_to(1_000, 1_000), 1_000);
        assert_eq!(ceil_to(1_000, u64::MAX) % 1_000, 0);
    }
}
