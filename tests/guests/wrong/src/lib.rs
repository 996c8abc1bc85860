//! The provider `local` with another door: it keeps every rule of `roost check` but the one that
//! its configuration names, `wrong = "traces.window"`. What is below `wrong` hands each call on to
//! `local` and spoils what goes in or comes out. For a rule that is not there it is `local`, so a
//! rule without a variant shows as one that finds nothing.
//!
//! The modules of `plugins/local` are compiled in under the names they know each other by: a
//! component has one door, so they cannot be a library with theirs.

mod bindings;
mod wrong;

#[path = "../../../../plugins/local/src/analytics.rs"]
mod analytics;
#[path = "../../../../plugins/local/src/annotations.rs"]
mod annotations;
#[path = "../../../../plugins/local/src/condition.rs"]
mod condition;
#[path = "../../../../plugins/local/src/content.rs"]
mod content;
#[path = "../../../../plugins/local/src/cursor.rs"]
mod cursor;
#[path = "../../../../plugins/local/src/database.rs"]
mod database;
#[path = "../../../../plugins/local/src/datasets.rs"]
mod datasets;
#[path = "../../../../plugins/local/src/experiments.rs"]
mod experiments;
#[path = "../../../../plugins/local/src/percentiles.rs"]
mod percentiles;
#[path = "../../../../plugins/local/src/projects.rs"]
mod projects;
#[path = "../../../../plugins/local/src/provider.rs"]
mod provider;
#[path = "../../../../plugins/local/src/retention.rs"]
mod retention;
#[path = "../../../../plugins/local/src/runs.rs"]
mod runs;
#[path = "../../../../plugins/local/src/schema.rs"]
mod schema;
#[path = "../../../../plugins/local/src/sessions.rs"]
mod sessions;
#[path = "../../../../plugins/local/src/sink.rs"]
mod sink;
#[path = "../../../../plugins/local/src/span.rs"]
mod span;
#[path = "../../../../plugins/local/src/traces.rs"]
mod traces;

use roost_provider::Error;

/// What `local` exports the interfaces with, and here only answers.
struct Provider;

/// What exports them here.
struct Wrong;

/// What every call answers.
type Result<T, E = Error> = std::result::Result<T, E>;
