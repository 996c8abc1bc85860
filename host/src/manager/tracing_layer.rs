//! Spans for code that is written for `tracing`: a layer that knows tenants.

mod fields;

use std::cell::RefCell;
use std::mem::ManuallyDrop;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::SystemTime;

use opentelemetry::trace::{SpanBuilder, Status, TraceContextExt};
use opentelemetry::{Context, ContextGuard, KeyValue};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer;
use tracing_subscriber::registry::LookupSpan;

use super::TelemetryManager;
use super::begin::Whose;
use fields::{EventFields, SpanFields};

/// A layer that makes the spans of `tracing` spans of tenants.
///
/// ```
/// use tracing_subscriber::filter::LevelFilter;
/// use tracing_subscriber::layer::{Layer, SubscriberExt};
///
/// # let telemetry = roost::TelemetryManager::disabled();
/// let layer = roost::tracing_layer(&telemetry).with_filter(LevelFilter::INFO);
/// let subscriber = tracing_subscriber::registry().with(layer);
/// tracing::subscriber::with_default(subscriber, || {
///     let request = tracing::info_span!("request", tenant = "acme", http.route = "/search");
///     request.in_scope(|| tracing::info!(documents = 3, "found"));
/// });
/// ```
#[must_use]
pub fn tracing_layer(telemetry: &TelemetryManager) -> TracingLayer {
    let tenant = &telemetry.config().telemetry.default_tenant_id;
    TracingLayer {
        default_tenant: Some(tenant.as_str().into()),
        telemetry: telemetry.clone(),
    }
}

/// Makes the spans of `tracing` spans of tenants. See [`tracing_layer`].
///
/// | `tracing` | becomes |
/// |---|---|
/// | field `tenant` or `tenant_id` of a span | the tenant of it, and of the spans inside that name none |
/// | field `service` of a span | its service, and that of the spans inside that name none |
/// | other fields | attributes, typed |
/// | level and target | attributes `level` and `target` |
/// | event | event of the current span |
/// | event of level `ERROR`, or with an error | also the span's status |
/// | fields `otel.name`, `otel.kind`, `otel.status_code`, `otel.status_message` | what they say |
/// | `follows_from` | link |
///
/// Tenant and service count when a span is first entered; until then they can be recorded. A
/// span that is entered is OpenTelemetry's current one as well, so spans of
/// [`TelemetryManager::span`] inside it are its children, and the other way around. A subscriber
/// has one such layer at most.
pub struct TracingLayer {
    telemetry: TelemetryManager,
    default_tenant: Option<Arc<str>>,
}

impl TracingLayer {
    /// The tenant of spans that neither name one nor are made inside of one; without this, the
    /// configured `default_tenant_id`.
    #[must_use]
    pub fn with_default_tenant(mut self, tenant: impl Into<Arc<str>>) -> Self {
        self.default_tenant = Some(tenant.into());
        self
    }

    /// Record nothing of spans that neither name a tenant nor are made inside of one's.
    #[must_use]
    pub fn without_default_tenant(mut self) -> Self {
        self.default_tenant = None;
        self
    }

    /// Begins a span that was only described until now.
    fn begin(&self, described: Described, parent: &Context) -> Option<Context> {
        // What is logged on the way here must not come back.
        let _suppressed = Context::enter_telemetry_suppressed_scope();
        let Described {
            mut builder,
            mut fields,
        } = described;
        let status = fields.status();
        let owner = self.telemetry.inner.owners.of(parent);
        let owner = owner.as_deref();
        let tenant = fields
            .tenant
            .as_deref()
            .or(owner.map(|owner| owner.tenant_id()))
            .or(self.default_tenant.as_deref())?;
        let service = fields
            .service
            .as_deref()
            .or(owner.map(|owner| owner.service()));
        if let Some(name) = fields.name {
            builder.name = name.into();
        }
        builder.span_kind = fields.kind;
        let attributes = builder.attributes.get_or_insert_default();
        attributes.extend(fields.attributes);
        let whose = Whose { tenant, service };
        let begun = self.telemetry.begin(whose, None, builder, parent)?;
        let context = begun.into_current(parent).context();
        if let Some(status) = status {
            context.span().set_status(status);
        }
        Some(context)
    }
}

