//! A span that records itself as the bytes it is exported as.

use std::borrow::Cow;
use std::cell::RefCell;
use std::hash::{BuildHasher, RandomState};
use std::slice;
use std::sync::Arc;
use std::time::SystemTime;

use opentelemetry::KeyValue;
use opentelemetry::trace::{
    Span, SpanBuilder, SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId,
};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use super::encode::{SpanEncoder, keep_attributes, keep_bytes};
use super::packed::PackedSpans;
use super::parcel::Outgoing;
use super::pipeline::Pipeline;
use super::project::Project;
use super::ticket::Ticket;

/// A span on its way out: what is left of a [`RecordingSpan`] once it has ended.
#[derive(Debug)]
pub struct EndedSpan {
    /// Whose it is.
    pub project: Arc<Project>,
    /// The session it belongs to.
    pub session: Option<Arc<str>>,
    /// An OTLP `Span` message.
    pub bytes: Vec<u8>,
}

impl EndedSpan {
    /// A copy, as the first of spans of its kind, in an empty buffer.
    pub(super) fn outgoing(
        &self,
        buffer: PackedSpans,
        epoch: u64,
        ticket: Option<Arc<Ticket>>,
    ) -> Outgoing {
        let mut spans = buffer;
        spans.push(&self.bytes);
        Outgoing {
            project: Arc::clone(&self.project),
            session: self.session.clone(),
            origin: None,
            spans,
            ticket,
            epoch,
        }
    }
}

/// A span of a project, behind OpenTelemetry's own interface.
///
/// It ends when it is told to or when it is dropped, whichever comes first, and goes to the
/// pipeline then; what is set afterwards is ignored.
#[derive(Debug)]
pub struct RecordingSpan {
    context: SpanContext,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    encoder: Box<SpanEncoder>,
    project: Arc<Project>,
    session: Option<Arc<str>>,
    pipeline: Pipeline,
}

impl RecordingSpan {
    /// Starts a span of `project`. It joins the trace of `parent` where that is valid, and
    /// begins a trace of its own otherwise.
    #[must_use]
    pub fn start(
        pipeline: &Pipeline,
        project: Arc<Project>,
        session: Option<Arc<str>>,
        builder: SpanBuilder,
        parent: &SpanContext,
    ) -> Self {
        let context = Self::new_context(parent);
        Self::start_as(context, pipeline, project, session, builder, parent)
    }

    /// A context for a child of `parent`, or for a root where that is not valid.
    #[must_use]
    pub fn new_context(parent: &SpanContext) -> SpanContext {
        new_context(parent)
    }

    /// [`start`](Self::start) with a context that is known already. It is of the trace of
    /// `parent`, where that is valid.
    #[must_use]
    pub fn start_as(
        context: SpanContext,
        pipeline: &Pipeline,
        project: Arc<Project>,
        session: Option<Arc<str>>,
        builder: SpanBuilder,
        parent: &SpanContext,
    ) -> Self {
        Self::begin(context, pipeline, project, session, builder, parent, false)
    }

    /// [`start_as`](Self::start_as) for a span that says by itself whose it is.
    pub(crate) fn start_marked(
        context: SpanContext,
        pipeline: &Pipeline,
        project: Arc<Project>,
        session: Option<Arc<str>>,
        builder: SpanBuilder,
        parent: &SpanContext,
    ) -> Self {
        Self::begin(context, pipeline, project, session, builder, parent, true)
    }

