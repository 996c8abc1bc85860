//! Spans, as the application makes them.
//!
//! A span around some work is a [`SpanBuilder`] that the work is handed to. While the work
//! runs its span is OpenTelemetry's current one, so spans made inside, also by other
//! libraries and on the other side of an `await`, become its children. Telemetry never
//! fails the application: where no span can be made the work runs all the same, with a
//! [`Span`] that does nothing.

use std::any::Any;
use std::borrow::Cow;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use futures_util::FutureExt as _;
use opentelemetry::trace::{FutureExt as _, Link, SpanContext, Status, TraceContextExt};
use opentelemetry::{Context, KeyValue, Value};

use super::TelemetryManager;
use super::foreign::ForeignTraces;
use super::session::ActiveSession;
use crate::export::{Project, RecordingSpan};

/// The attribute that holds a span's OpenInference kind.
const KIND: &str = "openinference.span.kind";

/// A span to be made. It begins when it is given work, or [started](Self::start).
#[must_use = "a span begins when it is given work, or started"]
pub struct SpanBuilder<'a> {
    manager: &'a TelemetryManager,
    name: Cow<'static, str>,
    tenant: &'a str,
    service: Option<Cow<'a, str>>,
    session: Option<Arc<str>>,
    attributes: Vec<KeyValue>,
}

impl<'a> SpanBuilder<'a> {
    pub(super) fn new(
        manager: &'a TelemetryManager,
        name: Cow<'static, str>,
        tenant: &'a str,
    ) -> Self {
        Self {
            manager,
            name,
            tenant,
            service: None,
            session: None,
            attributes: Vec::new(),
        }
    }

    /// The service whose project the span belongs to; without one the configured
    /// `service_name`.
    pub fn service(mut self, service: impl Into<Cow<'a, str>>) -> Self {
        self.service = Some(service.into());
        self
    }

    /// The session the span belongs to; without one the one of
    /// [`TelemetryManager::session`] around it.
    pub fn session(mut self, session_id: impl Into<Arc<str>>) -> Self {
        self.session = Some(session_id.into());
        self
    }

    /// The OpenInference kind, such as `LLM`, `CHAIN`, `TOOL` or `RETRIEVER`.
    pub fn kind(self, kind: &'static str) -> Self {
        self.attribute(KIND, kind)
    }

    /// An attribute.
    pub fn attribute(mut self, key: impl Into<Cow<'static, str>>, value: impl Into<Value>) -> Self {
        self.attributes.push(KeyValue::new(key.into(), value));
        self
    }

    /// Several attributes.
    pub fn attributes(mut self, attributes: impl IntoIterator<Item = KeyValue>) -> Self {
        self.attributes.extend(attributes);
        self
    }

    /// Begin the span. It ends with [`Span::end`], or when the last clone of it and of its
    /// context is dropped.
    pub fn start(self) -> Span {
        let parent = Context::current();
        if parent.is_telemetry_suppressed() {
            return Span(None);
        }
        let Some((pipeline, project)) =
            self.manager.recording(self.tenant, self.service.as_deref())
        else {
            return Span(None);
        };
        let session = self
            .session
            .or_else(|| ActiveSession::of(&parent, project.tenant_id()));
        let lineage = Lineage::of(&parent, &project, self.manager.foreign_traces());
        let mut attributes = vec![
            KeyValue::new("tenant.id", project.tenant_id().to_owned()),
            KeyValue::new("service.name", project.service().to_owned()),
            KeyValue::new("environment", self.manager.environment()),
        ];
        attributes.extend(self.attributes);
        let mut builder =
            opentelemetry::trace::SpanBuilder::from_name(self.name).with_attributes(attributes);
        if let Some(other) = lineage.link {
            builder = builder.with_links(vec![Link::with_context(other)]);
        }
        let span = RecordingSpan::start(
            pipeline,
            Arc::clone(&project),
            session,
            builder,
            &lineage.parent,
        );
        let owner = ActiveProject(project);
        Span(Some(parent.with_span(span).with_value(owner)))
    }

    /// Run `work` in the span. A panic is recorded and goes on.
    ///
    /// ```
    /// # let telemetry = roost::TelemetryManager::disabled();
    /// let found = telemetry.span("search", "acme").in_scope(|span| {
    ///     span.set_attribute("query", "machine learning");
    ///     3
    /// });
    /// assert_eq!(found, 3);
    /// ```
    pub fn in_scope<T>(self, work: impl FnOnce(&Span) -> T) -> T {
        let span = self.start();
        let entered = span.context().map(Context::attach);
        let outcome = catch_unwind(AssertUnwindSafe(|| work(&span)));
        drop(entered);
        span.finish(outcome)
    }

    /// Run `work` in the span. An error is recorded and returned, a panic is recorded and
    /// goes on.
    ///
    /// # Errors
    ///
    /// That of `work`.
    pub fn try_in_scope<T, E: fmt::Display>(
        self,
        work: impl FnOnce(&Span) -> Result<T, E>,
    ) -> Result<T, E> {
        self.in_scope(|span| work(span).inspect_err(|error| span.record_error(error)))
    }

