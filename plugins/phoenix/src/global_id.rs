//! Phoenix's ids: base64 of `Dataset:12`. They are read here before they are sent: Phoenix
//! answers some that are none with status 500, decodes leniently, and takes an id of one type
//! for a place among another's.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

/// The id of row `row` of the type `kind`.
pub(crate) fn format(kind: &str, row: u64) -> String {
    encode(format!("{kind}:{row}").as_bytes())
}

/// The row that `id` names; none for an id of another type, for what is no id, and for other
/// spellings of one.
pub(crate) fn row(kind: &str, id: &str) -> Option<u64> {
    let text = String::from_utf8(BASE64_STANDARD.decode(id).ok()?).ok()?;
    let digits = text.strip_prefix(kind)?.strip_prefix(':')?;
    let row = digits.parse().ok().filter(|row| *row <= MOST)?;
    (format(kind, row) == id).then_some(row)
}

/// The largest row id of SQLite and PostgreSQL.
const MOST: u64 = i64::MAX as u64;

/// Base64.
pub(crate) fn encode(bytes: &[u8]) -> String {
    BASE64_STANDARD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_a_real_server_are_read_and_written() {
        assert_eq!(row("Dataset", "RGF0YXNldDox"), Some(1));
        assert_eq!(row("DatasetVersion", "RGF0YXNldFZlcnNpb246MQ=="), Some(1));
        assert_eq!(format("connection", 999), "Y29ubmVjdGlvbjo5OTk=");
        for number in [0, 7, 10, 12_345, MOST] {
            assert_eq!(
                row("Experiment", &format("Experiment", number)),
                Some(number)
            );
        }
    }

    #[test]
    fn what_is_no_id_of_that_type_is_none() {
        for id in [
            "",
            "golden",
            "RGF0YXNldDox=",
            "rgf0yxnldDOX",
            "RGF0YXNldDox\n",
            "RGF0YXNldDp4",
            "RGF0YXNldDotMQ==",
            "RGF0YXNldDowMQ==",
            "RXhwZXJpbWVudDox",
        ] {
            assert_eq!(row("Dataset", id), None, "{id}");
        }
    }
}
