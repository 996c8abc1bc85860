//! Orders, as people write them.

use std::str::FromStr;

use crate::contract::{Order, OrderKey};

/// `"start_time"`, `"duration DESC"`: a column and, optionally, a direction.
///
/// ```
/// use roost::contract::{Order, OrderKey};
///
/// let slowest_first: Order = "duration DESC".parse()?;
/// assert_eq!(slowest_first, Order { key: OrderKey::Latency, descending: true });
/// # Ok::<(), String>(())
/// ```
impl FromStr for Order {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let lower = text.to_ascii_lowercase();
        let mut words = lower.split_whitespace();
        let column = words.next().unwrap_or_default();
        let column = column.strip_prefix("span.").unwrap_or(column);
        let key = match column {
            "start_time" | "start" => OrderKey::StartTime,
            "end_time" | "end" => OrderKey::EndTime,
            "latency_ms" | "latency" | "duration" | "duration_ms" => OrderKey::Latency,
            _ => {
                return Err(format!(
                    "spans cannot be ordered by `{text}`; order by start_time, end_time or \
                     latency_ms, with DESC for the largest first"
                ));
            }
        };
        let descending = match (words.next(), words.next()) {
            (None | Some("asc"), None) => false,
            (Some("desc"), None) => true,
            _ => {
                return Err(format!(
                    "`{text}` is no order; write `{column} DESC` or `{column}`"
                ));
            }
        };
        Ok(Self { key, descending })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_read_as_people_write_them() {
        let order = |key, descending| Ok(Order { key, descending });
        assert_eq!("start_time".parse(), order(OrderKey::StartTime, false));
        assert_eq!("Duration desc".parse(), order(OrderKey::Latency, true));
        assert_eq!(
            "span.end_time  ASC".parse(),
            order(OrderKey::EndTime, false)
        );
        for text in ["", "name", "duration down", "duration desc desc"] {
            assert!(text.parse::<Order>().is_err(), "{text:?}");
        }
    }
}