    /// Await `work` in the span, which ends with it, also when it is given up before its
    /// end. A panic is recorded and goes on.
    ///
    /// ```
    /// # async fn embed(_: &str) -> usize { 3 }
    /// # async fn example(telemetry: roost::TelemetryManager) {
    /// let found = telemetry
    ///     .span("search", "acme")
    ///     .instrument(|span| async move {
    ///         span.set_attribute("query", "machine learning");
    ///         embed("machine learning").await
    ///     })
    ///     .await;
    /// # }
    /// ```
    pub async fn instrument<T, F: Future<Output = T>>(self, work: impl FnOnce(Span) -> F) -> T {
        let span = self.start();
        let context = span.context().unwrap_or_else(Context::current);
        let work = {
            let _entered = context.clone().attach();
            catch_unwind(AssertUnwindSafe(|| work(span.clone())))
        };
        let outcome = match work {
            Ok(work) => {
                AssertUnwindSafe(work)
                    .catch_unwind()
                    .with_context(context)
                    .await
            }
            Err(panic) => Err(panic),
        };
        span.finish(outcome)
    }

    /// Await `work` in the span. An error is recorded and returned, a panic is recorded and
    /// goes on.
    ///
    /// # Errors
    ///
    /// That of `work`.
    pub async fn try_instrument<T, E: fmt::Display, F: Future<Output = Result<T, E>>>(
        self,
        work: impl FnOnce(Span) -> F,
    ) -> Result<T, E> {
        self.instrument(|span| {
            let work = work(span.clone());
            async move { work.await.inspect_err(|error| span.record_error(error)) }
        })
        .await
    }
}

/// A span, or what stands for one where none could be made. Clones are the same span.
#[derive(Clone, Debug)]
pub struct Span(Option<Context>);

impl Span {
    /// Whether what is set here is recorded anywhere.
    #[must_use]
    pub fn is_recording(&self) -> bool {
        self.0
            .as_ref()
            .is_some_and(|context| context.span().is_recording())
    }

    /// Set an attribute; a later value replaces an earlier one.
    pub fn set_attribute(&self, key: impl Into<Cow<'static, str>>, value: impl Into<Value>) {
        if let Some(context) = &self.0 {
            context
                .span()
                .set_attribute(KeyValue::new(key.into(), value));
        }
    }

    /// Record that something happened, now.
    pub fn add_event(&self, name: impl Into<Cow<'static, str>>, attributes: Vec<KeyValue>) {
        if let Some(context) = &self.0 {
            context.span().add_event(name, attributes);
        }
    }

    /// Say how the work ended. `Ok` is final.
    pub fn set_status(&self, status: Status) {
        if let Some(context) = &self.0 {
            context.span().set_status(status);
        }
    }

    /// Record an error as an `exception` event and as the span's status.
    pub fn record_error<E: fmt::Display + ?Sized>(&self, error: &E) {
        self.record_exception(std::any::type_name::<E>(), error.to_string());
    }

    fn record_exception(&self, kind: &'static str, message: String) {
        if let Some(context) = &self.0 {
            let span = context.span();
            span.add_event(
                "exception",
                vec![
                    KeyValue::new("exception.type", kind),
                    KeyValue::new("exception.message", message.clone()),
                ],
            );
            span.set_status(Status::error(message));
        }
    }

    /// The id of its trace, 32 lower-case hexadecimal digits; `None` if nothing is recorded.
    #[must_use]
    pub fn trace_id(&self) -> Option<String> {
        let context = self.0.as_ref()?;
        Some(context.span().span_context().trace_id().to_string())
    }

    /// Its id, 16 lower-case hexadecimal digits; `None` if nothing is recorded.
    #[must_use]
    pub fn span_id(&self) -> Option<String> {
        let context = self.0.as_ref()?;
        Some(context.span().span_context().span_id().to_string())
    }

    /// The OpenTelemetry context in which it is the current span, to be attached on other
    /// threads or given to other libraries; `None` if nothing is recorded.
    #[must_use]
    pub fn context(&self) -> Option<Context> {
        self.0.clone()
    }

    /// End it now. What is set afterwards is ignored.
    pub fn end(&self) {
        if let Some(context) = &self.0 {
            context.span().end();
        }
    }

    /// End it with its work.
    fn finish<T>(&self, outcome: std::thread::Result<T>) -> T {
        if let Err(panic) = &outcome {
            self.record_exception("panic", panic_message(&**panic).to_owned());
        }
        self.end();
        outcome.unwrap_or_else(|panic| resume_unwind(panic))
    }
}

fn panic_message(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a panic without a message")
}

/// The project of the current span, where that is one of ours.
struct ActiveProject(Arc<Project>);

/// Where a new span hangs.
struct Lineage {
    parent: SpanContext,
    link: Option<SpanContext>,
}

impl Lineage {
    /// Backends file a whole trace under one project, so a span whose parent is of another
    /// project begins a trace of its own. Within a tenant a link leads to the parent; tenants
    /// never learn of each other's traces.
    ///
    /// A parent that is not ours, from another library or another process, belongs to
    /// nobody; the first project that joins its trace has it.
    fn of(parent: &Context, project: &Project, foreign: &ForeignTraces) -> Self {
        let span = parent.span().span_context().clone();
        let (joins, link) = match parent.get::<ActiveProject>() {
            // Below a span of ours there may be one of another library: that one joined the
            // trace, and so belongs to the same project.
            Some(ActiveProject(owner)) => (
                owner.name() == project.name(),
                owner.tenant_id() == project.tenant_id(),
            ),
            None => (
                !span.is_valid() || foreign.join(span.trace_id(), project),
                false,
            ),
        };
        if joins {
            return Self {
                parent: span,
                link: None,
            };
        }
        Self {
            parent: SpanContext::NONE,
            link: link.then_some(span),
        }
    }
}
