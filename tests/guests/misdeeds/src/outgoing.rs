//! Requests that a provider should not make.

use crate::bindings::roost::telemetry::types::Error;
use crate::bindings::wasi::http::outgoing_handler::{self, OutgoingRequest};
use crate::bindings::wasi::http::types::{
    ErrorCode, Fields, IncomingResponse, Method, OutgoingBody, Scheme,
};

/// The status of the answer.
pub(crate) fn status(url: &str) -> Result<u16, Error> {
    send(url, 0)
        .map(|response| response.status())
        .map_err(failed)
}

/// The status of the answer to a body of so many bytes.
pub(crate) fn post(url: &str, bytes: usize) -> Result<String, Error> {
    let response = send(url, bytes).map_err(failed)?;
    Ok(response.status().to_string())
}

/// How many bytes the answer has.
pub(crate) fn read(url: &str) -> Result<usize, Error> {
    let response = send(url, 0).map_err(failed)?;
    let unread = |()| Error::Internal("no body".to_owned());
    let body = response.consume().map_err(unread)?;
    let stream = body.stream().map_err(unread)?;
    let mut read = 0;
    while let Ok(part) = stream.blocking_read(64 << 10) {
        read += part.len();
    }
    Ok(read)
}

/// The status where a redirect leads to.
pub(crate) fn follow(url: &str) -> Result<u16, Error> {
    let response = send(url, 0).map_err(failed)?;
    let location = response.headers().get("location").pop();
    match location {
        Some(location) => status(&String::from_utf8_lossy(&location)),
        None => Ok(response.status()),
    }
}

fn failed(code: ErrorCode) -> Error {
    Error::Unavailable(code.to_string())
}

fn send(url: &str, bytes: usize) -> Result<IncomingResponse, ErrorCode> {
    let invalid = || ErrorCode::HttpRequestUriInvalid;
    let (scheme, rest) = url.split_once("://").ok_or_else(invalid)?;
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let scheme = match scheme {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        other => Scheme::Other(other.to_owned()),
    };
    let request = OutgoingRequest::new(Fields::new());
    request.set_scheme(Some(&scheme)).map_err(|()| invalid())?;
    request
        .set_authority(Some(authority))
        .map_err(|()| invalid())?;
    let path = format!("/{path}");
    request
        .set_path_with_query(Some(&path))
        .map_err(|()| invalid())?;
    let body = request.body().map_err(|()| invalid())?;
    if bytes > 0 {
        request.set_method(&Method::Post).map_err(|()| invalid())?;
    }
    let answer = outgoing_handler::handle(request, None)?;
    if bytes > 0
        && let Ok(stream) = body.write()
    {
        let part = vec![b'x'; 4 << 10];
        for _ in 0..bytes / part.len() {
            if stream.blocking_write_and_flush(&part).is_err() {
                break;
            }
        }
    }
    // A body that is not wanted any more cannot be finished.
    let _ = OutgoingBody::finish(body, None);
    answer.subscribe().block();
    match answer.get() {
        Some(Ok(response)) => response,
        Some(Err(())) | None => Err(ErrorCode::InternalError(None)),
    }
}
