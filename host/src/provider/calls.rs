//! How stores ask: each call goes to an instance of the generation that serves at that moment,
//! answers are kept where they may be, and errors name provider, tenant and operation.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tracing::field::Empty;
use tracing::{Instrument, Span};
use wasmtime::Store;

use super::cache::{Topic, Writing};
use super::{MAX_ITEMS, Provider};
use crate::contract::{BackendLimits, Error, ProviderError};
use crate::plugin::{Class, Guests, State, error_name};

impl Provider {
    /// [`call`](Self::call) for what only reads of a project. The same `question` has the
    /// same answer for a while, or until something is written.
    pub(super) async fn read<T>(
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
    pub(super) async fn keep<T>(
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
    pub(super) async fn write<T>(
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
    pub(super) fn writing(&self, project: &str) -> Option<Writing> {
        let answers = self.answers.as_ref()?;
        Some(answers.writing(project))
    }

    /// Run one call on an instance of the generation that serves now.
    pub(super) async fn call<T>(
        &self,
        operation: &'static str,
        call: impl AsyncFnOnce(&mut Store<State>, &Guests) -> wasmtime::Result<Result<T, Error>>,
    ) -> Result<T, ProviderError> {
        let answer = self.ask(operation, call).await;
        answer.map_err(|kind| self.error(operation, kind))
    }

    /// [`call`](Self::call) with the bare error.
    pub(super) async fn ask<T>(
        &self,
        operation: &'static str,
        call: impl AsyncFnOnce(&mut Store<State>, &Guests) -> wasmtime::Result<Result<T, Error>>,
    ) -> Result<T, Error> {
        self.ask_as(Class::Read, operation, call).await
    }

    /// [`ask`](Self::ask) for a call of any class.
    pub(super) async fn ask_as<T>(
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
    pub(super) fn limits(&self, operation: &'static str) -> Result<BackendLimits, ProviderError> {
        let generation = self.connection.generation();
        generation
            .map(|generation| generation.component.info.limits)
            .map_err(|kind| self.error(operation, kind))
    }

    /// The items in as many parts as the backend's limits ask for.
    pub(super) fn batches<'t, T>(
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
