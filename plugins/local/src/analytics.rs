//! `analytics-store`: numbers over many spans, computed in SQL.
//!
//! They mean what the host means by them. Where a group could be told apart differently here
//! (an attribute that is the number 5 in one span and the text `5` in another) the answer is
//! `unsupported`, and the host computes.

use std::collections::BTreeMap;

use roost_provider::Error;
use roost_provider::database::{Row, Sql as _, Value, parameters};
use roost_provider::types::AttributeValue;

use crate::bindings::analytics_store::{DataPoint, GroupKey, Guest, MetricName, MetricsQuery};
use crate::condition::Question;
use crate::content;
use crate::database::{database, project};
use crate::percentiles::{self, Latencies};
use crate::{Provider, Result};

/// What is kept apart: the start of a bucket, and a value for each key of a group.
pub(crate) type Place = (u64, Vec<Option<String>>);

/// A window is wide when it holds one part in so many of the project's time. Then an index
/// that has all spans is read from end to end; else the spans of the window are looked up.
const WIDE: i64 = 16;

impl Guest for Provider {
    fn get_metrics(query: MetricsQuery) -> Result<Vec<DataPoint>> {
        let project = project(database()?, &query.project)?;
        let spans = Spans::of(&query, project)?;
        let sums = sums(&query, &spans)?;
        let latencies = percentiles::find(&query, &spans, &sums)?;
        Ok(points(&query, &sums, &latencies))
    }
}

/// Which spans are looked at, and what they are kept apart by, in SQL.
pub(crate) struct Spans {
    question: Question,
    /// An expression for the bucket, and one for each key of the group.
    pub(crate) keys: Vec<String>,
    pub(crate) filter: String,
}

impl Spans {
    fn of(query: &MetricsQuery, project: i64) -> Result<Self> {
        let mut question = Question::new(database()?.dialect(), "");
        let number = question.bind(project);
        let start = question.bind(query.window.start);
        let end = question.bind(query.window.end);
        let joins = query
            .group_by
            .iter()
            .any(|key| matches!(key, GroupKey::Attribute(_)));
        // A plus keeps the database from looking the window up by time.
        let by_time = if is_wide(query, project)? { "+" } else { "" };
        let filter = format!(
            "FROM spans s {} WHERE s.project = {number} AND {by_time}s.start_time >= {start}
                AND {by_time}s.start_time < {end}",
            if joins {
                "JOIN contents c ON c.span = s.id"
            } else {
                ""
            }
        );
        let mut keys = Vec::new();
        if let Some(bucket) = query.bucket {
            let (start, bucket) = (question.bind(query.window.start), question.bind(bucket));
            keys.push(format!("(s.start_time - {start}) / {bucket}"));
        }
        for key in &query.group_by {
            keys.push(match key {
                GroupKey::Name => "s.name".to_owned(),
                GroupKey::Kind => "s.kind".to_owned(),
                GroupKey::Status => "s.status".to_owned(),
                GroupKey::Attribute(key) => question.attribute_json(key).ok_or_else(|| {
                    Error::Unsupported(format!("groups by the attribute `{key}`"))
                })?,
            });
        }
        Ok(Self {
            question,
            keys,
            filter,
        })
    }

    /// The parameters of `keys` and `filter`, which come first in a statement.
    pub(crate) fn parameters(&self) -> Vec<Value> {
        self.question.parameters.clone()
    }

    /// `k0, k1`: the keys by the names they have in a subquery.
    pub(crate) fn names(&self) -> Vec<String> {
        (0..self.keys.len())
            .map(|place| format!("k{place}"))
            .collect()
    }
}

/// Whether the window holds much of the project.
fn is_wide(query: &MetricsQuery, project: i64) -> Result<bool> {
    let sql = "SELECT MIN(start_time), MAX(start_time) FROM spans WHERE project = $1";
    let found = database()?.rows(sql, parameters![project])?;
    let Some(mut row) = found.into_iter().next() else {
        return Ok(false);
    };
    let (Some(first), Some(last)) = (row.optional_integer()?, row.optional_integer()?) else {
        return Ok(false);
    };
    let time = |time| i64::try_from(time).unwrap_or(i64::MAX);
    let (start, end) = (
        time(query.window.start).max(first),
        time(query.window.end).min(last),
    );
    Ok(end.saturating_sub(start) >= last.saturating_sub(first) / WIDE)
}

