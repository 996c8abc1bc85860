//! Time: the contract's nanoseconds and the RFC 3339 texts that backends speak, and the
//! host's clocks.

use jiff::{Timestamp, fmt::rfc2822};
use serde::{Deserialize as _, Deserializer, de};

use crate::bindings::wasi::clocks::{monotonic_clock, wall_clock};

/// The nanoseconds of an RFC 3339 text such as `2026-11-18T11:07:00.6+00:00`. What was
/// before 1970 becomes 0, since the contract knows no such time; none for what is no time.
#[must_use]
pub fn parse(text: &str) -> Option<u64> {
    text.parse::<Timestamp>().ok().map(nanoseconds)
}

/// The nanoseconds of an HTTP date such as `Wed, 18 Nov 2026 11:07:00 GMT`.
#[must_use]
pub fn parse_http_date(text: &str) -> Option<u64> {
    rfc2822::DateTimeParser::new()
        .parse_timestamp(text)
        .ok()
        .map(nanoseconds)
}

/// A time as RFC 3339 writes it, in UTC and with as many digits as it needs. Backends that
/// read fewer cut them off: give them a time of their own precision, see [`ceil_to`].
#[must_use]
pub fn format(nanoseconds: u64) -> String {
    // Every `u64` of nanoseconds is a time before the year 2555, which jiff can hold.
    Timestamp::from_nanosecond(i128::from(nanoseconds))
        .unwrap_or(Timestamp::MAX)
        .to_string()
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

fn nanoseconds(time: Timestamp) -> u64 {
    u64::try_from(time.as_nanosecond().max(0)).unwrap_or(u64::MAX)
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
        assert_eq!(parse("yesterday"), None);
    }

    #[test]
    fn what_is_written_is_read_back() {
        for time in [0, 1, 1_795_001_220_123_456_789, u64::MAX] {
            assert_eq!(parse(&format(time)), Some(time));
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