    fn begin(
        context: SpanContext,
        pipeline: &Pipeline,
        project: Arc<Project>,
        session: Option<Arc<str>>,
        builder: SpanBuilder,
        parent: &SpanContext,
        marked: bool,
    ) -> Self {
        let kind = builder.span_kind.unwrap_or(SpanKind::Internal);
        let start = builder.start_time.unwrap_or_else(SystemTime::now);
        let mut encoder = SpanEncoder::new(&context, parent, builder.name, &kind, start);
        if marked {
            encoder.preset(project.preset());
        }
        let mut open = Open {
            encoder,
            project,
            session,
            pipeline: pipeline.clone(),
        };
        if let Some(attributes) = builder.attributes {
            open.set(&attributes);
            keep_attributes(attributes);
        }
        for event in builder.events.iter().flatten() {
            open.encoder
                .event(&event.name, event.timestamp, &event.attributes);
        }
        for link in builder.links.iter().flatten() {
            open.encoder.link(&link.span_context, &link.attributes);
        }
        Self {
            context,
            open: Some(open),
        }
    }
}

impl Open {
    /// Sets attributes, and the session where one of them says which.
    fn set(&mut self, attributes: &[KeyValue]) {
        for attribute in attributes {
            if attribute.key.as_str() == SESSION_ID {
                self.session = Some(attribute.value.as_str().into());
            } else {
                self.encoder.attribute(attribute);
            }
        }
    }
}

impl Span for RecordingSpan {
    fn add_event_with_timestamp<T>(
        &mut self,
        name: T,
        timestamp: SystemTime,
        attributes: Vec<KeyValue>,
    ) where
        T: Into<Cow<'static, str>>,
    {
        if let Some(open) = &mut self.open {
            open.encoder.event(&name.into(), timestamp, &attributes);
        }
    }

    fn span_context(&self) -> &SpanContext {
        &self.context
    }

    fn is_recording(&self) -> bool {
        self.open.is_some()
    }

    fn set_attribute(&mut self, attribute: KeyValue) {
        if let Some(open) = &mut self.open {
            open.set(slice::from_ref(&attribute));
        }
    }

    fn set_status(&mut self, status: Status) {
        if let Some(open) = &mut self.open {
            open.encoder.status(status);
        }
    }

    fn update_name<T>(&mut self, new_name: T)
    where
        T: Into<Cow<'static, str>>,
    {
        if let Some(open) = &mut self.open {
            open.encoder.name(new_name.into());
        }
    }

    fn add_link(&mut self, span_context: SpanContext, attributes: Vec<KeyValue>) {
        if let Some(open) = &mut self.open {
            open.encoder.link(&span_context, &attributes);
        }
    }

    fn end_with_timestamp(&mut self, timestamp: SystemTime) {
        if let Some(open) = self.open.take() {
            let span = EndedSpan {
                project: open.project,
                session: open.session,
                bytes: open.encoder.finish(timestamp),
            };
            open.pipeline.submit(&span);
            keep_bytes(span.bytes);
        }
    }
}

impl Drop for RecordingSpan {
    fn drop(&mut self) {
        if self.open.is_some() {
            self.end();
        }
    }
}

/// The attribute that puts a span into a session. It is no plain attribute: what is written
/// in its place is the destination's to say, so that no two projects meet in a session.
const SESSION_ID: &str = "session.id";

thread_local! {
    /// Ids have to be distinct, not secret, so a small generator does.
    static IDS: RefCell<SmallRng> = RefCell::new(rand::make_rng());
}

/// The context of a child of `parent`, or of a new root.
fn new_context(parent: &SpanContext) -> SpanContext {
    let (trace, span) = IDS
        .try_with(|rng| {
            let mut rng = rng.borrow_mut();
            (rng.random::<u128>(), rng.random::<u64>())
        })
        // A thread that is ending has no thread-local values any more.
        .unwrap_or_else(|_| {
            let mut rng = SmallRng::seed_from_u64(RandomState::new().hash_one(()));
            (rng.random(), rng.random())
        });
    let span = SpanId::from_bytes(span.max(1).to_be_bytes());
    if parent.is_valid() {
        let state = parent.trace_state().clone();
        SpanContext::new(parent.trace_id(), span, TraceFlags::SAMPLED, false, state)
    } else {
        let trace = TraceId::from_bytes(trace.max(1).to_be_bytes());
        SpanContext::new(trace, span, TraceFlags::SAMPLED, false, Default::default())
    }
}
