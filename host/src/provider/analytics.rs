//! Numbers over many spans: from the backend where it aggregates, and computed here where it
//! does not.

use serde::Serialize;

use super::Provider;
use super::query::SpanQuery;
use super::statistics::{self, MAX_GROUPS, MAX_SPANS, Statistics};
use crate::contract::{
    Capability, DataPoint, Error, MetricName, MetricsQuery, Projection, ProviderError, TimeWindow,
};

const GET_METRICS: &str = "get-metrics";

/// The shortest bucket, in nanoseconds.
const SHORTEST_BUCKET: u64 = 1_000_000_000;

/// The most buckets of a question.
const MAX_BUCKETS: u64 = 10_000;

/// Numbers over the spans of a [`Provider`].
pub struct AnalyticsStore<'a> {
    provider: &'a Provider,
}

/// How many spans there were, how long they took, and how often they failed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct TraceStatistics {
    /// How many spans.
    pub count: u64,
    /// The mean of their latencies, in milliseconds; none without a span, as the following.
    pub mean_latency_ms: Option<f64>,
    /// The median of their latencies, in milliseconds. All percentiles are interpolated: at
    /// `p * (count - 1)` in ascending order, on the line between two latencies.
    pub p50_latency_ms: Option<f64>,
    /// The 95th percentile, in milliseconds.
    pub p95_latency_ms: Option<f64>,
    /// The 99th percentile, in milliseconds.
    pub p99_latency_ms: Option<f64>,
    /// The part of them that ended with an error, from 0 to 1.
    pub error_rate: Option<f64>,
}

impl MetricsQuery {
    /// One metric over all spans of `project` that began inside `window`.
    pub fn new(project: impl Into<String>, metrics: Vec<MetricName>, window: TimeWindow) -> Self {
        Self {
            project: project.into(),
            metrics,
            window,
            bucket: None,
            group_by: Vec::new(),
        }
    }
}

impl<'a> AnalyticsStore<'a> {
    pub(super) fn new(provider: &'a Provider) -> Self {
        Self { provider }
    }

    /// The values of metrics: one for each bucket and group that has spans, by bucket, then by
    /// group. Without buckets and groups there is one for each metric, also without a span.
    ///
    /// A backend that aggregates is asked. What it does not answer is computed from spans, page
    /// by page; both mean the same.
    ///
    /// ```no_run
    /// # async fn example(provider: &roost::provider::Provider) -> Result<(), roost::ProviderError> {
    /// use std::time::Duration;
    /// use roost::contract::{GroupKey, MetricName, MetricsQuery, TimeWindow};
    ///
    /// let metrics = vec![MetricName::SpanCount, MetricName::LatencyP95];
    /// let mut query = MetricsQuery::new("acme-search", metrics, TimeWindow::last(Duration::from_secs(3600)));
    /// query.group_by = vec![GroupKey::Attribute("llm.model_name".to_owned())];
    /// for point in provider.analytics().get_metrics(&query).await? {
    ///     println!("{:?} of {:?}: {:?}", point.metric, point.group, point.value);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] for a project that does not exist; [`Error::InvalidArgument`]
    /// without a metric, for a window that ends before it begins, for buckets shorter than a
    /// second or more than 10,000 of them, and as [`compute_metrics`](Self::compute_metrics).
    pub async fn get_metrics(&self, query: &MetricsQuery) -> Result<Vec<DataPoint>, ProviderError> {
        self.check(query)?;
        let provider = self.provider;
        let aggregates = provider
            .capabilities()?
            .contains(&Capability::AnalyticsStore);
        let ask = async {
            if aggregates {
                let answer = provider
                    .ask(GET_METRICS, async |store, guests| {
                        guests.analytics()?.call_get_metrics(store, query).await
                    })
                    .await;
                match answer {
                    Err(Error::Unsupported(_)) => {}
                    answer => return answer.and_then(|points| checked(query, points)),
                }
            }
            let computed = Box::pin(self.compute(query)).await;
            computed.map_err(ProviderError::into_kind)
        };
        provider.keep(GET_METRICS, &query.project, query, ask).await
    }