/// What the layer knows of a span.
struct Traced {
    /// The context it was made in.
    parent: Context,
    /// Taken when it begins.
    described: Mutex<Option<Described>>,
    /// The context with it, once it has begun; `None` in there if it is not recorded.
    begun: OnceLock<Option<Context>>,
}

/// A span that has not begun.
struct Described {
    builder: SpanBuilder,
    fields: SpanFields,
}

impl Traced {
    /// The context with the span, which begins if it has not yet.
    fn begin(&self, layer: &TracingLayer) -> Option<&Context> {
        self.begun
            .get_or_init(|| {
                let described = self.take_described()?;
                layer.begin(described, &self.parent)
            })
            .as_ref()
    }

    fn take_described(&self) -> Option<Described> {
        let mut described = self
            .described
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        described.take()
    }

    fn record(&self, mut more: SpanFields) {
        if let Some(begun) = self.begun.get() {
            let Some(context) = begun else { return };
            let span = context.span();
            let status = more.status();
            if let Some(name) = more.name {
                span.update_name(name);
            }
            if let Some(status) = status {
                span.set_status(status);
            }
            span.set_attributes(more.attributes);
            return;
        }
        let mut described = self
            .described
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(Described { fields, .. }) = &mut *described {
            fields.tenant = more.tenant.or(fields.tenant.take());
            fields.service = more.service.or(fields.service.take());
            fields.name = more.name.or(fields.name.take());
            fields.kind = more.kind.or(fields.kind.take());
            fields.status_code = more.status_code.or(fields.status_code.take());
            fields.status_message = more.status_message.or(fields.status_message.take());
            fields.attributes.extend(more.attributes);
        }
    }
}

impl<S> Layer<S> for TracingLayer
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, subscriber: layer::Context<'_, S>) {
        if Context::is_current_telemetry_suppressed() {
            return;
        }
        let parent = match attributes.parent() {
            Some(parent) => self.context_of(parent, &subscriber),
            None if attributes.is_root() => Some(Context::new()),
            None => None,
        };
        let mut fields = SpanFields::default();
        attributes.record(&mut fields);
        let metadata = attributes.metadata();
        let builder = SpanBuilder::from_name(metadata.name())
            .with_start_time(SystemTime::now())
            .with_attributes(origin(metadata));
        let traced = Arc::new(Traced {
            parent: parent.unwrap_or_else(Context::current),
            described: Mutex::new(Some(Described { builder, fields })),
            begun: OnceLock::new(),
        });
        if let Some(span) = subscriber.span(id) {
            span.extensions_mut().replace(traced);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, subscriber: layer::Context<'_, S>) {
        if let Some(traced) = traced(id, &subscriber) {
            let mut fields = SpanFields::default();
            values.record(&mut fields);
            traced.record(fields);
        }
    }

    fn on_follows_from(&self, id: &Id, follows: &Id, subscriber: layer::Context<'_, S>) {
        let (Some(traced), Some(follows)) = (traced(id, &subscriber), traced(follows, &subscriber))
        else {
            return;
        };
        // A span of another tenant is nothing to lead to.
        let owner = |context: &Context| self.telemetry.inner.owners.of(context);
        if let (Some(context), Some(follows)) = (traced.begin(self), follows.begin(self))
            && let (Some(own), Some(other)) = (owner(context), owner(follows))
            && own.tenant_id() == other.tenant_id()
        {
            let other = follows.span().span_context().clone();
            context.span().add_link(other, Vec::new());
        }
    }

    fn on_event(&self, event: &Event<'_>, subscriber: layer::Context<'_, S>) {
        if event.is_root() || Context::is_current_telemetry_suppressed() {
            return;
        }
        let context = match event.parent() {
            Some(parent) => self.context_of(parent, &subscriber),
            None => Some(Context::current()),
        };
        let Some(context) = context.filter(|context| context.span().is_recording()) else {
            return;
        };
        let mut fields = EventFields::default();
        event.record(&mut fields);
        add_event(&context, event.metadata(), fields);
    }

    fn on_enter(&self, id: &Id, subscriber: layer::Context<'_, S>) {
        if let Some(traced) = traced(id, &subscriber)
            && let Some(context) = traced.begin(self)
        {
            entered(id, context.clone().attach());
        }
    }

    fn on_exit(&self, id: &Id, _: layer::Context<'_, S>) {
        exited(id);
    }

    fn on_close(&self, id: Id, subscriber: layer::Context<'_, S>) {
        if let Some(traced) = traced(&id, &subscriber)
            && let Some(context) = traced.begin(self)
        {
            context.span().end();
        }
    }
}

