//! The numbers of providers, read when they are asked for.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

use crate::TelemetryManager;
use crate::plugin::{Counted, DURATION_BUCKETS, Durations, ProviderActivity, ProviderStatus};

/// Reads what the providers of a manager do. A generation has its numbers until seven others
/// came after it.
pub(super) struct ProviderNumbers {
    telemetry: TelemetryManager,
}

impl ProviderNumbers {
    pub(super) fn new(telemetry: TelemetryManager) -> Self {
        Self { telemetry }
    }
}

/// The labels of a generation's number, but for the operation and the error.
type Labels = [(&'static str, String); 2];

/// Something that was counted in a generation, with the operation if it has one.
struct Line<'a> {
    labels: Labels,
    operation: Option<&'a str>,
    counted: &'a Counted,
}

impl Line<'_> {
    fn labels(&self, error: Option<&str>) -> Vec<(&'static str, String)> {
        let operation = self.operation.map(|name| ("operation", name.to_owned()));
        let error = error.map(|name| ("error", name.to_owned()));
        self.labels
            .iter()
            .cloned()
            .chain(operation)
            .chain(error)
            .collect()
    }
}

impl Collector for ProviderNumbers {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let Some(host) = self.telemetry.host() else {
            return Ok(());
        };
        let (providers, activity) = (host.providers(), host.activity());
        states(&mut encoder, &providers, &activity)?;

        let generations = activity.iter().flat_map(|provider| {
            let generations = provider.generations.iter();
            generations.map(|generation| {
                let number = generation.number.to_string();
                let labels = [("provider", provider.name.clone()), ("generation", number)];
                (labels, generation)
            })
        });
        let mut calls = Vec::new();
        let mut requests = Vec::new();
        for (labels, generation) in generations {
            for (operation, counted) in &generation.operations {
                calls.push(Line {
                    labels: labels.clone(),
                    operation: Some(operation),
                    counted,
                });
            }
            requests.push(Line {
                labels,
                operation: None,
                counted: &generation.requests,
            });
        }
        counted(&mut encoder, "provider_calls", "Calls of providers", &calls)?;
        let help = "HTTP requests of providers";
        counted(&mut encoder, "provider_requests", help, &requests)
    }
}

/// What serves, and how it is.
fn states(
    encoder: &mut DescriptorEncoder<'_>,
    providers: &[ProviderStatus],
    activity: &[ProviderActivity],
) -> fmt::Result {
    type State = (&'static str, &'static str, fn(&ProviderStatus) -> u64);
    let states: [State; 3] = [
        (
            "provider_generation",
            "Which generation of a provider serves; 0 where none does",
            |status| status.generation.as_ref().map_or(0, |one| one.number),
        ),
        (
            "provider_refused",
            "Whether the file of a provider as it is now is refused",
            |status| status.refusal.is_some().into(),
        ),
        (
            "provider_quarantined_connections",
            "Connections in which a provider failed too often",
            |status| status.quarantines.len() as u64,
        ),
    ];
    for (name, help, of) in states {
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for status in providers {
            gauge(of(status)).encode(family.encode_family(&[("provider", &*status.name)])?)?;
        }
    }
    type Doing = (&'static str, &'static str, fn(&ProviderActivity) -> usize);
    let doing: [Doing; 2] = [
        (
            "provider_idle_instances",
            "Instances that wait for a call",
            |activity| activity.idle_instances,
        ),
        ("provider_running_calls", "Calls that run", |activity| {
            activity.running_calls
        }),
    ];
    for (name, help, of) in doing {
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for one in activity {
            let value = gauge(of(one) as u64);
            value.encode(family.encode_family(&[("provider", &*one.name)])?)?;
        }
    }
    Ok(())
}

fn gauge(value: u64) -> ConstGauge<i64> {
    ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX))
}

/// How often, with which errors, and how long.
fn counted(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    lines: &[Line<'_>],
) -> fmt::Result {
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
    for line in lines {
        let count = ConstCounter::new(line.counted.count);
        count.encode(family.encode_family(&line.labels(None))?)?;
    }
    let (errors, failed) = (
        format!("{name}_failed"),
        format!("{help} that failed, by error"),
    );
    let mut family = encoder.encode_descriptor(&errors, &failed, None, MetricType::Counter)?;
    for line in lines {
        for (error, count) in &line.counted.errors {
            let labels = line.labels(Some(error));
            ConstCounter::new(*count).encode(family.encode_family(&labels)?)?;
        }
    }
    let (durations, took) = (
        format!("{name}_duration"),
        format!("How long they took: {help}"),
    );
    let seconds = Some(&Unit::Seconds);
    let mut family =
        encoder.encode_descriptor(&durations, &took, seconds, MetricType::Histogram)?;
    for line in lines {
        let Durations {
            sum,
            buckets,
            longer,
            ..
        } = &line.counted.durations;
        let bounds = DURATION_BUCKETS.into_iter().zip(buckets.iter().copied());
        let buckets: Vec<_> = bounds.chain([(f64::INFINITY, *longer)]).collect();
        let labels = line.labels(None);
        let mut metric = family.encode_family(&labels)?;
        metric.encode_histogram::<NoLabelSet>(*sum, line.counted.count, &buckets, None)?;
    }
    Ok(())
}

impl fmt::Debug for ProviderNumbers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProviderNumbers").finish_non_exhaustive()
    }
}
