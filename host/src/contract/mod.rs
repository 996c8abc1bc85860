//! The contract of `wit/` in Rust: the generated types under plain names, and the
//! errors that calls across it end in.
//!
//! The types are the guest's own, field by field, so nothing is converted between a
//! provider's answer and the caller.

mod bindings;
mod capability;
mod error;

pub use bindings::exports::roost::telemetry::{
    analytics_store::{DataPoint, GroupKey, MetricName, MetricsQuery},
    annotation_store::{
        Annotation, AnnotationKey, AnnotationPage, NewAnnotation, Selection as AnnotationSelection,
        Target,
    },
    dataset_store::{
        Dataset, DatasetPage, DatasetRecord, DatasetRef, NewDataset, NewRecord, RecordPage,
        Version, VersionPage,
    },
    experiment_store::{
        Experiment, ExperimentPage, ExperimentStatus, Metric, NewEvaluation, NewExperiment, NewRun,
        Run, RunPage, RunSummary,
    },
    project_store::{Project, ProjectPage, SpanSelection},
    session_store::{Session, SessionPage, SessionTrace, SessionTracePage},
    span_sink::ExportOutcome,
    telemetry_provider::{
        BackendLimits, Credential, ExportOptions, Header, Health, OtlpExport, OtlpProtocol,
        ProjectRouting, ProviderInfo, SpanExport,
    },
    trace_store::{
        Condition, Field, Order, OrderKey, Predicate, Projection, SpanBatch, SpanPage, SpanQuery,
    },
};
pub use bindings::roost::telemetry::types::{
    AnnotatorKind, Attribute, AttributeValue, BackendFailure, Error, Event, Link, PageRequest,
    PartialFailure, RateLimit, RejectedItem, Span, SpanRef, StatusCode, TimeWindow, Timestamp,
};
pub use capability::Capability;
pub use error::ProviderError;

pub(crate) use error::NO_TENANT;

pub(crate) use bindings::exports::roost::telemetry as guest;

/// The version of the contract this host speaks: `major.minor.patch`. It loads every
/// component built against the same major and minor version.
pub const VERSION: &str = "0.1.0";

/// The WIT package that every interface of the contract belongs to.
pub const PACKAGE: &str = "roost:telemetry";
