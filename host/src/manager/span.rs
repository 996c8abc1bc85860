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
use std::time::Instant;

use futures_util::FutureExt as _;
use http::HeaderMap;
use opentelemetry::trace::{FutureExt as _, SpanBuilder as OtelSpanBuilder};
use opentelemetry::trace::{SpanContext, Status};
use opentelemetry::{Context, KeyValue, Value};

use super::TelemetryManager;
use super::begin::{CurrentSpan, Whose};
use super::propagation::Caller;
use crate::export::spare_attributes;

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
    /// In a box, as few have one and it is large.
    caller: Option<Box<Caller>>,
    component: Option<&'a str>,
    latency_key: Option<&'static str>,
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
            caller: None,
            component: None,
            latency_key: None,
            attributes: spare_attributes(),
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

    /// Go on with the trace that the headers of a request tell of, as
    /// [`extract`](TelemetryManager::extract) does.
    ///
    /// ```
    /// # let telemetry = roost::TelemetryManager::disabled();
    /// # let request = http::Request::new(());
    /// let span = telemetry.span("request", "acme").caller(request.headers());
    /// span.in_scope(|_| ());
    /// ```
    pub fn caller(mut self, headers: &HeaderMap) -> Self {
        self.caller = Some(Box::new(Caller::of(headers)));
        self
    }

    /// The component the span is about, such as `encoder`. Where the configured level does not
    /// [instrument](crate::config::TelemetryLevel::instruments) it no span is made: the work
    /// runs all the same, and spans made inside are children of the span around it.
    ///
    /// ```
    /// # let telemetry = roost::TelemetryManager::disabled();
    /// let vector = telemetry
    ///     .span("embed", "acme")
    ///     .component("encoder")
    ///     .in_scope(|_| vec![0.5]);
    /// ```
    pub fn component(mut self, component: &'a str) -> Self {
        self.component = Some(component);
        self
    }

    /// The attribute that tells, when the span ends, how many milliseconds it took.
    pub(super) fn latency_key(mut self, key: &'static str) -> Self {
        self.latency_key = Some(key);
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
    #[inline]
    pub fn attributes(mut self, attributes: impl IntoIterator<Item = KeyValue>) -> Self {
        self.attributes.extend(attributes);
        self
    }

    /// Begin the span. It ends with [`Span::end`], or when the last clone of it and of its
    /// context is dropped.
    pub fn start(self) -> Span {
        let config = &self.manager.config().telemetry;
        if self
            .component
            .is_some_and(|component| !config.should_instrument_level(component))
        {
            return Span::none();
        }
        let parent = match self.caller {
            Some(caller) => caller.within(Context::current()),
            None => Context::current(),
        };
        let whose = Whose {
            tenant: self.tenant,
            service: self.service.as_deref(),
        };
        let mut builder = OtelSpanBuilder::from_name(self.name);
        builder.attributes = Some(self.attributes);
        let begun = self.manager.begin(whose, self.session, builder, &parent);
        Span {
            current: begun.map(|begun| begun.into_current(&parent)),
            latency: self.latency_key.map(|key| (key, Instant::now())),
        }
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
pub struct Span {
    current: Option<CurrentSpan>,
    /// The attribute that tells how long it took, and since when.
    latency: Option<(&'static str, Instant)>,
}

impl Span {
    fn none() -> Self {
        Self {
            current: None,
            latency: None,
        }
    }

    /// Whether what is set here is recorded anywhere.
    #[must_use]
    pub fn is_recording(&self) -> bool {
        let current = self.current.as_ref();
        current.is_some_and(|current| current.span().is_recording())
    }

    /// Set an attribute; a later value replaces an earlier one.
    pub fn set_attribute(&self, key: impl Into<Cow<'static, str>>, value: impl Into<Value>) {
        if let Some(current) = &self.current {
            current
                .span()
                .set_attribute(KeyValue::new(key.into(), value));
        }
    }

    /// Record that something happened, now.
    pub fn add_event(&self, name: impl Into<Cow<'static, str>>, attributes: Vec<KeyValue>) {
        if let Some(current) = &self.current {
            current.span().add_event(name, attributes);
        }
    }

    /// Say how the work ended. `Ok` is final.
    pub fn set_status(&self, status: Status) {
        if let Some(current) = &self.current {
            current.span().set_status(status);
        }
    }

    /// Record an error as an `exception` event and as the span's status.
    pub fn record_error<E: fmt::Display + ?Sized>(&self, error: &E) {
        self.record_exception(std::any::type_name::<E>(), error.to_string());
    }

    fn record_exception(&self, kind: &'static str, message: String) {
        if let Some(current) = &self.current {
            let span = current.span();
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
        self.recorded().map(|span| span.trace_id().to_string())
    }

    /// Its id, 16 lower-case hexadecimal digits; `None` if nothing is recorded.
    #[must_use]
    pub fn span_id(&self) -> Option<String> {
        self.recorded().map(|span| span.span_id().to_string())
    }

    /// What names it, if it is recorded, also after its end.
    fn recorded(&self) -> Option<SpanContext> {
        let context = self.current.as_ref()?.span().span_context().clone();
        context.is_sampled().then_some(context)
    }

    /// The OpenTelemetry context in which it is the current span, to be attached on other
    /// threads, given to other libraries, or [sent along](TelemetryManager::inject); `None` if
    /// there is no span. One that a sampler did not want has a context, so that the spans below
    /// it are not recorded either.
    #[must_use]
    pub fn context(&self) -> Option<Context> {
        self.current.as_ref().map(CurrentSpan::context)
    }

    /// End it now. What is set afterwards is ignored.
    pub fn end(&self) {
        if let Some(current) = &self.current {
            if let Some((key, since)) = self.latency {
                let milliseconds = since.elapsed().as_secs_f64() * 1_000.0;
                self.set_attribute(key, milliseconds);
            }
            current.span().end();
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