impl TracingLayer {
    /// The context with a span as the current one; that around it where it is not recorded.
    fn context_of<S>(&self, id: &Id, subscriber: &layer::Context<'_, S>) -> Option<Context>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let traced = traced(id, subscriber)?;
        Some(traced.begin(self).unwrap_or(&traced.parent).clone())
    }
}

/// What the layer knows of a span. No lock is held afterwards: beginning a span may log.
fn traced<S>(id: &Id, subscriber: &layer::Context<'_, S>) -> Option<Arc<Traced>>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let span = subscriber.span(id)?;
    let extensions = span.extensions();
    extensions.get::<Arc<Traced>>().cloned()
}

/// Where a span or an event comes from.
fn origin(metadata: &'static Metadata<'static>) -> [KeyValue; 2] {
    [
        KeyValue::new("level", metadata.level().as_str()),
        KeyValue::new("target", metadata.target()),
    ]
}

fn add_event(context: &Context, metadata: &'static Metadata<'static>, fields: EventFields) {
    let span = context.span();
    let EventFields {
        message,
        error,
        attributes: own,
    } = fields;
    let mut attributes = Vec::from(origin(metadata));
    attributes.extend(own);
    if *metadata.level() == Level::ERROR || error.is_some() {
        let what = error.as_ref().or(message.as_ref());
        span.set_status(Status::error(what.cloned().unwrap_or_default()));
    }
    let name = match (message, error) {
        (Some(message), Some(error)) => {
            attributes.push(KeyValue::new("exception.message", error));
            message
        }
        (None, Some(error)) => {
            attributes.push(KeyValue::new("exception.message", error));
            "exception".to_owned()
        }
        (Some(message), None) => message,
        (None, None) => metadata.name().to_owned(),
    };
    span.add_event(name, attributes);
}

thread_local! {
    /// The spans this thread is in, the innermost last. A guard that is left when the thread
    /// ends is forgotten: the stack it would leave may be gone by then.
    static ENTERED: RefCell<Vec<(Id, ManuallyDrop<ContextGuard>)>> = const { RefCell::new(Vec::new()) };
}

fn entered(id: &Id, guard: ContextGuard) {
    let guard = ManuallyDrop::new(guard);
    let _ = ENTERED.try_with(|entered| entered.borrow_mut().push((id.clone(), guard)));
}

fn exited(id: &Id) {
    let guard = ENTERED.try_with(|entered| {
        let mut entered = entered.borrow_mut();
        let at = entered.iter().rposition(|(other, _)| other == id)?;
        Some(entered.remove(at).1)
    });
    // Dropped here: a context that goes may end spans, and what that logs comes back here.
    if let Ok(Some(guard)) = guard {
        drop(ManuallyDrop::into_inner(guard));
    }
}
