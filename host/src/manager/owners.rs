//! Which project a trace belongs to.
//!
//! Backends file a whole trace under one project. A context that Roost made says whose its span
//! is; of a trace that came from elsewhere, or whose spans were put into contexts by others, it
//! is remembered here.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lru::LruCache;
use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, TraceContextExt, TraceId};

use crate::export::Project;

/// How many such traces of each kind are remembered; a request is long over before it is
/// forgotten.
const MAX_TRACES: usize = 10_000;

/// Traces, each with the project that began or joined it first.
#[derive(Debug)]
pub(super) struct TraceOwners(Mutex<Traces>);

/// What callers send has a place of its own, so that it never drives out what was begun here.
#[derive(Debug)]
struct Traces {
    begun: LruCache<TraceId, Arc<Project>>,
    sent: LruCache<TraceId, Arc<Project>>,
}

impl TraceOwners {
    pub(super) fn new() -> Self {
        let most = NonZeroUsize::new(MAX_TRACES).unwrap_or(NonZeroUsize::MIN);
        Self(Mutex::new(Traces {
            begun: LruCache::new(most),
            sent: LruCache::new(most),
        }))
    }

    /// The owner of a trace, which is `project` if it has none yet. `is_remote` tells whether
    /// the trace is known from a caller.
    pub(super) fn join(
        &self,
        trace: TraceId,
        is_remote: bool,
        project: &Arc<Project>,
    ) -> Arc<Project> {
        let mut traces = self.lock();
        if let Some(owner) = traces.of(trace) {
            return owner;
        }
        let kind = if is_remote {
            &mut traces.sent
        } else {
            &mut traces.begun
        };
        kind.put(trace, Arc::clone(project));
        Arc::clone(project)
    }

    /// Whose the current span of `context` is, if that is of this process.
    pub(super) fn of(&self, context: &Context) -> Option<Arc<Project>> {
        let span = context.span();
        let trace = span.span_context().trace_id();
        if let Some(project) = ActiveProject::of(context, trace) {
            return Some(Arc::clone(project));
        }
        // Whoever sends a request chooses its trace, and must not choose a tenant by it.
        if trace == TraceId::INVALID || span.span_context().is_remote() {
            return None;
        }
        self.lock().of(trace)
    }

    fn lock(&self) -> MutexGuard<'_, Traces> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Traces {
    fn of(&mut self, trace: TraceId) -> Option<Arc<Project>> {
        let begun = self.begun.get(&trace);
        begun.or_else(|| self.sent.get(&trace)).cloned()
    }
}

/// Whose the current span of a context is, where Roost made the context.
pub(super) struct ActiveProject {
    project: Arc<Project>,
    /// Below a span of ours there may be others: those of its trace are of its project.
    trace: TraceId,
}

impl ActiveProject {
    pub(super) fn new(project: Arc<Project>, trace: TraceId) -> Self {
        Self { project, trace }
    }

    /// Whether a context says already that this is whose the trace is.
    pub(super) fn is(context: &Context, project: &Arc<Project>, trace: TraceId) -> bool {
        Self::of(context, trace).is_some_and(|active| Arc::ptr_eq(active, project))
    }

    fn of(context: &Context, trace: TraceId) -> Option<&Arc<Project>> {
        let active = context.get::<Self>()?;
        (active.trace == trace).then_some(&active.project)
    }
}

/// Where a new span hangs.
pub(super) struct Lineage {
    /// The span it is a child of; not valid for a root.
    pub(super) parent: SpanContext,
    /// The span above it whose trace it may not join.
    pub(super) link: Option<SpanContext>,
}

impl Lineage {
    /// A span whose parent is of another project begins a trace of its own. Within a tenant a
    /// link leads to the parent; tenants never learn of each other's traces.
    ///
    /// A parent that is not ours, from another library or another process, belongs to nobody;
    /// the first project that joins its trace has it.
    pub(super) fn of(parent: &Context, project: &Arc<Project>, owners: &TraceOwners) -> Self {
        let span = parent.span();
        let span = span.span_context();
        if !span.is_valid() {
            return Self::root(None);
        }
        let trace = span.trace_id();
        let owner = match ActiveProject::of(parent, trace) {
            Some(active) => Arc::clone(active),
            None => owners.join(trace, span.is_remote(), project),
        };
        if owner.name() == project.name() {
            return Self {
                parent: span.clone(),
                link: None,
            };
        }
        Self::root((owner.tenant_id() == project.tenant_id()).then(|| span.clone()))
    }

    fn root(link: Option<SpanContext>) -> Self {
        Self {
            parent: SpanContext::NONE,
            link,
        }
    }
}
