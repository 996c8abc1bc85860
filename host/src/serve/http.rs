//! OTLP over HTTP: `POST /v1/traces`, protobuf or JSON, answered as it was asked.

use std::sync::Arc;

use http::header::{ALLOW, CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;

use super::answer::{Answer, Refusal, RefusalKind, response, response_json};
use super::body::{self, Compression};
use super::gate::Gate;
use super::otlp::AnswerBody;
use super::prepare::{Format, Payload};

const TRACES: &str = "/v1/traces";

pub(super) async fn answer(
    gate: &Arc<Gate>,
    request: Request<Incoming>,
) -> (Response<AnswerBody>, Answer) {
    let (head, body) = request.into_parts();
    let format = format(&head.headers);
    let answer = if head.uri.path() != TRACES {
        let message = format!(
            "there is nothing at {}; traces are taken at {TRACES}",
            head.uri.path()
        );
        Answer::Refused(Refusal::new(RefusalKind::NotFound, message))
    } else if head.method != Method::POST {
        let answer = Answer::Refused(Refusal::invalid(format!("{TRACES} takes POST")));
        let mut response = write(&answer, Format::Json);
        *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
        let allowed = HeaderValue::from_static("POST");
        response.headers_mut().insert(ALLOW, allowed);
        return (response, answer);
    } else {
        match &format {
            Ok(format) => {
                let payload = payload(&head.headers, body, *format, gate.max_body_bytes);
                gate.take(&head.headers, None, payload).await
            }
            Err(refusal) => Answer::Refused(refusal.clone()),
        }
    };
    (write(&answer, format.unwrap_or(Format::Json)), answer)
}

async fn payload(
    headers: &HeaderMap,
    body: Incoming,
    format: Format,
    limit: usize,
) -> Result<Payload, Refusal> {
    let compression = match headers.get(CONTENT_ENCODING) {
        Some(name) => Compression::named(name.to_str().unwrap_or("?"))?,
        None => None,
    };
    Ok(Payload {
        body: body::read(body, limit).await?,
        compression,
        format,
    })
}

fn format(headers: &HeaderMap) -> Result<Format, Refusal> {
    let kind = headers.get(CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim();
    match essence.to_ascii_lowercase().as_str() {
        "application/x-protobuf" | "application/protobuf" => Ok(Format::Protobuf),
        "application/json" => Ok(Format::Json),
        _ => {
            let message = format!(
                "content type {essence:?} is not OTLP's: send application/x-protobuf or \
                 application/json"
            );
            Err(Refusal::new(RefusalKind::Unsupported, message))
        }
    }
}

fn write(answer: &Answer, format: Format) -> Response<AnswerBody> {
    let is_json = format == Format::Json;
    let (status, body) = match answer {
        Answer::Taken(refused) if is_json => (StatusCode::OK, response_json(refused)),
        Answer::Taken(refused) => (StatusCode::OK, response(refused)),
        Answer::Refused(refusal) if is_json => (refusal.kind.status(), refusal.rpc_status_json()),
        Answer::Refused(refusal) => (refusal.kind.status(), refusal.rpc_status()),
    };
    let mut response = Response::new(Full::new(body.into()).boxed_unsync());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    let kind = if is_json {
        "application/json"
    } else {
        "application/x-protobuf"
    };
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    if let Answer::Refused(refusal) = answer
        && let Some(seconds) = refusal.retry_after_seconds()
    {
        headers.insert(RETRY_AFTER, seconds.into());
    }
    response
}
