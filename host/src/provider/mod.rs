//! The stores of a provider, typed: what a tenant can ask of its backend.
//!
//! A [`Provider`] is a handle to a connection on behalf of one tenant. It is cheap to
//! clone and to keep: every call goes to whatever generation of the provider serves at
//! that moment. The host adds what the contract promises to providers and callers alike:
//! arguments are checked, pages are fetched until the answer is whole, filters are
//! exact, long lists are cut to what the backend takes.

mod analytics;
mod annotations;
mod cache;
mod calls;
mod comparison;
mod datasets;
mod experiments;
mod new_record;
mod new_run;
mod order;
mod pages;
mod paging;
mod predicate;
mod projects;
mod query;
mod record_pages;
mod run_pages;
mod scope;
mod sessions;
mod sink;
mod statistics;
mod traces;
mod turns;
mod window;

pub use analytics::{AnalyticsStore, TraceStatistics};
pub use annotations::AnnotationStore;
pub use cache::{ReadCache, ReadCacheStats};
pub use comparison::{Compared, ComparedValue, Comparison, Measured};
pub use datasets::DatasetStore;
pub use experiments::ExperimentStore;
pub use pages::SpanPages;
pub use projects::ProjectStore;
pub use query::{SpanFilter, SpanQuery};
pub use record_pages::RecordPages;
pub use run_pages::RunPages;
pub use scope::Scope;
pub use sessions::SessionStore;
pub use traces::TraceStore;

pub(crate) use new_record::content as record_content;
#[cfg(feature = "query")]
pub(crate) use {
    annotations::ADD as ADD_ANNOTATIONS,
    traces::{GET_SPANS, check_span_id, check_trace_id},
};

use std::collections::BTreeSet;

use url::Url;

use cache::Answers;
use turns::Turns;

#[cfg(doc)]
use crate::contract::Error;
use crate::contract::{
    Attribute, Capability, ExportOptions, Health, ProviderError, ProviderInfo, SpanExport,
};
use crate::plugin::{Class, Connection, ConnectionSpec, Host, SpanAccess};

/// The most items that an operation collects from a backend's pages. What is larger is
/// read in smaller windows.
pub(crate) const MAX_ITEMS: usize = 100_000;

/// A backend, as one tenant sees it.
#[derive(Clone)]
pub struct Provider {
    connection: Connection,
    scope: Scope,
    /// Where answers are kept, if they are.
    answers: Option<Answers>,
    /// Whether this handle asks the backend itself.
    uncached: bool,
    /// Who writes to which experiment.
    turns: Turns,
}

impl Provider {
    /// A provider of `host` under the configuration `spec`, for what is in `scope`. The
    /// provider need not be loaded yet.
    #[must_use]
    pub fn connect(host: &Host, spec: ConnectionSpec, scope: Scope) -> Self {
        Self {
            connection: host.connect(spec),
            scope,
            answers: None,
            uncached: false,
            turns: Turns::default(),
        }
    }

    /// The same connection, with its answers kept in `cache`. What is asked for through clones
    /// of this handle, of whatever scope, is answered once.
    #[must_use]
    pub fn with_cache(self, cache: &ReadCache) -> Self {
        Self {
            answers: Some(cache.space()),
            ..self
        }
    }

    /// The same connection, asking the backend each time. What is written through this handle
    /// is seen by the others at once.
    #[must_use]
    pub fn uncached(&self) -> Self {
        Self {
            uncached: true,
            ..self.clone()
        }
    }

    /// The same connection for another scope.
    #[must_use]
    pub fn scoped(&self, scope: Scope) -> Self {
        Self {
            scope,
            ..self.clone()
        }
    }

