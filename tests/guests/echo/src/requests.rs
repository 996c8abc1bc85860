//! What a test wants to be asked of a server, by the project's name:
//!
//! * `forbidden:<url>` asks for it, and leaves what is answered unread,
//! * `follow:<url>` asks for it, and for where it is redirected to,
//! * `read:<url>` asks for it, and reads the answer to its end.
//!
//! The status is told as the backend's error, what was read as its excerpt.

use crate::bindings::roost::telemetry::types::{BackendFailure, Error};
use crate::bindings::wasi::http::outgoing_handler::{self, OutgoingRequest};
use crate::bindings::wasi::http::types::{ErrorCode, Fields, IncomingResponse, Scheme};
use crate::bindings::wasi::io::streams::StreamError;

/// Ask as the project's name says; nothing for every other name.
pub(crate) fn named(project: &str) -> Option<Error> {
    let (how, url) = project.split_once(':')?;
    let told = match how {
        "forbidden" => send(url).map(|answer| (answer.status(), String::new())),
        "follow" => follow(url).map(|answer| (answer.status(), String::new())),
        "read" => send(url).and_then(|answer| Ok((answer.status(), read(&answer)?))),
        _ => return None,
    };
    Some(match told {
        Ok((status, excerpt)) => Error::Backend(BackendFailure { status, excerpt }),
        Err(ErrorCode::HttpRequestDenied) => {
            Error::PermissionDenied(format!("the host refused {url}"))
        }
        Err(code) => Error::Unavailable(format!("{url}: {code}")),
    })
}

fn follow(url: &str) -> Result<IncomingResponse, ErrorCode> {
    let answer = send(url)?;
    let location = answer.headers().get("location").into_iter().next();
    match location.and_then(|location| String::from_utf8(location).ok()) {
        Some(location) => send(&location),
        None => Ok(answer),
    }
}

fn send(url: &str) -> Result<IncomingResponse, ErrorCode> {
    let (scheme, rest) = url
        .split_once("://")
        .ok_or(ErrorCode::HttpRequestUriInvalid)?;
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let scheme = match scheme {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        other => Scheme::Other(other.to_owned()),
    };
    let invalid = |()| ErrorCode::HttpRequestUriInvalid;
    let request = OutgoingRequest::new(Fields::new());
    request.set_scheme(Some(&scheme)).map_err(invalid)?;
    request.set_authority(Some(authority)).map_err(invalid)?;
    request
        .set_path_with_query(Some(&format!("/{path}")))
        .map_err(invalid)?;
    let answer = outgoing_handler::handle(request, None)?;
    answer.subscribe().block();
    match answer.get() {
        Some(Ok(response)) => response,
        Some(Err(())) | None => Err(ErrorCode::InternalError(None)),
    }
}

fn read(answer: &IncomingResponse) -> Result<String, ErrorCode> {
    let internal = |()| ErrorCode::InternalError(None);
    let body = answer.consume().map_err(internal)?;
    let stream = body.stream().map_err(internal)?;
    let mut bytes = Vec::new();
    loop {
        match stream.blocking_read(64 * 1024) {
            Ok(more) => bytes.extend(more),
            Err(StreamError::Closed) => return Ok(String::from_utf8_lossy(&bytes).into_owned()),
            Err(StreamError::LastOperationFailed(_)) => {
                return Err(ErrorCode::HttpResponseIncomplete);
            }
        }
    }
}
