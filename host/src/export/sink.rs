//! Spans for backends without OTLP: taken apart, and handed over by project.

use std::collections::BTreeSet;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use lru::LruCache;
use opentelemetry::Context;
use opentelemetry::trace::FutureExt;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};
use tokio_util::task::AbortOnDropHandle;

use super::decode::{decode_resource, decode_span};
use super::outcome::{Outcome, Rejected};
use super::request::Chunk;
use crate::contract::{Attribute, Error, ExportOutcome, PartialFailure, ProviderError, Span};

/// How many calls of a sink run at a time: readers want instances of the provider too.
const CALLS_AT_A_TIME: usize = 4;
/// Of how many sinks it is counted how many calls run.
const MAX_SINKS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(255);

/// Takes the spans of one project where OTLP is not spoken.
pub trait SpanSink: fmt::Debug + Send + Sync + 'static {
    /// Whose sink it is, for log records. Those of equal names share what bounds the calls that
    /// run at a time.
    fn name(&self) -> &str;

    /// Stores spans, which keep the limits of the destination. `resource` is what the `resource`
    /// of each would hold. To be given a span again must be safe.
    ///
    /// # Errors
    /// Those that [are transient](ProviderError::is_transient) when nothing was taken and the
    /// same spans should come again. By any other the spans are rejected, or handed over in
    /// smaller parts where it may be due to one of them.
    fn export<'a>(
        &'a self,
        resource: &'a [Attribute],
        spans: &'a [Span],
    ) -> BoxFuture<'a, Result<ExportOutcome, ProviderError>>;
}

/// A sink as a part of what tells lanes apart.
#[derive(Clone, Debug)]
pub(super) struct Sink(pub(super) Arc<dyn SpanSink>);

impl Sink {
    pub(super) fn name(&self) -> &str {
        self.0.name()
    }
}

impl PartialEq for Sink {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Sink {}

impl Hash for Sink {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.0).cast::<()>().hash(state);
    }
}

/// A chunk, taken apart for a sink.
#[derive(Debug)]
pub(super) struct SpanBatch {
    resource: Vec<Attribute>,
    spans: Vec<Span>,
    /// The place of each of them in the chunk.
    places: Vec<usize>,
    /// The places of those that no sink is given.
    unfit: BTreeSet<usize>,
    /// Why the first of those is not.
    why: String,
}

impl SpanBatch {
    /// What the spans of a chunk say, all of which have the same resource. Those that cannot be
    /// read or are larger than this are left out.
    pub(super) fn of(chunk: &Chunk, max_bytes: usize) -> Self {
        let mut batch = Self {
            resource: Vec::new(),
            spans: Vec::with_capacity(chunk.len()),
            places: Vec::with_capacity(chunk.len()),
            unfit: BTreeSet::new(),
            why: String::new(),
        };
        let head = chunk.0.first().map(|group| &group.head().resource);
        let resource = decode_resource(head.map_or(&[], Vec::as_slice));
        let spans = chunk.0.iter();
        let spans = spans.flat_map(|group| group.spans().map(move |span| (group, span)));
        for (place, (group, span)) in spans.enumerate() {
            let decoded = if group.cost(&span) > max_bytes {
                Err(format!("a span is larger than {max_bytes} bytes"))
            } else if let Err(fault) = &resource {
                Err(format!("a resource is malformed: {fault}"))
            } else {
                decode_span(&span).map_err(|fault| format!("a span is malformed: {fault}"))
            };
            match decoded {
                Ok(span) => {
                    batch.spans.push(span);
                    batch.places.push(place);
                }
                Err(why) => batch.reject(place, &why),
            }
        }
        batch.resource = resource.unwrap_or_default();
        batch
    }

    fn reject(&mut self, place: usize, why: &str) {
        if self.unfit.is_empty() {
            why.clone_into(&mut self.why);
        }
        self.unfit.insert(place);
    }

