//! How a span begins, whichever interface asked for it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::SystemTime;

use opentelemetry::Context;
use opentelemetry::trace::{Link, SpanBuilder, SpanContext, SpanRef, TraceContextExt, TraceFlags};

use super::TelemetryManager;
use super::owners::{ActiveProject, Lineage};
use super::session::ActiveSession;
use crate::export::{Project, RecordingSpan};

/// Whose a span is to be.
#[derive(Clone, Copy)]
pub(super) struct Whose<'a> {
    pub(super) tenant: &'a str,
    /// Without one, the configured `service_name`.
    pub(super) service: Option<&'a str>,
}

/// A span that has begun.
pub(super) struct Begun {
    pub(super) span: BegunSpan,
    pub(super) project: Arc<Project>,
}

/// What a sampler made of a span.
pub(super) enum BegunSpan {
    /// It is recorded.
    Recorded(RecordingSpan),
    /// It only tells the spans below it that they are not recorded either.
    SampledOut(SpanContext),
}

impl Begun {
    /// Makes it the current span of a context, which is else as `parent`.
    pub(super) fn into_current(self, parent: &Context) -> CurrentSpan {
        let (context, trace) = match self.span {
            BegunSpan::Recorded(span) => {
                let trace = opentelemetry::trace::Span::span_context(&span).trace_id();
                (parent.with_span(span), trace)
            }
            BegunSpan::SampledOut(span) => {
                let trace = span.trace_id();
                (parent.with_remote_span_context(span), trace)
            }
        };
        let is_said = ActiveProject::is(&context, &self.project, trace);
        CurrentSpan {
            context,
            unsaid: (!is_said).then_some(self.project),
        }
    }
}

/// A span in its context. That the context also says whose the span is, takes as long as to make
/// it, and is done for those who pass it on.
#[derive(Clone, Debug)]
pub(super) struct CurrentSpan {
    context: Context,
    /// Whose it is, where the context does not say so yet.
    unsaid: Option<Arc<Project>>,
}

impl CurrentSpan {
    pub(super) fn span(&self) -> SpanRef<'_> {
        self.context.span()
    }

    /// The context, to be passed on.
    pub(super) fn context(&self) -> Context {
        match &self.unsaid {
            Some(project) => {
                let trace = self.span().span_context().trace_id();
                let project = ActiveProject::new(Arc::clone(project), trace);
                self.context.with_value(project)
            }
            None => self.context.clone(),
        }
    }
}

impl TelemetryManager {
    /// Begins a span below the current one of `parent`; `None` where none can be made.
    pub(super) fn begin(
        &self,
        whose: Whose<'_>,
        session: Option<Arc<str>>,
        mut builder: SpanBuilder,
        parent: &Context,
    ) -> Option<Begun> {
        if parent.is_telemetry_suppressed() {
            return None;
        }
        let now = SystemTime::now();
        let (pipeline, project) = self.recording(whose.tenant, whose.service, now)?;
        let lineage = Lineage::of(parent, &project, &self.inner.owners);
        let context = RecordingSpan::new_context(&lineage.parent);
        // A trace that was begun for the project's sake is decided on with the one it left.
        let above = lineage.link.as_ref().unwrap_or(&lineage.parent);
        let above = above.is_valid().then(|| above.is_sampled());
        let sampler = self.inner.samplers.of(project.tenant_id());
        if !sampler.samples(above, context.trace_id()) {
            self.inner.sampled_out.fetch_add(1, Ordering::Relaxed);
            return Some(Begun {
                span: BegunSpan::SampledOut(unsampled(&context)),
                project,
            });
        }

        builder.start_time.get_or_insert(now);
        if let Some(other) = lineage.link {
            let links = builder.links.get_or_insert_default();
            links.push(Link::with_context(other));
        }
        let session = session.or_else(|| ActiveSession::of(parent, project.tenant_id()));
        let span = RecordingSpan::start_marked(
            context,
            pipeline,
            Arc::clone(&project),
            session,
            builder,
            &lineage.parent,
        );
        Some(Begun {
            span: BegunSpan::Recorded(span),
            project,
        })
    }
}

fn unsampled(context: &SpanContext) -> SpanContext {
    SpanContext::new(
        context.trace_id(),
        context.span_id(),
        TraceFlags::NOT_SAMPLED,
        false,
        context.trace_state().clone(),
    )
}
