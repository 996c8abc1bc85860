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

#[cfg(feature = "query")]
pub(crate) use {
    annotations::ADD as ADD_ANNOTATIONS,
    traces::{GET_SPANS, check_span_id, check_trace_id},
};

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use serde::Serialize;
use tracing::field::Empty;
use tracing::{Instrument, Span};
use url::Url;
use wasmtime::Store;

use crate::contract::{
    Attribute, BackendLimits, Capability, Error, ExportOptions, Health, ProviderError,
    ProviderInfo, SpanExport,
};
use cache::{Answers, Topic, Writing};
use turns::Turns;

use crate::plugin::{Class, Connection, ConnectionSpec, Guests, Host, State, error_name};

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

    /// The headers to present at `endpoint` when spans are sent there; `named` is what the
    /// operator named for spans.
    pub(crate) async fn export_credentials(
        &self,
        endpoint: &Url,
        named: Option<&Url>,
    ) -> Result<HeaderMap, ProviderError> {
        self.connection
            .credentials_for(endpoint, named)
            .await
            .map_err(|kind| self.error("configure-span-export", kind))
    }

    /// [`call`](Self::call) for what only reads of a project. The same `question` has the
    /// same answer for a while, or until something is written.
    async fn read<T>(
        &self,
        operation: &'static str,
        project: &str,
        question: impl Debug,
        call: impl AsyncFnOnce(&mut Store<State>, &Guests) -> wasmtime::Result<Result<T, Error>>,
    ) -> Result<T, ProviderError>
    where
        T: Clone + Serialize + Send + Sync + 'static,
    {
        self.keep(operation, project, question, self.ask(operation, call))
            .await
    }

    /// The answer to `question` that is kept, or else the one that `ask` brings.
    async fn keep<T>(
        &self,
        operation: &'static str,
        project: &str,
        question: impl Debug,
        ask: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, ProviderError>
    where
        T: Clone + Serialize + Send + Sync + 'static,
    {
        // A call is a large future, and the cache nests it several times.
        let ask = Box::pin(ask);
        let outcome = match self.answers.as_ref().filter(|_| !self.uncached) {
            None => ask.await,
            Some(answers) => match self.connection.generation() {
                Err(kind) => Err(kind),
                Ok(generation) => {
                    let delay = generation.component.info.limits.visibility_delay_ms;
                    let topic = Topic {
                        generation: generation.number,
                        project,
                        operation,
                        visibility_delay: Duration::from_millis(delay.into()),
                    };
                    answers.get(topic, question, ask).await
                }
            },
        };
        outcome.map_err(|kind| self.error(operation, kind))
    }

    /// [`call`](Self::call) for what changes something in a project.
    async fn write<T>(
        &self,
        operation: &'static str,
        project: &str,
        call: impl AsyncFnOnce(&mut Store<State>, &Guests) -> wasmtime::Result<Result<T, Error>>,
    ) -> Result<T, ProviderError> {
        let writing = self.writing(project);
        let outcome = self.ask_as(Class::Write, operation, call).await;
        let given_up = matches!(
            outcome,
            Err(Error::Timeout(_) | Error::Unavailable(_) | Error::Internal(_))
        );
        if let (Some(writing), false) = (writing, given_up) {
            writing.done();
        }
        outcome.map_err(|kind| self.error(operation, kind))
    }

    /// Drop what was answered about a project: something was written to it some other way.
    pub(crate) fn written(&self, project: &str) {
        if let Some(writing) = self.writing(project) {
            writing.done();
        }
    }

    /// Drop what was answered about a project when the guard goes.
    fn writing(&self, project: &str) -> Option<Writing> {
        let answers = self.answers.as_ref()?;
        Some(answers.writing(project))
    }

    /// Run one call on an instance of the generation that serves now.
    async fn call<T>(
        &self,
        operation: &'static str,
        call: impl AsyncFnOnce(&mut Store<State>, &Guests) -> wasmtime::Result<Result<T, Error>>,
    ) -> Result<T, ProviderError> {
        let answer = self.ask(operation, call).await;
        answer.map_err(|kind| self.error(operation, kind))
    }

    /// [`call`](Self::call) with the bare error.
    async fn ask<T>(
        &self,
        operation: &'static str,
        call: impl AsyncFnOnce(&mut Store<State>, &Guests) -> wasmtime::Result<Result<T, Error>>,
    ) -> Result<T, Error> {
        self.ask_as(Class::Read, operation, call).await
    }

    /// [`ask`](Self::ask) for a call of any class.
    async fn ask_as<T>(
        &self,
        class: Class,
        operation: &'static str,
        call: impl AsyncFnOnce(&mut Store<State>, &Guests) -> wasmtime::Result<Result<T, Error>>,
    ) -> Result<T, Error> {
        let span = tracing::debug_span!(
            "provider call",
            provider = self.name(),
            connection = self.connection_name(),
            generation = Empty,
            operation,
            error.type = Empty,
        );
        // What is in a box does not make the futures of callers larger and deeper.
        let asking = async {
            let lease = Box::pin(self.connection.lease(operation, class)).await?;
            Span::current().record("generation", lease.generation());
            Box::pin(lease.run(call)).await
        };
        let outcome = asking.instrument(span.clone()).await;
        if let Err(error) = &outcome {
            span.record("error.type", error_name(error));
        }
        outcome
    }

    /// Refuse a project that is not in this handle's scope.
    pub(crate) fn admit(
        &self,
        operation: &'static str,
        project: &str,
    ) -> Result<(), ProviderError> {
        self.scope
            .admit(project)
            .map_err(|kind| self.error(operation, kind))
    }

    /// The backend's limits.
    fn limits(&self, operation: &'static str) -> Result<BackendLimits, ProviderError> {
        let generation = self.connection.generation();
        generation
            .map(|generation| generation.component.info.limits)
            .map_err(|kind| self.error(operation, kind))
    }

    /// The items in as many parts as the backend's limits ask for.
    fn batches<'t, T>(
        &self,
        operation: &'static str,
        items: &'t [T],
    ) -> Result<std::slice::Chunks<'t, T>, ProviderError> {
        let most = self.limits(operation)?.max_batch_items;
        Ok(items.chunks(usize::try_from(most).unwrap_or(usize::MAX).max(1)))
    }

    pub(crate) fn error(&self, operation: &'static str, kind: Error) -> ProviderError {
        let provider = Arc::from(self.name());
        ProviderError::new(provider, self.scope.label(), operation, kind)
    }

    pub(crate) fn invalid(&self, operation: &'static str, why: impl Into<String>) -> ProviderError {
        self.error(operation, Error::InvalidArgument(why.into()))
    }

    /// An answer that grew beyond what is collected.
    pub(crate) fn too_many(&self, operation: &'static str, what: &str) -> ProviderError {
        self.invalid(
            operation,
            format!("there are more than {MAX_ITEMS} {what}; ask for a smaller part"),
        )
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
