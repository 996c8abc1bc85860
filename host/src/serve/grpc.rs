//! OTLP over gRPC: the one method `TraceService/Export`.
//!
//! A message is read as the bytes it is, under the same limits as a body of OTLP over HTTP; what
//! gRPC adds to a body are five bytes before the message and a status behind it.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;
use tonic::Status;

use super::answer::{Answer, Refusal, RefusalKind, response};
use super::body::{self, Compression};
use super::gate::Gate;
use super::otlp::AnswerBody;
use super::prepare::{Format, Payload};

const EXPORT: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
/// A byte that says whether the message is compressed, and its length in four.
const FRAME: usize = 5;

/// Whether a request is gRPC's.
pub(super) fn is_grpc(request: &Request<Incoming>) -> bool {
    let kind = request.headers().get(CONTENT_TYPE);
    kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"))
}

pub(super) async fn answer(
    gate: &Arc<Gate>,
    request: Request<Incoming>,
) -> (Response<AnswerBody>, Answer) {
    let (head, body) = request.into_parts();
    let answer = if head.uri.path() == EXPORT {
        let payload = payload(&head.headers, body, gate.max_body_bytes);
        let patience = patience(&head.headers);
        gate.take(&head.headers, patience, payload).await
    } else {
        let message = format!(
            "there is no {}; traces are taken at {EXPORT}",
            head.uri.path()
        );
        Answer::Refused(Refusal::new(RefusalKind::NotFound, message))
    };
    let response = match &answer {
        Answer::Taken(refused) => taken(&response(refused)),
        Answer::Refused(refusal) => refused(refusal),
    };
    (response, answer)
}

async fn payload(headers: &HeaderMap, body: Incoming, limit: usize) -> Result<Payload, Refusal> {
    let mut body = body::read(body, limit.saturating_add(FRAME)).await?;
    let unframed = || Refusal::invalid("the body is not one gRPC message");
    let (compressed, len) = match body.first_chunk() {
        Some([flag @ (0 | 1), a, b, c, d]) => (*flag == 1, u32::from_be_bytes([*a, *b, *c, *d])),
        _ => return Err(unframed()),
    };
    body.advance(FRAME);
    if usize::try_from(len) != Ok(body.len()) {
        return Err(unframed());
    }
    let named = headers.get("grpc-encoding");
    let compression = match named.map(|name| name.to_str().unwrap_or("?")) {
        Some(name) if compressed => Compression::named(name)?,
        None if compressed => return Err(unframed()),
        _ => None,
    };
    Ok(Payload {
        body,
        compression,
        format: Format::Protobuf,
    })
}

/// `grpc-timeout`: up to eight digits and a unit. What is written otherwise is not meant.
fn patience(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = value.split_at_checked(value.len().checked_sub(1)?)?;
    let number: u32 = digits.parse().ok()?;
    let number = u64::from(number);
    match unit {
        "H" => Some(Duration::from_secs(number * 3_600)),
        "M" => Some(Duration::from_secs(number * 60)),
        "S" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_millis(number)),
        "u" => Some(Duration::from_micros(number)),
        "n" => Some(Duration::from_nanos(number)),
        _ => None,
    }
}

fn taken(message: &[u8]) -> Response<AnswerBody> {
    let len = u32::try_from(message.len()).unwrap_or(u32::MAX);
    let frame: Bytes = [&[0], len.to_be_bytes().as_slice(), message]
        .concat()
        .into();
    let mut status = HeaderMap::new();
    status.insert(Status::GRPC_STATUS, HeaderValue::from_static("0"));
    let body = Full::new(frame).with_trailers(std::future::ready(Some(Ok(status))));
    head(Response::new(body.boxed_unsync()))
}

fn refused(refusal: &Refusal) -> Response<AnswerBody> {
    let details = refusal.rpc_status().into();
    let status = Status::with_details(refusal.kind.code(), &refusal.message, details);
    let mut response = head(Response::new(Empty::new().boxed_unsync()));
    if status.add_header(response.headers_mut()).is_err() {
        // The message cannot be a header: then the code has to do.
        let code = Status::new(refusal.kind.code(), "");
        let _ = code.add_header(response.headers_mut());
    }
    response
}

fn head(mut response: Response<AnswerBody>) -> Response<AnswerBody> {
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    let known = HeaderValue::from_static("identity,gzip,zstd");
    headers.insert("grpc-accept-encoding", known);
    response
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_timeout_is_digits_and_a_unit() {
        for (value, wanted) in [
            ("10S", Some(Duration::from_secs(10))),
            ("99999999H", Some(Duration::from_secs(99_999_999 * 3_600))),
            ("250m", Some(Duration::from_millis(250))),
            ("7u", Some(Duration::from_micros(7))),
            ("S", None),
            ("10", None),
            ("-1S", None),
            ("", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("grpc-timeout", value.parse().unwrap());
            assert_eq!(patience(&headers), wanted, "{value:?}");
        }
    }
}
