//! The Roost provider without a backend: everything is in the database that the host keeps
//! for the connection, SQLite or PostgreSQL.
//!
//! It is the shortest complete provider there is, and written to be read: one file an
//! interface of the contract, each a few statements. `schema` has the tables and says why they
//! are as they are; `database` opens them; `condition` turns predicates into SQL, and
//! `content` is what of a span is kept as JSON. Statements are the same for both databases
//! except for what reads JSON, which is in `condition` too.
//!
//! Nothing is kept in an instance but its way into the database and its configuration.

mod analytics;
mod annotations;
mod bindings;
mod condition;
mod content;
mod cursor;
mod database;
mod datasets;
mod experiments;
mod percentiles;
mod projects;
mod provider;
mod retention;
mod runs;
mod schema;
mod sessions;
mod sink;
mod span;
mod traces;

use roost_provider::Error;

/// What exports the interfaces.
struct Provider;

/// What every call answers.
type Result<T, E = Error> = std::result::Result<T, E>;