/// What the spans of one place add up to.
pub(crate) struct Sums {
    pub(crate) spans: i64,
    values: Vec<Option<f64>>,
}

/// The expression of a metric that one pass over the spans adds up.
fn expression(metric: MetricName) -> Option<&'static str> {
    Some(match metric {
        MetricName::SpanCount => "COUNT(*)",
        MetricName::TraceCount => "COUNT(DISTINCT s.trace_id)",
        MetricName::LatencyMean => "CAST(AVG(s.latency) AS DOUBLE PRECISION) / 1e6",
        MetricName::ErrorRate => {
            "AVG(CASE WHEN s.status = 'ERROR' THEN CAST(1 AS DOUBLE PRECISION) ELSE 0 END)"
        }
        MetricName::PromptTokens => "COALESCE(SUM(s.prompt_tokens), 0)",
        MetricName::CompletionTokens => "COALESCE(SUM(s.completion_tokens), 0)",
        MetricName::TotalTokens => "COALESCE(SUM(s.total_tokens), 0)",
        MetricName::Cost => "COALESCE(SUM(s.cost), 0)",
        MetricName::LatencyP50 | MetricName::LatencyP95 | MetricName::LatencyP99 => return None,
    })
}

fn sums(query: &MetricsQuery, spans: &Spans) -> Result<BTreeMap<Place, Sums>> {
    let wanted: Vec<&str> = query
        .metrics
        .iter()
        .copied()
        .filter_map(expression)
        .collect();
    let columns: Vec<&str> = spans.keys.iter().map(String::as_str).collect();
    let columns = [&columns, &["COUNT(*)"][..], &wanted].concat().join(", ");
    let mut sql = format!("SELECT {columns} {}", spans.filter);
    if !spans.keys.is_empty() {
        let places: Vec<String> = (1..=spans.keys.len()).map(|it| it.to_string()).collect();
        sql.push_str(&format!(" GROUP BY {}", places.join(", ")));
    }
    let mut found = BTreeMap::new();
    for mut row in database()?.rows(&sql, spans.parameters())? {
        let place = place(query, &mut row)?;
        let spans = row.integer()?;
        let values = wanted.iter().map(|_| row.optional_number());
        let values = values.collect::<Result<_>>()?;
        if found.insert(place, Sums { spans, values }).is_some() {
            return Err(Error::Unsupported(
                "groups by an attribute of which values differ only in their type".to_owned(),
            ));
        }
    }
    Ok(found)
}

/// The place that a row begins with.
pub(crate) fn place(query: &MetricsQuery, row: &mut Row) -> Result<Place> {
    let mut time = query.window.start;
    if let Some(bucket) = query.bucket {
        time = time.saturating_add(row.time()?.saturating_mul(bucket));
    }
    let group = query.group_by.iter().map(|key| {
        let value = row.optional_text()?;
        Ok(match key {
            GroupKey::Attribute(_) => value.and_then(|json| content::value(&json)).map(text),
            _ => value,
        })
    });
    Ok((time, group.collect::<Result<_>>()?))
}

/// A value as the name of a group.
fn text(value: AttributeValue) -> String {
    match value {
        AttributeValue::Text(text) | AttributeValue::Json(text) => text,
        AttributeValue::Boolean(value) => value.to_string(),
        AttributeValue::Integer(number) => number.to_string(),
        AttributeValue::Number(number) => number.to_string(),
    }
}

fn points(
    query: &MetricsQuery,
    sums: &BTreeMap<Place, Sums>,
    latencies: &Latencies,
) -> Vec<DataPoint> {
    let mut points = Vec::new();
    for (place, sums) in sums {
        let mut values = sums.values.iter().copied();
        for metric in &query.metrics {
            let value = match expression(*metric) {
                Some(_) => values.next().flatten(),
                None => latencies.get(&(place.clone(), *metric as u8)).copied(),
            };
            points.push(DataPoint {
                metric: *metric,
                time: place.0,
                group: place.1.clone(),
                value,
            });
        }
    }
    points
}
