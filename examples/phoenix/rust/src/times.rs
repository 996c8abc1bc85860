//! Phoenix writes times as ISO 8601 in microseconds, the contract as nanoseconds since 1970.

use jiff::Timestamp;
use serde::de::{Deserialize as _, Deserializer, Error as _};

/// The first microsecond that is not before an instant: an end of a window stays outside.
pub fn to_iso(nanoseconds: u64) -> String {
    let microseconds = nanoseconds.div_ceil(1_000).cast_signed();
    Timestamp::from_microsecond(microseconds).map_or_else(|_| String::new(), |it| it.to_string())
}

/// For `#[serde(deserialize_with)]`.
pub fn from_iso<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let time = String::deserialize(deserializer)?;
    let time: Timestamp = time.parse().map_err(D::Error::custom)?;
    u64::try_from(time.as_nanosecond()).map_err(D::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_comes_back_in_microseconds() {
        let iso = "2026-11-21T17:31:22.033001Z";
        assert_eq!(to_iso(1_795_282_282_033_000_001), iso);
        let json = serde_json::Value::from(iso.replace('Z', "+00:00"));
        assert_eq!(from_iso(json).unwrap(), 1_795_282_282_033_001_000);
        assert!(to_iso(u64::MAX).starts_with("2554-07-21"));
    }
}
