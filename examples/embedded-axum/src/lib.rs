//! A small service that embeds Roost, to copy from.
//!
//! Each request is of a tenant, and maybe of a session, and is traced as such
//! ([`caller`]). The handlers say what they do in spans of their own, which nest by
//! themselves across every `await` ([`search`]). The service reads its spans back and lets
//! users judge them ([`telemetry`]).
//!
//! | route | does |
//! |---|---|
//! | `POST /search` | answers a question: embed, retrieve, answer |
//! | `GET /spans?limit=20` | the tenant's latest spans |
//! | `POST /feedback/{span_id}` | what a user thinks of an answer |
//! | `GET /stats` | what became of all spans |
//!
//! Telemetry is never a reason not to answer: without a backend, `/search` works all the
//! same.

pub mod caller;
pub mod error;
pub mod search;
pub mod telemetry;

use axum::routing::{get, post};
use axum::{Router, middleware};
use roost::TelemetryManager;

/// The service's routes. The requests that do its work are traced; those that look at the
/// traces are not, or they would see mostly themselves.
pub fn router(telemetry: TelemetryManager) -> Router {
    let traced = middleware::from_fn_with_state(telemetry.clone(), caller::trace);
    Router::new()
        .route("/search", post(search::search))
        .route_layer(traced)
        .route("/spans", get(telemetry::spans))
        .route("/feedback/{span_id}", post(telemetry::feedback))
        .route("/stats", get(telemetry::stats))
        .with_state(telemetry)
}
