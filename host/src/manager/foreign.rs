//! Traces that others began, and which project joined each.

use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};

use lru::LruCache;
use opentelemetry::trace::TraceId;

use crate::export::Project;

/// How many such traces are remembered; a request is long over before it is forgotten.
const MAX_TRACES: usize = 10_000;

/// Traces that others began, each with the name of the project that joined it first.
#[derive(Debug)]
pub(super) struct ForeignTraces(Mutex<LruCache<TraceId, String>>);

impl ForeignTraces {
    pub(super) fn new() -> Self {
        let most = NonZeroUsize::new(MAX_TRACES).unwrap_or(NonZeroUsize::MIN);
        Self(Mutex::new(LruCache::new(most)))
    }

    /// Whether a span of `project` may join this trace: it may if no other project did.
    pub(super) fn join(&self, trace: TraceId, project: &Project) -> bool {
        let mut traces = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        traces.get_or_insert(trace, || project.name().to_owned()) == project.name()
    }
}