    /// [`get_metrics`](Self::get_metrics), computed from spans also where the backend
    /// aggregates: to see that both say the same.
    ///
    /// # Errors
    ///
    /// As [`get_metrics`](Self::get_metrics), and [`Error::InvalidArgument`] for more than
    /// 5,000,000 spans or 100,000 groups.
    pub async fn compute_metrics(
        &self,
        query: &MetricsQuery,
    ) -> Result<Vec<DataPoint>, ProviderError> {
        self.check(query)?;
        self.compute(query).await
    }

    /// How many spans began inside `window`, how long they took, and how often they failed.
    ///
    /// # Errors
    ///
    /// As [`get_metrics`](Self::get_metrics).
    pub async fn get_trace_statistics(
        &self,
        project: &str,
        window: TimeWindow,
    ) -> Result<TraceStatistics, ProviderError> {
        use MetricName::{ErrorRate, LatencyMean, LatencyP50, LatencyP95, LatencyP99, SpanCount};

        let metrics = vec![
            SpanCount,
            LatencyMean,
            LatencyP50,
            LatencyP95,
            LatencyP99,
            ErrorRate,
        ];
        let query = MetricsQuery::new(project, metrics, window);
        let points = self.get_metrics(&query).await?;
        let value = |metric| {
            let found = points.iter().find(|point| point.metric == metric);
            found.and_then(|point| point.value)
        };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a number of spans"
        )]
        let count = value(SpanCount).unwrap_or(0.0) as u64;
        Ok(TraceStatistics {
            count,
            mean_latency_ms: value(LatencyMean),
            p50_latency_ms: value(LatencyP50),
            p95_latency_ms: value(LatencyP95),
            p99_latency_ms: value(LatencyP99),
            error_rate: value(ErrorRate),
        })
    }

    async fn compute(&self, query: &MetricsQuery) -> Result<Vec<DataPoint>, ProviderError> {
        let provider = self.provider;
        let spans = SpanQuery::new(&query.project, query.window)
            .limit(usize::MAX)
            .project_to(Projection {
                attributes: Some(statistics::attributes(query)),
                events: false,
                links: false,
                resource: false,
            });
        let mut pages = provider.traces().pages(&spans)?;
        let mut statistics = Statistics::new(query.clone());
        let mut count = 0;
        while let Some(page) = pages.next().await? {
            count += page.len();
            for span in &page {
                statistics.add(span);
            }
            if count > MAX_SPANS || statistics.groups() > MAX_GROUPS {
                return Err(provider.invalid(
                    GET_METRICS,
                    format!(
                        "there are more than {MAX_SPANS} spans or {MAX_GROUPS} groups to compute \
                         from; ask for a smaller window or other groups"
                    ),
                ));
            }
        }
        // Millions of latencies take a while.
        tokio::task::spawn_blocking(|| statistics.points())
            .await
            .map_err(|error| provider.error(GET_METRICS, Error::Internal(error.to_string())))
    }

    fn check(&self, query: &MetricsQuery) -> Result<(), ProviderError> {
        let invalid = |why: String| Err(self.provider.invalid(GET_METRICS, why));
        self.provider.admit(GET_METRICS, &query.project)?;
        if let Err(why) = query.window.check() {
            return invalid(why);
        }
        if query.metrics.is_empty() {
            return invalid("no metric is asked for: name at least one".to_owned());
        }
        let Some(bucket) = query.bucket else {
            return Ok(());
        };
        if bucket < SHORTEST_BUCKET {
            return invalid(format!(
                "buckets of {bucket} ns: they last at least a second ({SHORTEST_BUCKET} ns)"
            ));
        }
        let buckets = (query.window.end - query.window.start).div_ceil(bucket);
        if buckets > MAX_BUCKETS {
            return invalid(format!(
                "{buckets} buckets: at most {MAX_BUCKETS} are computed; ask for longer ones or for \
                 a smaller window"
            ));
        }
        Ok(())
    }
}

/// What the backend answered, if it answers what was asked.
fn checked(query: &MetricsQuery, points: Vec<DataPoint>) -> Result<Vec<DataPoint>, Error> {
    let fits = |point: &DataPoint| {
        query.metrics.contains(&point.metric)
            && point.group.len() == query.group_by.len()
            && point.value.is_none_or(f64::is_finite)
    };
    if points.iter().all(fits) {
        return Ok(points);
    }
    let why = "it answered a metric or a group that was not asked for";
    Err(Error::Internal(why.to_owned()))
}
