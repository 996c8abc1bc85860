//! What a rule is, and what comes of trying one.

use std::fmt;

use futures_util::future::BoxFuture;

use super::trial::Trial;
use crate::contract::{Capability, Error, ProviderError};

/// Something the contract says that can be tried from outside.
pub struct Rule {
    /// Its name, which stays: the subject, a dot, and what it is about: `traces.order`.
    pub id: &'static str,
    /// What a provider does that keeps it.
    pub title: &'static str,
    /// The sentence of `wit/` that asks for it.
    pub contract: &'static str,
    /// The interfaces it needs besides `telemetry-provider`.
    pub needs: &'static [Capability],
    /// Whether it reads the spans that are written before the first rule.
    pub(super) reads_spans: bool,
    pub(super) run: Run,
}

/// Tries a rule.
pub(super) type Run = for<'a> fn(&'a Trial<'a>) -> BoxFuture<'a, Outcome>;

/// What comes of it.
pub(super) type Outcome<T = ()> = Result<T, Finding>;

/// Why a rule is not passed.
#[derive(Debug)]
pub(super) enum Finding {
    /// The provider breaks it: what it did.
    Wrong(String),
    /// It says nothing about this provider: why.
    Skipped(String),
}

impl Rule {
    /// The part of the id before the dot.
    #[must_use]
    pub fn subject(&self) -> &'static str {
        self.id
            .split_once('.')
            .map_or(self.id, |(subject, _)| subject)
    }

    /// Whether `name` is its id or its subject.
    #[must_use]
    pub fn is_named(&self, name: &str) -> bool {
        self.id == name || self.subject() == name
    }
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rule")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// An answer that a rule did not expect. What a backend does not have is nobody's mistake.
impl From<Error> for Finding {
    fn from(error: Error) -> Self {
        match error {
            Error::Unsupported(what) => Self::Skipped(format!("unsupported: {what}")),
            error => Self::Wrong(format!("an error where there should be none: {error:?}")),
        }
    }
}

impl From<ProviderError> for Finding {
    fn from(error: ProviderError) -> Self {
        error.into_kind().into()
    }
}
