//! Numbers over many spans, computed here. This is where their meaning is settled; a backend
//! that aggregates by itself answers only what means the same.
//!
//! A percentile `p` of `n` latencies in ascending order is the value at the place `p * (n - 1)`
//! counted from 0, and between two places the straight line between their values: what
//! Phoenix, NumPy and SQL's `percentile_cont` compute by default.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::contract::{
    AttributeValue, DataPoint, GroupKey, MetricName, MetricsQuery, Span, StatusCode, Timestamp,
};

/// The most spans over which numbers are computed. Of each, the latency is held (8 bytes, and as
/// many again while the list grows), and of each trace its id as a number (at most 40 bytes, and
/// half as many again while the set grows).
pub(super) const MAX_SPANS: usize = 5_000_000;

/// The most groups, over all buckets.
pub(super) const MAX_GROUPS: usize = 100_000;

/// The attribute a metric adds up.
fn summed(metric: MetricName) -> Option<&'static str> {
    match metric {
        MetricName::PromptTokens => Some("llm.token_count.prompt"),
        MetricName::CompletionTokens => Some("llm.token_count.completion"),
        MetricName::TotalTokens => Some("llm.token_count.total"),
        MetricName::Cost => Some("llm.cost.total"),
        _ => None,
    }
}

/// The attributes that must be known of a span to answer `query`.
pub(super) fn attributes(query: &MetricsQuery) -> Vec<String> {
    let metrics = query.metrics.iter().filter_map(|metric| summed(*metric));
    let groups = query.group_by.iter().filter_map(|key| match key {
        GroupKey::Attribute(key) => Some(key.as_str()),
        _ => None,
    });
    let mut keys: Vec<String> = metrics.chain(groups).map(str::to_owned).collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}

/// What is kept apart: the start of a bucket, and a value for each key of a group.
type Place = (Timestamp, Vec<Option<String>>);

/// The numbers of a question, while its spans go by.
pub(super) struct Statistics {
    query: MetricsQuery,
    wanted: Wanted,
    tallies: BTreeMap<Place, Tally>,
}

/// What has to be kept of spans.
struct Wanted {
    traces: bool,
    latencies: bool,
    /// The attributes to add up, each once.
    sums: BTreeSet<&'static str>,
}

impl Statistics {
    pub(super) fn new(query: MetricsQuery) -> Self {
        let mut tallies = BTreeMap::new();
        if query.bucket.is_none() && query.group_by.is_empty() {
            tallies.insert((query.window.start, Vec::new()), Tally::default());
        }
        let wanted = Wanted {
            traces: query.metrics.contains(&MetricName::TraceCount),
            latencies: query.metrics.iter().any(|metric| is_of_latency(*metric)),
            sums: query.metrics.iter().copied().filter_map(summed).collect(),
        };
        Self {
            query,
            wanted,
            tallies,
        }
    }

    /// Count a span that began inside the window.
    pub(super) fn add(&mut self, span: &Span) {
        let group = self.query.group_by.iter().map(|key| member(key, span));
        let place = (self.bucket(span.start_time), group.collect());
        let tally = self.tallies.entry(place).or_default();
        tally.add(span, &self.wanted);
    }

    /// How many groups there are, over all buckets.
    pub(super) fn groups(&self) -> usize {
        self.tallies.len()
    }

    /// The values: by bucket, then by group, then in the order in which they were asked for.
    pub(super) fn points(self) -> Vec<DataPoint> {
        let mut points = Vec::new();
        for ((time, group), mut tally) in self.tallies {
            for metric in &self.query.metrics {
                points.push(DataPoint {
                    metric: *metric,
                    time,
                    group: group.clone(),
                    value: tally.value(*metric),
                });
            }
        }
        points
    }

    fn bucket(&self, at: Timestamp) -> Timestamp {
        let start = self.query.window.start;
        let length = self.query.bucket.filter(|length| *length > 0);
        length.map_or(start, |length| {
            let past = at.saturating_sub(start);
            start + past - past % length
        })
    }
}

/// Where a span belongs by a key; none where it does not have that field.
fn member(key: &GroupKey, span: &Span) -> Option<String> {
    match key {
        GroupKey::Name => Some(span.name.clone()),
        GroupKey::Kind => Some(span.kind.clone()),
        GroupKey::Status => Some(span.status.as_str().to_owned()),
        GroupKey::Attribute(key) => span.attribute(key).map(|value| match value {
            AttributeValue::Text(text) | AttributeValue::Json(text) => text.clone(),
            AttributeValue::Boolean(value) => value.to_string(),
            AttributeValue::Integer(number) => number.to_string(),
            AttributeValue::Number(number) => number.to_string(),
        }),
    }
}

/// What the spans of one group add up to.
#[derive(Default)]
struct Tally {
    spans: u64,
    errors: u64,
    /// By [`trace_number`].
    traces: HashSet<u128>,
    /// In nanoseconds.
    latencies: Vec<u64>,
    sums: BTreeMap<&'static str, f64>,
}

