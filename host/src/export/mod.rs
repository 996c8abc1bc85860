//! How spans leave the process.
//!
//! One pipeline a process, whatever the number of tenants: a span encodes itself while it is
//! built ([`RecordingSpan`]), waits in one bounded queue, and leaves in a request that carries
//! the spans of every project that shares its endpoint and credential. A queue, thread or client
//! a tenant costs a megabyte and a connection each, and a tenant that is forgotten by a cache
//! would have to be waited for.
//!
//! ```text
//! RecordingSpan -> Queue -> Worker -> Delivery -> Client -> gRPC or HTTP
//! EncodedSpans  ->   (the export thread)  |   \\-> SpanSink -> a provider
//!  (any thread)         ^                 v
//!                     Replay <----------- Spool (a thread and a folder)
//! ```
//!
//! Nothing is lost in silence: `created = delivered + queued + spooled + dropped`, for each
//! [`Project`] and for all, with a reason for each drop. Nothing waits for ever: every attempt,
//! retry, flush and shutdown has a deadline, and what is in memory has a bound. No tenant takes
//! the room or the turns of the others. What is spooled survives the process.

mod account;
pub(crate) mod answer;
mod backoff;
mod bodies;
mod client;
mod decode;
mod delivery;
mod destination;
mod drop_log;
mod encode;
mod flush;
mod grpc;
mod http;
mod ingest;
mod lane;
mod ledger;
mod names;
mod origin;
mod outcome;
mod packed;
mod parcel;
mod pipeline;
mod project;
mod queue;
mod replay;
mod request;
mod route;
mod sink;
mod span;
mod spool;
mod ticket;
mod worker;

pub(crate) use decode::{encode_resource, encode_span};

pub use account::{DropReason, Dropped, SpanStats};
pub use destination::{
    Destination, DestinationResolver, OtlpDestination, Protocol, RequestLimits, ResolveError,
    Routing,
};
pub(crate) use encode::spare_attributes;
pub use flush::{FlushReport, TenantFlush};
pub use ingest::{EncodedSpans, IngestError, Receipt, Settlement};
pub use ledger::ProjectStats;
pub(crate) use names::Names;
pub use origin::{Origin, SchemaUrls};
pub use packed::PackedSpans;
pub use pipeline::{Pipeline, StartError};
pub(crate) use project::House;
pub use project::Project;
pub use sink::SpanSink;
pub use span::{EndedSpan, RecordingSpan};
pub use spool::SpoolError;
#[cfg(fuzzing)]
pub(crate) use {decode::fuzz_span, spool::fuzz_spool};
