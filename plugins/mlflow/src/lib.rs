//! The Roost provider for [MLflow](https://mlflow.org) 3.17 and newer.
//!
//! One file an interface of the contract. Beneath them `mlflow` speaks to the server, `search`
//! finds traces, `span` decodes them, and `filter` says which predicates MLflow may apply.
//!
//! A project is an MLflow experiment, found by its name in each call: it may have been deleted
//! and made anew meanwhile. An experiment of the contract is a run of MLflow, and its runs are
//! runs below that.
//!
//! MLflow finds traces, not spans. `listing` makes pages of spans of that, in an order that does
//! not move while others write.

mod annotations;
mod any_value;
mod bindings;
mod datasets;
mod experiments;
mod filter;
mod listing;
mod mlflow;
mod projects;
mod provider;
mod search;
mod sessions;
mod span;
mod traces;

use roost_provider::Error;

/// What exports the interfaces.
struct Provider;

/// What every call answers.
type Result<T, E = Error> = std::result::Result<T, E>;
