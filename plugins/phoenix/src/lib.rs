//! The Roost provider for [Arize Phoenix](https://github.com/Arize-ai/phoenix) 20 and newer.
//!
//! One file an interface of the contract. Beneath them `phoenix` speaks to the server, and
//! `session_id` keeps the sessions of two projects apart, as the names of `datasets` do theirs.
//! Spans come in two ways: `listing`
//! reads them over REST, with `span` to decode them and `pushdown` to say which predicates
//! Phoenix may apply; `slices` reads few columns of many over the query endpoint, where `dsl`
//! asks, `condition` filters, `path` finds attributes and `arrow` decodes.
//!
//! Phoenix has two APIs, and neither is enough. REST is documented and fast for spans; GraphQL
//! finds a project whatever its name holds, orders sessions by time, deletes single
//! annotations, and pages through the records of a dataset. REST is used wherever it suffices.
//!
//! Nothing is kept between calls, above all no id: on SQLite the ids of deleted projects come
//! to mean other projects.

mod analytics;
mod annotation_id;
mod annotations;
mod arrow;
mod bindings;
mod condition;
mod datasets;
mod dsl;
mod experiments;
mod global_id;
mod listing;
mod lookup;
mod metadata;
mod path;
mod phoenix;
mod projects;
mod provider;
mod pushdown;
mod session_id;
mod sessions;
mod slices;
mod span;
mod traces;

use roost_provider::Error;

/// What exports the interfaces.
struct Provider;

/// What every call answers.
type Result<T, E = Error> = std::result::Result<T, E>;
