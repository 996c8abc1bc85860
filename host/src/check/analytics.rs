//! Numbers that a backend computes mean what those mean that the host computes.

use std::collections::BTreeMap;

use super::expect::{ensure, expect_missing, same, skip, wrong};
use super::rule::Outcome;
use super::trial::Trial;
use crate::contract::{DataPoint, Error, GroupKey, MetricName, MetricsQuery, TimeWindow};

/// How much two numbers may differ, as a part of the larger.
const TOLERANCE: f64 = 1e-6;

const ALL: [MetricName; 11] = [
    MetricName::SpanCount,
    MetricName::TraceCount,
    MetricName::LatencyMean,
    MetricName::LatencyP50,
    MetricName::LatencyP95,
    MetricName::LatencyP99,
    MetricName::ErrorRate,
    MetricName::PromptTokens,
    MetricName::CompletionTokens,
    MetricName::TotalTokens,
    MetricName::Cost,
];

pub(super) async fn whole(trial: &Trial<'_>) -> Outcome {
    let mut answered = 0;
    for metric in ALL {
        let query = MetricsQuery::new(trial.project(), vec![metric], TimeWindow::all());
        answered += u32::from(compare(trial, &query).await?);
    }
    enough(answered)
}

pub(super) async fn window(trial: &Trial<'_>) -> Outcome {
    let spans = &trial.corpus().first;
    let (Some(first), Some(last)) = (spans.first(), spans.last()) else {
        return Err(skip("there are no spans"));
    };
    let mut answered = 0;
    // From the second on, and the last left out: it begins where the window ends.
    let window = TimeWindow::new(first.start_time + 1_000_000, last.start_time);
    for metric in [
        MetricName::SpanCount,
        MetricName::LatencyMean,
        MetricName::TraceCount,
    ] {
        let query = MetricsQuery::new(trial.project(), vec![metric], window);
        answered += u32::from(compare(trial, &query).await?);
    }
    enough(answered)
}

pub(super) async fn buckets_and_groups(trial: &Trial<'_>) -> Outcome {
    let spans = &trial.corpus().first;
    let (Some(first), Some(last)) = (spans.first(), spans.last()) else {
        return Err(skip("there are no spans"));
    };
    let window = TimeWindow::new(first.start_time, last.start_time + 1_000_000);
    let mut answered = 0;
    for (bucket, group_by) in [
        (Some(2_000_000_000), vec![]),
        (None, vec![GroupKey::Name]),
        (None, vec![GroupKey::Kind]),
        (None, vec![GroupKey::Status]),
        (None, vec![GroupKey::Attribute("llm.model_name".to_owned())]),
        (Some(3_000_000_000), vec![GroupKey::Kind, GroupKey::Status]),
    ] {
        for metric in [
            MetricName::SpanCount,
            MetricName::LatencyP50,
            MetricName::PromptTokens,
        ] {
            let mut query = MetricsQuery::new(trial.project(), vec![metric], window);
            query.bucket = bucket;
            query.group_by.clone_from(&group_by);
            answered += u32::from(compare(trial, &query).await?);
        }
    }
    enough(answered)
}

pub(super) async fn nothing(trial: &Trial<'_>) -> Outcome {
    let mut answered = 0;
    for metric in ALL {
        let query = MetricsQuery::new(trial.project(), vec![metric], TimeWindow::new(0, 1_000));
        let points = match trial.get_metrics(&query).await {
            Err(Error::Unsupported(_)) => continue,
            points => points?,
        };
        answered += 1;
        let [point] = points.as_slice() else {
            return Err(wrong(format!(
                "{metric:?} of no spans has {} values",
                points.len()
            )));
        };
        let is_sum = !matches!(
            metric,
            MetricName::LatencyMean
                | MetricName::LatencyP50
                | MetricName::LatencyP95
                | MetricName::LatencyP99
                | MetricName::ErrorRate
        );
        same(
            &format!("{metric:?} of no spans"),
            point.value,
            is_sum.then_some(0.0),
        )?;
    }
    enough(answered)
}

pub(super) async fn unknown_project(trial: &Trial<'_>) -> Outcome {
    let metrics = vec![MetricName::SpanCount];
    let query = MetricsQuery::new(trial.unknown_project(), metrics, TimeWindow::all());
    expect_missing(
        "get-metrics of an unknown project",
        trial.get_metrics(&query).await,
    )
}

fn enough(answered: u32) -> Outcome {
    if answered == 0 {
        return Err(skip("the backend aggregates none of this"));
    }
    Ok(())
}

type Place = (u64, Vec<Option<String>>);

/// What the provider says, beside what the host computes; false where it says `unsupported`.
async fn compare(trial: &Trial<'_>, query: &MetricsQuery) -> Outcome<bool> {
    let points = match trial.get_metrics(query).await {
        Err(Error::Unsupported(_)) => return Ok(false),
        points => points?,
    };
    let expected = trial.provider().analytics().compute_metrics(query).await?;
    let (found, expected) = (by_place(points), by_place(expected));
    let asked = format!(
        "{:?}, bucket {:?}, by {:?}",
        query.metrics, query.bucket, query.group_by
    );
    let places = |of: &BTreeMap<Place, Option<f64>>| -> Vec<Place> { of.keys().cloned().collect() };
    same(
        &format!("{asked}: the buckets and groups"),
        places(&found),
        places(&expected),
    )?;
    for (place, expected) in &expected {
        let value = found.get(place).copied().flatten();
        let is_near = match (value, *expected) {
            (Some(left), Some(right)) => {
                (left - right).abs() <= TOLERANCE * left.abs().max(right.abs())
            }
            (left, right) => left.is_none() && right.is_none(),
        };
        ensure!(
            is_near,
            "{asked}: the provider says {value:?} for {place:?}, and computed from its spans it is \
             {expected:?}"
        );
    }
    Ok(true)
}

fn by_place(points: Vec<DataPoint>) -> BTreeMap<Place, Option<f64>> {
    points
        .into_iter()
        .map(|point| ((point.time, point.group), point.value))
        .collect()
}
