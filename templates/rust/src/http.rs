//! One request over `wasi:http`. The host keeps connections, adds credentials and repeats what is
//! safe to repeat.

use crate::roost::telemetry::types::Error;
use crate::wasi::http::outgoing_handler;
use crate::wasi::http::types::{
    ErrorCode, Fields, IncomingResponse, Method, OutgoingBody, OutgoingRequest, Scheme,
};
use crate::wasi::io::streams::StreamError;

/// `GET` an address, or `POST` a body to it; returned are the status and the answer.
pub fn request(address: &str, body: Option<&str>) -> Result<(u16, Vec<u8>), Error> {
    exchange(address, body).map_err(|code| match code {
        ErrorCode::ConnectionTimeout
        | ErrorCode::ConnectionReadTimeout
        | ErrorCode::ConnectionWriteTimeout
        | ErrorCode::HttpResponseTimeout => Error::Timeout(format!("{address} does not answer")),
        code => Error::Unavailable(format!("{address} cannot be reached: {code:?}")),
    })
}

fn exchange(address: &str, body: Option<&str>) -> Result<(u16, Vec<u8>), ErrorCode> {
    let (scheme, rest) = match address.split_once("://") {
        Some(("http", rest)) => (Scheme::Http, rest),
        Some(("https", rest)) => (Scheme::Https, rest),
        _ => return Err(ErrorCode::HttpRequestUriInvalid),
    };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let headers = Fields::new();
    if let Some(body) = body {
        let length = body.len().to_string().into_bytes();
        for (name, value) in [
            ("content-type", b"application/json".to_vec()),
            ("content-length", length),
        ] {
            headers
                .append(name, &value)
                .map_err(|_| broken("a header"))?;
        }
    }
    let request = OutgoingRequest::new(headers);
    request
        .set_method(if body.is_some() {
            &Method::Post
        } else {
            &Method::Get
        })
        .and_then(|()| request.set_scheme(Some(&scheme)))
        .and_then(|()| request.set_authority(Some(authority)))
        .and_then(|()| request.set_path_with_query(Some(path)))
        .map_err(|()| ErrorCode::HttpRequestUriInvalid)?;
    let outgoing = request.body().map_err(|()| broken("the request's body"))?;
    let future = outgoing_handler::handle(request, None)?;
    if let Some(body) = body {
        // If this fails the answer says more.
        let _ = write(&outgoing, body.as_bytes());
    }
    let _ = OutgoingBody::finish(outgoing, None);
    future.subscribe().block();
    let answer = future
        .get()
        .and_then(Result::ok)
        .ok_or_else(|| broken("the answer"))??;
    read(&answer)
}

fn write(outgoing: &OutgoingBody, body: &[u8]) -> Result<(), StreamError> {
    let stream = outgoing.write().map_err(|()| StreamError::Closed)?;
    // No more is taken at once.
    for part in body.chunks(4_096) {
        stream.blocking_write_and_flush(part)?;
    }
    Ok(())
}

/// What is dropped first is declared last: a stream before its body, a body before its answer.
fn read(answer: &IncomingResponse) -> Result<(u16, Vec<u8>), ErrorCode> {
    let body = answer.consume().map_err(|()| broken("the answer's body"))?;
    let stream = body.stream().map_err(|()| broken("the answer's body"))?;
    let mut bytes = Vec::new();
    loop {
        match stream.blocking_read(1 << 20) {
            Ok(part) => bytes.extend(part),
            Err(StreamError::Closed) => return Ok((answer.status(), bytes)),
            Err(StreamError::LastOperationFailed(error)) => {
                return Err(ErrorCode::InternalError(Some(error.to_debug_string())));
            }
        }
    }
}

fn broken(what: &str) -> ErrorCode {
    ErrorCode::InternalError(Some(format!("the host does not hand out {what}")))
}
