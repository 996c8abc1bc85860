//! `analytics-store`.

use super::{breaks, instead_of_missing};
use crate::bindings::analytics_store::{DataPoint, Guest, MetricsQuery};
use crate::{Provider, Result, Wrong};

impl Guest for Wrong {
    fn get_metrics(mut query: MetricsQuery) -> Result<Vec<DataPoint>> {
        if breaks("analytics.window") {
            query.window.end = query.window.end.saturating_add(1);
        }
        let is_grouped = !query.group_by.is_empty();
        let mut answer = Provider::get_metrics(query);
        if breaks("analytics.unknown-project") {
            answer = instead_of_missing(answer, || Ok(Vec::new()));
        }
        let mut points = answer?;
        if breaks("analytics.groups") && is_grouped {
            points.pop();
        }
        for point in &mut points {
            if breaks("analytics.whole") {
                point.value = point.value.map(|value| value * 1.01);
            }
            if breaks("analytics.nothing") {
                point.value = Some(point.value.unwrap_or(0.0));
            }
        }
        Ok(points)
    }
}