    /// What the answer of a sink means.
    fn judge(&self, answer: Result<ExportOutcome, ProviderError>) -> Outcome {
        let (accepted, items) = match answer {
            Ok(ExportOutcome { accepted, rejected }) => (accepted, rejected),
            Err(error) => match error.kind() {
                Error::Partial(PartialFailure { accepted, rejected }) => {
                    (*accepted, rejected.clone())
                }
                kind => return refusal(kind, error.to_string()),
            },
        };
        let mut rejected = self.unfit.clone();
        for item in &items {
            rejected.extend(self.places.get(item.index as usize));
        }
        let refused = rejected.len() - self.unfit.len();
        if refused != items.len() || accepted as usize + refused != self.spans.len() {
            let (sent, items) = (self.spans.len(), items.len());
            // Whatever it took, it takes again; by itself, a span is taken or it is not.
            return Outcome::Unfit(format!(
                "of {sent} spans it says it took {accepted} and rejected {items}"
            ));
        }
        let first = items.first().map(|item| item.reason.clone());
        Outcome::Delivered {
            rejected: Rejected::At(rejected),
            message: first.unwrap_or_else(|| self.why.clone()),
        }
    }
}

/// What an error means of which nothing says that something was taken.
fn refusal(kind: &Error, why: String) -> Outcome {
    let retry = |after| Outcome::Retry {
        why: why.clone(),
        after,
        reconnect: false,
    };
    match kind {
        Error::Unavailable(_) | Error::Timeout(_) => retry(None),
        Error::RateLimited(limit) => retry(limit.retry_after_ms.map(Duration::from_millis)),
        // No span is to blame.
        Error::Unauthenticated(_) | Error::PermissionDenied(_) | Error::Unsupported(_) => {
            Outcome::Rejected(why)
        }
        _ => Outcome::Unfit(why),
    }
}

/// Whose turn it is at which sink, and where calls run: on a thread of their own, since a provider
/// may compute for long, and the export thread has everybody's spans to send.
pub(super) struct Sinks {
    turns: Mutex<LruCache<String, Arc<Semaphore>>>,
    runtime: OnceLock<Runtime>,
}

impl Sinks {
    pub(super) fn new() -> Self {
        Self {
            turns: Mutex::new(LruCache::new(MAX_SINKS)),
            runtime: OnceLock::new(),
        }
    }

    /// One attempt to hand a batch over, once it is its turn. The provider's own deadline bounds
    /// it.
    pub(super) async fn send(
        &self,
        sink: &Sink,
        batch: &Arc<SpanBatch>,
        deadline: Instant,
    ) -> Outcome {
        if batch.spans.is_empty() {
            return Outcome::Delivered {
                rejected: Rejected::At(batch.unfit.clone()),
                message: batch.why.clone(),
            };
        }
        let turns = self.turns(sink.name());
        let later = |why: String| Outcome::Retry {
            why,
            after: None,
            reconnect: false,
        };
        let Ok(_turn) = timeout_at(deadline, turns.acquire()).await else {
            return later("earlier spans are still being taken".to_owned());
        };
        let runtime = match self.runtime() {
            Ok(runtime) => runtime,
            Err(error) => return later(format!("there is no thread for the call: {error}")),
        };
        let (sink, spans) = (sink.clone(), Arc::clone(batch));
        let call = async move { sink.0.export(&spans.resource, &spans.spans).await };
        // What is not traced here must not be there.
        let call = runtime.spawn(call.with_context(Context::current()));
        match AbortOnDropHandle::new(call).await {
            Ok(answer) => batch.judge(answer),
            Err(error) => Outcome::Unfit(format!("the call broke off: {error}")),
        }
    }

    fn runtime(&self) -> std::io::Result<&Runtime> {
        if let Some(runtime) = self.runtime.get() {
            return Ok(runtime);
        }
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("roost-sinks")
            .enable_all()
            .build()?;
        Ok(self.runtime.get_or_init(|| runtime))
    }

    fn turns(&self, name: &str) -> Arc<Semaphore> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Arc::new(Semaphore::new(CALLS_AT_A_TIME));
        Arc::clone(turns.get_or_insert_ref(name, new))
    }
}

impl Drop for Sinks {
    fn drop(&mut self) {
        // It happens on an async thread, which must not wait for the other.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
