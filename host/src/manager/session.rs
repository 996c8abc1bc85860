//! Sessions: conversations of several traces.

use std::sync::Arc;

use opentelemetry::Context;
use opentelemetry::trace::FutureExt as _;

/// A session around some work: every span of its tenant made inside belongs to it.
#[must_use = "a session holds for the work it is given"]
pub struct SessionScope {
    session: ActiveSession,
}

/// The session in an OpenTelemetry context.
#[derive(Clone)]
pub(super) struct ActiveSession {
    tenant: String,
    id: Arc<str>,
}

impl ActiveSession {
    /// The session of a tenant's spans in this context.
    pub(super) fn of(context: &Context, tenant: &str) -> Option<Arc<str>> {
        let session = context.get::<Self>()?;
        (session.tenant == tenant).then(|| Arc::clone(&session.id))
    }
}

impl SessionScope {
    pub(super) fn new(tenant: &str, session_id: impl Into<Arc<str>>) -> Self {
        Self {
            session: ActiveSession {
                tenant: tenant.to_owned(),
                id: session_id.into(),
            },
        }
    }

    /// Run `work` in the session.
    pub fn in_scope<T>(self, work: impl FnOnce() -> T) -> T {
        let _entered = Context::current_with_value(self.session).attach();
        work()
    }

    /// Await `work` in the session.
    pub async fn instrument<T>(self, work: impl Future<Output = T>) -> T {
        let context = Context::current_with_value(self.session);
        work.with_context(context).await
    }
}
