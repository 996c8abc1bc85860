//! OTLP requests, told apart: by path, so that either protocol is welcome at either port.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;

use super::answer::Answer;
use super::gate::Gate;
use super::{grpc, http as otlp_http};

/// The body of an answer.
pub(super) type AnswerBody = UnsyncBoxBody<Bytes, Infallible>;

/// Answers a request.
pub(super) async fn answer(gate: Arc<Gate>, request: Request<Incoming>) -> Response<AnswerBody> {
    let since = Instant::now();
    let in_flight = InFlight::begin(&gate);
    let (protocol, (response, answer)) = if grpc::is_grpc(&request) {
        ("grpc", grpc::answer(&gate, request).await)
    } else {
        ("http", otlp_http::answer(&gate, request).await)
    };
    drop(in_flight);
    let status = match &answer {
        Answer::Taken(refused) if refused.spans > 0 => "partial",
        Answer::Taken(_) => "ok",
        Answer::Refused(refusal) => {
            tracing::debug!(protocol, refusal = ?refusal.kind, "{}", refusal.message);
            refusal.kind.label()
        }
    };
    gate.metrics.request(protocol, status, since.elapsed());
    response
}

/// Counts a request for as long as it lives, also where its sender hangs up.
struct InFlight(Arc<Gate>);

impl InFlight {
    fn begin(gate: &Arc<Gate>) -> Self {
        gate.metrics.in_flight.inc();
        Self(Arc::clone(gate))
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.metrics.in_flight.dec();
    }
}