    /// The provider's name, such as `phoenix`.
    #[must_use]
    #[expect(
        clippy::misnamed_getters,
        reason = "the other name is the connection's"
    )]
    pub fn name(&self) -> &str {
        &self.connection.spec().provider
    }

    /// The name of the connection in `roost.toml`.
    #[must_use]
    pub fn connection_name(&self) -> &str {
        &self.connection.spec().name
    }

    /// What is beneath, for those who call the provider as it is.
    #[cfg(feature = "check")]
    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Whose data this handle reaches.
    #[must_use]
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Spans and traces.
    #[must_use]
    pub fn traces(&self) -> TraceStore<'_> {
        TraceStore::new(self)
    }

    /// Annotations.
    #[must_use]
    pub fn annotations(&self) -> AnnotationStore<'_> {
        AnnotationStore::new(self)
    }

    /// Numbers over many spans.
    #[must_use]
    pub fn analytics(&self) -> AnalyticsStore<'_> {
        AnalyticsStore::new(self)
    }

    /// Datasets.
    #[must_use]
    pub fn datasets(&self) -> DatasetStore<'_> {
        DatasetStore::new(self)
    }

    /// Experiments.
    #[must_use]
    pub fn experiments(&self) -> ExperimentStore<'_> {
        ExperimentStore::new(self)
    }

    /// Projects.
    #[must_use]
    pub fn projects(&self) -> ProjectStore<'_> {
        ProjectStore::new(self)
    }

    /// Sessions.
    #[must_use]
    pub fn sessions(&self) -> SessionStore<'_> {
        SessionStore::new(self)
    }

    /// What the provider says of itself.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] when the provider is not loaded.
    pub fn describe(&self) -> Result<ProviderInfo, ProviderError> {
        let generation = self.connection.generation();
        generation
            .map(|generation| generation.component.info.clone())
            .map_err(|kind| self.error("describe", kind))
    }

    /// What the provider can do.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] when the provider is not loaded.
    pub fn capabilities(&self) -> Result<BTreeSet<Capability>, ProviderError> {
        let generation = self.connection.generation();
        generation
            .map(|generation| generation.component.capabilities.clone())
            .map_err(|kind| self.error("describe", kind))
    }

    /// Ask the backend how it is. A credential that it does not accept is an answer.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] or [`Error::Timeout`] when it cannot be reached.
    pub async fn check_health(&self) -> Result<Health, ProviderError> {
        const OPERATION: &str = "check-health";
        let health = self.ask_as(Class::Health, OPERATION, async |store, guests| {
            guests.provider.call_check_health(store).await
        });
        health.await.map_err(|kind| self.error(OPERATION, kind))
    }

    /// Where a person opens a trace, if the backend has pages for that.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] for a project that does not exist, where that matters.
    pub async fn trace_url(
        &self,
        project: &str,
        trace_id: &str,
    ) -> Result<Option<String>, ProviderError> {
        const OPERATION: &str = "trace-url";
        self.admit(OPERATION, project)?;
        self.call(OPERATION, async |store, guests| {
            guests
                .provider
                .call_trace_url(store, project, trace_id)
                .await
        })
        .await
    }

    /// Where the spans of a project go.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidArgument`] for an endpoint the backend cannot have.
    pub async fn configure_span_export(
        &self,
        project: &str,
        options: &ExportOptions,
    ) -> Result<SpanExport, ProviderError> {
        const OPERATION: &str = "configure-span-export";
        self.admit(OPERATION, project)?;
        self.call(OPERATION, async |store, guests| {
            guests
                .provider
                .call_configure_span_export(store, project, options)
                .await
        })
        .await
    }

    /// What a span must carry to belong to a session.
    ///
    /// # Errors
    ///
    /// [`Error::Unsupported`] where the backend has no sessions.
    pub async fn session_attributes(
        &self,
        project: &str,
        session_id: &str,
    ) -> Result<Vec<Attribute>, ProviderError> {
        const OPERATION: &str = "session-attributes";
        self.admit(OPERATION, project)?;
        self.call(OPERATION, async |store, guests| {
            guests
                .provider
                .call_session_attributes(store, project, session_id)
                .await
        })
        .await
    }

    /// What sending spans to `endpoint` takes; `named` is what the operator named for spans.
    pub(crate) async fn span_access(
        &self,
        endpoint: &Url,
        named: Option<&Url>,
    ) -> Result<SpanAccess, ProviderError> {
        self.connection
            .span_access(endpoint, named)
            .await
            .map_err(|kind| self.error("configure-span-export", kind))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::{NewAnnotation, SpanRef, TimeWindow};

    /// Callers spawn these futures.
    #[allow(dead_code, reason = "it need only compile")]
    fn every_operation_can_be_spawned(provider: &Provider, span: &SpanRef, note: NewAnnotation) {
        fn spawnable(_: impl Future + Send) {}
        let query = SpanQuery::new("p", TimeWindow::all());
        spawnable(provider.check_health());
        spawnable(provider.traces().get_spans(&query));
        spawnable(async {
            let mut pages = provider.traces().pages(&query)?;
            pages.next().await
        });
        spawnable(provider.traces().get_span("p", span));
        spawnable(provider.annotations().add_annotation("p", note));
        spawnable(
            provider
                .analytics()
                .get_trace_statistics("p", TimeWindow::all()),
        );
        spawnable(provider.projects().list_projects());
        spawnable(provider.sessions().get_session_traces("p", "s"));
    }
}