impl Tally {
    fn add(&mut self, span: &Span, wanted: &Wanted) {
        self.spans += 1;
        self.errors += u64::from(span.status == StatusCode::Error);
        if wanted.traces {
            self.traces.insert(trace_number(&span.trace_id));
        }
        if wanted.latencies {
            self.latencies
                .push(span.end_time.saturating_sub(span.start_time));
        }
        for key in &wanted.sums {
            if let Some(number) = span.attribute(key).and_then(number) {
                *self.sums.entry(key).or_default() += number;
            }
        }
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "what is counted here stays far below 2^53"
    )]
    fn value(&mut self, metric: MetricName) -> Option<f64> {
        match metric {
            MetricName::SpanCount => Some(self.spans as f64),
            MetricName::TraceCount => Some(self.traces.len() as f64),
            MetricName::ErrorRate => {
                (self.spans > 0).then(|| self.errors as f64 / self.spans as f64)
            }
            MetricName::LatencyMean => mean(&self.latencies),
            MetricName::LatencyP50 => percentile(&mut self.latencies, 50),
            MetricName::LatencyP95 => percentile(&mut self.latencies, 95),
            MetricName::LatencyP99 => percentile(&mut self.latencies, 99),
            MetricName::PromptTokens
            | MetricName::CompletionTokens
            | MetricName::TotalTokens
            | MetricName::Cost => {
                let sum = summed(metric).and_then(|key| self.sums.get(key));
                Some(sum.copied().unwrap_or(0.0))
            }
        }
    }
}

/// A trace id as a number, which takes a sixth of the memory of its text. What is no id of 32
/// hexadecimal digits is hashed.
fn trace_number(id: &str) -> u128 {
    let is_id = id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    let number = is_id.then(|| u128::from_str_radix(id, 16).ok()).flatten();
    number.unwrap_or_else(|| {
        let half = |salt: u8| {
            let mut hasher = DefaultHasher::new();
            (salt, id).hash(&mut hasher);
            u128::from(hasher.finish())
        };
        half(0) << 64 | half(1)
    })
}

fn is_of_latency(metric: MetricName) -> bool {
    matches!(
        metric,
        MetricName::LatencyMean
            | MetricName::LatencyP50
            | MetricName::LatencyP95
            | MetricName::LatencyP99
    )
}

#[expect(clippy::cast_precision_loss, reason = "sums are floating point")]
fn number(value: &AttributeValue) -> Option<f64> {
    match value {
        AttributeValue::Integer(number) => Some(*number as f64),
        AttributeValue::Number(number) => Some(*number),
        _ => None,
    }
}

/// The mean of latencies in nanoseconds, in milliseconds.
#[expect(clippy::cast_precision_loss, reason = "far below 2^53 microseconds")]
fn mean(latencies: &[u64]) -> Option<f64> {
    let sum: u128 = latencies.iter().copied().map(u128::from).sum();
    (!latencies.is_empty()).then(|| sum as f64 / latencies.len() as f64 / 1e6)
}

/// A percentile of latencies in nanoseconds, in milliseconds. Puts them into another order.
#[expect(clippy::cast_precision_loss, reason = "exact below 104 days")]
fn percentile(latencies: &mut [u64], percent: usize) -> Option<f64> {
    let last = latencies.len().checked_sub(1)?;
    let (place, part) = (last * percent / 100, last * percent % 100);
    let (_, low, above) = latencies.select_nth_unstable(place);
    let low = *low;
    let high = above.iter().min().copied().unwrap_or(low);
    let (low, high) = (low as f64 / 1e6, high as f64 / 1e6);
    Some(low + (high - low) * (part as f64 / 100.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn percentiles_lie_on_the_line_between_two_places() {
        let of = |values: &[u64], percent| {
            let mut nanoseconds: Vec<u64> = values.iter().map(|it| it * 1_000_000).collect();
            percentile(&mut nanoseconds, percent)
        };
        assert_eq!(of(&[], 50), None);
        assert_eq!(of(&[7], 99), Some(7.0));
        assert_eq!(of(&[1, 2], 50), Some(1.5));
        assert_eq!(of(&[4, 1, 3, 2], 50), Some(2.5));
        assert_eq!(of(&[30, 10, 20], 50), Some(20.0));
        assert_eq!(of(&[0, 100], 95), Some(95.0));
        assert_eq!(of(&[0, 0, 0, 400], 99), Some(388.0));
    }

    #[test]
    fn traces_are_told_apart_by_their_ids() {
        let id = "0af7651916cd43dd8448eb211c80319c";
        assert_eq!(trace_number(id), 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c);
        assert_eq!(trace_number(id), trace_number(&id.to_uppercase()));
        let others = ["", "1", "01", "trace", "+af7651916cd43dd8448eb211c80319c"];
        let numbers: HashSet<u128> = others.into_iter().map(trace_number).collect();
        assert_eq!(numbers.len(), others.len());
    }

    proptest! {
        #[test]
        fn percentiles_are_those_of_the_definition(
            mut values in prop::collection::vec(0_u64..10_000_000_000, 1..200),
            percent in 0_usize..=100,
        ) {
            let found = percentile(&mut values.clone(), percent).unwrap_or(f64::NAN);
            values.sort_unstable();
            let at = percent as f64 / 100.0 * (values.len() - 1) as f64;
            let value = |place: f64| values.get(place as usize).map_or(f64::NAN, |it| *it as f64 / 1e6);
            let (low, high) = (value(at.floor()), value(at.ceil()));
            let expected = low + (high - low) * at.fract();
            prop_assert!((found - expected).abs() <= 1e-9 * expected.max(1.0));
            prop_assert!(value(0.0) <= found && found <= value((values.len() - 1) as f64));
        }
    }
}
