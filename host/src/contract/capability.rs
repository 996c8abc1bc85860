//! What a provider can do, read from the type of its component.

use std::fmt;

/// An optional interface of the contract. A provider has the capability when its
/// component exports the interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Capability {
    /// `trace-store`: read spans and traces.
    TraceStore,
    /// `annotation-store`: write, read and delete annotations.
    AnnotationStore,
    /// `dataset-store`: datasets and their versions.
    DatasetStore,
    /// `experiment-store`: experiments, runs and evaluations.
    ExperimentStore,
    /// `analytics-store`: metrics the backend aggregates itself.
    AnalyticsStore,
    /// `project-store`: list, create and delete projects, delete spans.
    ProjectStore,
    /// `session-store`: sessions and their traces.
    SessionStore,
    /// `span-sink`: takes spans without OTLP.
    SpanSink,
}

impl Capability {
    /// Every capability, in the order the contract lists them.
    pub const ALL: [Self; 8] = [
        Self::TraceStore,
        Self::AnnotationStore,
        Self::DatasetStore,
        Self::ExperimentStore,
        Self::AnalyticsStore,
        Self::ProjectStore,
        Self::SessionStore,
        Self::SpanSink,
    ];

    /// The interface's name in the contract, such as `trace-store`.
    #[must_use]
    pub const fn interface(self) -> &'static str {
        match self {
            Self::TraceStore => "trace-store",
            Self::AnnotationStore => "annotation-store",
            Self::DatasetStore => "dataset-store",
            Self::ExperimentStore => "experiment-store",
            Self::AnalyticsStore => "analytics-store",
            Self::ProjectStore => "project-store",
            Self::SessionStore => "session-store",
            Self::SpanSink => "span-sink",
        }
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.interface())
    }
}
