//! The Roost provider for [Langfuse](https://langfuse.com), written from its published API.
//!
//! One file an interface of the contract. Beneath them `langfuse` speaks to the server,
//! `observations` lists what it calls observations, `span` makes spans of them, and `filter` says
//! which predicates Langfuse applies.
//!
//! A key of Langfuse is one project of Langfuse, and there is no smaller unit that a request could
//! name. So what belongs to a project of Roost bears its name: spans in their metadata, scores
//! likewise, sessions and datasets in theirs (`mark`, `session_id`, `datasets::name`).

mod annotations;
mod bindings;
mod datasets;
mod filter;
mod langfuse;
mod mark;
mod metadata;
mod observations;
mod percent;
mod projects;
mod provider;
mod session_id;
mod sessions;
mod span;
mod traces;

use roost_provider::Error;

/// What exports the interfaces.
struct Provider;

/// What every call answers.
type Result<T, E = Error> = std::result::Result<T, E>;
