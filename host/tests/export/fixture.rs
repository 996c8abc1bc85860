//! A pipeline whose destinations a test decides, and spans for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use opentelemetry::KeyValue;
use opentelemetry::trace::{SpanBuilder, SpanContext};
use roost::config::{BatchExportConfig, SpoolConfig};
use roost::export::{
    Destination, DestinationResolver, FlushReport, OtlpDestination, Pipeline, Project,
    RecordingSpan, ResolveError, Routing, SpanStats,
};

use crate::receiver::Receiver;

/// Long enough for anything that happens at all.
pub(crate) const LONG: Duration = Duration::from_secs(20);
/// How projects are named to the receiver.
pub(crate) const PROJECT: &str = "openinference.project.name";

type Answer = dyn Fn(&Project, usize) -> Result<Destination, Trouble> + Send + Sync;

/// How a resolver fails.
pub(crate) enum Trouble {
    Error(ResolveError),
    /// It never answers.
    Silence,
}

/// A resolver made of a function, which is told how often it was asked before.
pub(crate) struct Resolver {
    answer: Box<Answer>,
    asked: AtomicUsize,
}

impl Resolver {
    pub(crate) fn new<D: Into<Destination>>(
        answer: impl Fn(&Project, usize) -> Result<D, Trouble> + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self {
            answer: Box::new(move |project, nth| answer(project, nth).map(Into::into)),
            asked: AtomicUsize::new(0),
        })
    }

    /// Everything goes to this receiver, by resource attribute.
    pub(crate) fn to(receiver: &Receiver) -> Arc<Self> {
        let destination = destination(receiver);
        Self::new(move |_, _| Ok(destination.clone()))
    }

    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl DestinationResolver for Resolver {
    fn destination<'a>(
        &'a self,
        project: &'a Project,
    ) -> BoxFuture<'a, Result<Destination, ResolveError>> {
        let nth = self.asked.fetch_add(1, Ordering::SeqCst);
        match (self.answer)(project, nth) {
            Ok(destination) => std::future::ready(Ok(destination)).boxed(),
            Err(Trouble::Error(error)) => std::future::ready(Err(error)).boxed(),
            Err(Trouble::Silence) => std::future::pending().boxed(),
        }
    }

    fn session_attributes<'a>(
        &'a self,
        project: &'a Project,
        session_id: &'a str,
    ) -> BoxFuture<'a, Result<Vec<KeyValue>, ResolveError>> {
        let id = format!("{}:{session_id}", project.name());
        std::future::ready(Ok(vec![KeyValue::new("session.id", id)])).boxed()
    }
}

pub(crate) fn destination(receiver: &Receiver) -> OtlpDestination {
    let routing = Routing::ResourceAttribute(PROJECT.to_owned());
    OtlpDestination::new(receiver.protocol, receiver.endpoint(), routing)
}

/// Batches wait for a flush, unless they are full.
pub(crate) fn config() -> BatchExportConfig {
    BatchExportConfig {
        schedule_delay_millis: 3_600_000,
        ..BatchExportConfig::default()
    }
}

pub(crate) fn start(config: &BatchExportConfig, resolver: &Arc<Resolver>) -> Pipeline {
    Pipeline::start(config, &SpoolConfig::default(), Arc::clone(resolver) as _).unwrap()
}

pub(crate) fn project(tenant: &str) -> Arc<Project> {
    Arc::new(Project::new(tenant, "search", format!("{tenant}-search")))
}

/// A root span that is still open.
pub(crate) fn open(pipeline: &Pipeline, project: &Arc<Project>, name: &str) -> RecordingSpan {
    let builder = SpanBuilder::from_name(name.to_owned());
    let root = SpanContext::empty_context();
    RecordingSpan::start(pipeline, Arc::clone(project), None, builder, &root)
}

/// A span that begins and ends here.
pub(crate) fn span(pipeline: &Pipeline, project: &Arc<Project>, name: &str) {
    drop(open(pipeline, project, name));
}

/// Flushes, and wants every span settled.
pub(crate) fn flush(pipeline: &Pipeline) -> FlushReport {
    let report = pipeline.force_flush_blocking(LONG);
    assert_eq!(report.left, 0, "the flush came to its end: {report:?}");
    report
}

/// Waits for something to become true of the counters.
pub(crate) fn until(pipeline: &Pipeline, what: impl Fn(SpanStats) -> bool) {
    let start = Instant::now();
    while !what(pipeline.stats()) {
        assert!(start.elapsed() < LONG, "never came: {:?}", pipeline.stats());
        std::thread::sleep(Duration::from_millis(5));
    }
}
