//! Instants, as people write them beside `start_time` and `end_time`.

use datafusion::sql::sqlparser::ast::{Expr, Value, ValueWithSpan};

use super::refused;
use crate::query::error::SyntaxError;
use crate::query::parse;

/// An instant that is written as text or in nanoseconds, as the value it stands for.
pub(super) fn instant(expr: &mut Expr) -> Result<(), SyntaxError> {
    let Expr::Value(ValueWithSpan { value, .. }) = expr else {
        return Ok(());
    };
    let nanoseconds = match value {
        Value::SingleQuotedString(text) => nanoseconds(text).ok_or_else(|| {
            SyntaxError::Refused(format!(
                "`{text}` is no instant; write '2026-11-20' or '2026-11-20T10:00:00Z', or \
                 nanoseconds since 1970 as a number"
            ))
        })?,
        Value::Number(digits, _) => match digits.to_string().parse() {
            Ok(nanoseconds) => nanoseconds,
            Err(_) => return Err(refused(&format!("{digits} as an instant"))),
        },
        _ => return Ok(()),
    };
    *expr = parse::own(&format!(
        "arrow_cast({nanoseconds}, 'Timestamp(Nanosecond, Some(\"UTC\"))')"
    ))?;
    Ok(())
}

/// Without an offset it is in UTC; what is beyond the range is at its end.
fn nanoseconds(text: &str) -> Option<i64> {
    let text = text.trim();
    let instant = match text.parse::<jiff::Timestamp>() {
        Ok(instant) => instant,
        Err(_) => {
            let local: jiff::civil::DateTime = text.parse().ok()?;
            local.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp()
        }
    };
    let nanoseconds = instant.as_nanosecond();
    Some(i64::try_from(nanoseconds).unwrap_or(if nanoseconds < 0 { i64::MIN } else { i64::MAX }))
}
