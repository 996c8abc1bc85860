//! The pipeline's own numbers, read when they are asked for.

use std::collections::HashSet;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use super::{MAX_LABELS, OTHERS};
use crate::TelemetryManager;
use crate::export::{DropReason, SpanStats};

/// Reads a manager's statistics.
pub(super) struct PipelineNumbers {
    telemetry: TelemetryManager,
    /// The projects that have numbers of their own: the first there were, so that a number never
    /// moves from one label to another.
    labelled: Mutex<HashSet<String>>,
}

impl PipelineNumbers {
    pub(super) fn new(telemetry: TelemetryManager) -> Self {
        Self {
            telemetry,
            labelled: Mutex::default(),
        }
    }

    /// The numbers of each project that has its own, and of all others.
    fn by_project(&self) -> Vec<(String, Vec<SpanStats>)> {
        let stats = self.telemetry.get_stats();
        let mut labelled = self.labelled.lock().unwrap_or_else(PoisonError::into_inner);
        let mut others = vec![stats.other_projects];
        let mut projects = Vec::new();
        for (project, stats) in stats.projects {
            if labelled.contains(&project) {
                projects.push((project, vec![stats]));
            } else if labelled.len() < MAX_LABELS {
                labelled.insert(project.clone());
                projects.push((project, vec![stats]));
            } else {
                others.push(stats);
            }
        }
        projects.push((OTHERS.to_owned(), others));
        projects
    }
}

/// The name of a number, what it says, and which it is.
type Number = (&'static str, &'static str, fn(&SpanStats) -> u64);

impl Collector for PipelineNumbers {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let projects = self.by_project();
        let sum =
            |stats: &[SpanStats], of: fn(&SpanStats) -> u64| stats.iter().map(of).sum::<u64>();

        let counters: [Number; 2] = [
            (
                "spans_created",
                "Spans that the pipeline was given",
                |stats| stats.created,
            ),
            ("spans_delivered", "Spans that backends have", |stats| {
                stats.delivered
            }),
        ];
        for (name, help, of) in counters {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            for (project, stats) in &projects {
                let counter = ConstCounter::new(sum(stats, of));
                counter.encode(family.encode_family(&[("project", project.as_str())])?)?;
            }
        }

        let help = "Spans that are lost, by why";
        let mut family =
            encoder.encode_descriptor("spans_dropped", help, None, MetricType::Counter)?;
        for (project, stats) in &projects {
            let reasons = SpanStats::default().dropped.by_reason();
            for (at, (reason, _)) in reasons.into_iter().enumerate() {
                let lost = stats
                    .iter()
                    .filter_map(|stats| stats.dropped.by_reason().get(at).copied());
                let lost = lost.map(|(_, spans)| spans).sum::<u64>();
                let labels = [("project", project.as_str()), ("reason", label(reason))];
                ConstCounter::new(lost).encode(family.encode_family(&labels)?)?;
            }
        }

        let gauges: [Number; 2] = [
            (
                "spans_queued",
                "Spans that wait, or are in a request that is not answered",
                |stats| stats.queued,
            ),
            ("spans_spooled", "Spans on disk", |stats| stats.spooled),
        ];
        for (name, help, of) in gauges {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for (project, stats) in &projects {
                let gauge = ConstGauge::new(i64::try_from(sum(stats, of)).unwrap_or(i64::MAX));
                gauge.encode(family.encode_family(&[("project", project.as_str())])?)?;
            }
        }
        Ok(())
    }
}

fn label(reason: DropReason) -> &'static str {
    match reason {
        DropReason::QueueFull => "queue_full",
        DropReason::Rejected => "rejected",
        DropReason::ExportFailed => "export_failed",
        DropReason::Shutdown => "shutdown",
        DropReason::SpoolFull => "spool_full",
        DropReason::Expired => "expired",
    }
}

impl fmt::Debug for PipelineNumbers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PipelineNumbers").finish_non_exhaustive()
    }
}
