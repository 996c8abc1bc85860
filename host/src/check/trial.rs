//! One rule being tried: what it calls is written down.

use std::ops::Deref;
use std::sync::{Mutex, PoisonError};

use serde::Serialize;
use wasmtime::Store;

use super::report::Call;
use super::subject::Subject;
use crate::contract::{Capability, Error, PageRequest};
use crate::plugin::{Class, Connection, Guests, State};

/// The most characters of an argument or answer in a report.
const SHOWN: usize = 2_000;

/// A rule being tried on a provider.
pub(super) struct Trial<'a> {
    subject: &'a Subject,
    calls: Mutex<Vec<Call>>,
}

impl Deref for Trial<'_> {
    type Target = Subject;

    fn deref(&self) -> &Subject {
        self.subject
    }
}

impl<'a> Trial<'a> {
    pub(super) fn new(subject: &'a Subject) -> Self {
        Self {
            subject,
            calls: Mutex::default(),
        }
    }

    pub(super) fn into_calls(self) -> Vec<Call> {
        self.calls
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether projects are there apart from what is in them.
    pub(super) async fn keeps_projects(&self) -> bool {
        let page = PageRequest {
            limit: 1,
            cursor: None,
        };
        let cannot_list = self.has(Capability::ProjectStore)
            && matches!(self.list_projects(&page).await, Err(Error::Unsupported(_)));
        !cannot_list
    }

    /// Call the provider as it is.
    pub(super) async fn call<T: Serialize>(
        &self,
        operation: &'static str,
        class: Class,
        arguments: impl Serialize,
        call: impl AsyncFnOnce(&mut Store<State>, &Guests) -> wasmtime::Result<Result<T, Error>>,
    ) -> Result<T, Error> {
        let connection = self.subject.connection();
        self.call_over(connection, operation, class, arguments, call)
            .await
    }

    /// [`call`](Self::call) over a connection of the rule's own.
    pub(super) async fn call_over<T: Serialize>(
        &self,
        connection: &Connection,
        operation: &'static str,
        class: Class,
        arguments: impl Serialize,
        call: impl AsyncFnOnce(&mut Store<State>, &Guests) -> wasmtime::Result<Result<T, Error>>,
    ) -> Result<T, Error> {
        let arguments = shown(&arguments);
        let answer = match Box::pin(connection.lease(operation, class)).await {
            Ok(lease) => Box::pin(lease.run(call)).await,
            Err(error) => Err(error),
        };
        let call = Call {
            operation,
            arguments,
            answer: shown(&answer),
        };
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        calls.push(call);
        drop(calls);
        answer
    }
}

/// A value as JSON, cut where it is long.
fn shown(value: &impl Serialize) -> String {
    let mut text = serde_json::to_string(value).unwrap_or_else(|error| error.to_string());
    if let Some((place, _)) = text.char_indices().nth(SHOWN) {
        text.truncate(place);
        text.push('…');
    }
    text
}
