//! Percentiles of latencies: of `n` in ascending order the one at the place `p * (n - 1)`, and
//! between two places what lies on the line between them. So two values of each place suffice,
//! and where they are is known once the spans are counted.
//!
//! Groups by name, or none, read those two from `spans_by_latency`, which has the latencies of
//! a name sorted: the database steps over the smaller ones and touches no table. Other groups
//! are numbered in one pass over all of them, which has to sort.

use std::collections::{BTreeMap, HashMap};

use roost_provider::database::{Sql as _, Value};

use crate::Result;
use crate::analytics::{Place, Spans, Sums, place};
use crate::bindings::analytics_store::{GroupKey, MetricName, MetricsQuery};
use crate::database::database;

/// The values in milliseconds, by place and metric.
pub(crate) type Latencies = HashMap<(Place, u8), f64>;

/// Beyond so many names one pass over all spans is cheaper than a statement a name.
const NAMES: usize = 500;

fn percent(metric: MetricName) -> Option<i64> {
    match metric {
        MetricName::LatencyP50 => Some(50),
        MetricName::LatencyP95 => Some(95),
        MetricName::LatencyP99 => Some(99),
        _ => None,
    }
}

/// The values of those metrics of `query` that are percentiles.
pub(crate) fn find(
    query: &MetricsQuery,
    spans: &Spans,
    sums: &BTreeMap<Place, Sums>,
) -> Result<Latencies> {
    let wanted = query.metrics.iter().copied();
    let wanted: Vec<(MetricName, i64)> = wanted
        .filter_map(|metric| Some((metric, percent(metric)?)))
        .collect();
    if wanted.is_empty() {
        return Ok(Latencies::new());
    }
    let by_name = matches!(&*query.group_by, [GroupKey::Name]);
    if query.bucket.is_none() && by_name && sums.len() <= NAMES {
        stepped(spans, sums, &wanted)
    } else {
        numbered(query, spans, sums, &wanted)
    }
}

/// The lower one of the two places, and how far between them the value lies.
#[expect(clippy::cast_precision_loss, reason = "from 0 to 99")]
fn between(count: i64, percent: i64) -> (i64, f64) {
    let hundredths = (count - 1) * percent;
    (hundredths / 100, (hundredths % 100) as f64 / 100.0)
}

#[expect(clippy::cast_precision_loss, reason = "exact below 104 days")]
fn on_the_line(low: i64, high: i64, part: f64) -> f64 {
    let (low, high) = (low as f64 / 1e6, high as f64 / 1e6);
    low + (high - low) * part
}

/// Step to the two values of each name in the index.
fn stepped(
    spans: &Spans,
    sums: &BTreeMap<Place, Sums>,
    wanted: &[(MetricName, i64)],
) -> Result<Latencies> {
    let mut found = Latencies::new();
    let next = spans.parameters().len() + 1;
    let sql = format!(
        "SELECT s.latency {} AND s.name = ${next} ORDER BY s.latency LIMIT 2 OFFSET ${}",
        spans.filter,
        next + 1
    );
    for (place, sums) in sums {
        let Some(Some(name)) = place.1.first() else {
            continue;
        };
        for (metric, percent) in wanted {
            let (below, part) = between(sums.spans, *percent);
            let mut values = spans.parameters();
            values.extend([Value::from(name), Value::from(below)]);
            let rows = database()?.rows(&sql, values)?;
            let latencies = rows.into_iter().map(|mut row| row.integer());
            let latencies: Vec<i64> = latencies.collect::<Result<_>>()?;
            if let (Some(low), Some(high)) = (latencies.first(), latencies.last()) {
                let value = on_the_line(*low, *high, part);
                found.insert((place.clone(), *metric as u8), value);
            }
        }
    }
    Ok(found)
}

/// Number the spans of each group by their latency, and keep those with the wanted numbers.
fn numbered(
    query: &MetricsQuery,
    spans: &Spans,
    sums: &BTreeMap<Place, Sums>,
    wanted: &[(MetricName, i64)],
) -> Result<Latencies> {
    let names = spans.names();
    let keys = spans
        .keys
        .iter()
        .zip(&names)
        .map(|(key, name)| format!("{key} AS {name}, "));
    let keys: String = keys.collect();
    let partition = match names.is_empty() {
        true => String::new(),
        false => format!("PARTITION BY {}", names.join(", ")),
    };
    let counted = match names.is_empty() {
        true => "ON 1 = 1".to_owned(),
        false => {
            let same = names
                .iter()
                .map(|it| format!("n.{it} IS NOT DISTINCT FROM r.{it}"));
            format!("ON {}", same.collect::<Vec<_>>().join(" AND "))
        }
    };
    let group = match names.is_empty() {
        true => String::new(),
        false => format!("GROUP BY {}", names.join(", ")),
    };
    let listed = |of: &str| {
        names
            .iter()
            .map(|it| format!("{of}{it}, "))
            .collect::<String>()
    };
    let places = wanted.iter().map(|(_, percent)| {
        format!("(n.spans - 1) * {percent} / 100, (n.spans - 1) * {percent} / 100 + 1")
    });
    let sql = format!(
        "WITH measured AS (SELECT {keys}s.latency AS latency {}),
            counted AS (SELECT {}COUNT(*) AS spans FROM measured {group}),
            ranked AS (SELECT {}latency, ROW_NUMBER() OVER ({partition} ORDER BY latency) - 1
                AS number FROM measured)
        SELECT {}r.number, r.latency FROM ranked r JOIN counted n {counted}
        WHERE r.number IN ({})",
        spans.filter,
        listed(""),
        listed(""),
        listed("r."),
        places.collect::<Vec<_>>().join(", ")
    );
    let mut ranked: HashMap<(Place, i64), i64> = HashMap::new();
    for mut row in database()?.rows(&sql, spans.parameters())? {
        let place = place(query, &mut row)?;
        ranked.insert((place, row.integer()?), row.integer()?);
    }
    let mut found = Latencies::new();
    for (place, sums) in sums {
        for (metric, percent) in wanted {
            let (below, part) = between(sums.spans, *percent);
            let latency = |number| ranked.get(&(place.clone(), number));
            if let Some(low) = latency(below) {
                let value = on_the_line(*low, *latency(below + 1).unwrap_or(low), part);
                found.insert((place.clone(), *metric as u8), value);
            }
        }
    }
    Ok(found)
}
