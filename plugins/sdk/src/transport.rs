//! One request and its answer over `wasi:http`.
//!
//! Every resource here has a parent, and the host insists that children are dropped first:
//! a stream before its body, a body before its message. The order of the declarations sees
//! to that, since Rust drops in reverse.

use crate::bindings::wasi::http::outgoing_handler;
use crate::bindings::wasi::http::types::{
    ErrorCode, Fields, IncomingBody, IncomingResponse, Method, OutgoingBody, OutgoingRequest,
    Scheme,
};
use crate::bindings::wasi::io::streams::StreamError;
use crate::url::Base;

/// The most that one write may hand over: `blocking-write-and-flush` takes no more.
const WRITE: usize = 4_096;

/// The most to ask for at once; the host gives what it has.
const READ: u64 = 1 << 20;

/// An answer, read to its end.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
}

/// Send a request and wait for all of its answer.
pub(crate) fn exchange(
    base: &Base,
    method: Method,
    path: &str,
    headers: &[(String, Vec<u8>)],
    body: &[u8],
) -> Result<Answer, ErrorCode> {
    let request = request(base, &method, path, headers, body.len())?;
    let outgoing = request.body().map_err(|()| defect("the request's body"))?;
    let future = outgoing_handler::handle(request, None)?;
    // A server may answer before it has heard everything, and a connection that breaks shows
    // here as well as below: either way the answer says more than a write that failed.
    let _ = write(outgoing, body);

    let pollable = future.subscribe();
    pollable.block();
    drop(pollable);
    let response = future
        .get()
        .and_then(Result::ok)
        .ok_or_else(|| defect("the answer"))??;
    read(&response)
}

fn request(
    base: &Base,
    method: &Method,
    path: &str,
    headers: &[(String, Vec<u8>)],
    length: usize,
) -> Result<OutgoingRequest, ErrorCode> {
    let fields = Fields::new();
    for (name, value) in headers {
        fields
            .append(name, value)
            .map_err(|error| ErrorCode::InternalError(Some(format!("header {name}: {error:?}"))))?;
    }
    if length > 0 {
        let length = length.to_string().into_bytes();
        fields
            .append("content-length", &length)
            .map_err(|_| defect("the request's length"))?;
    }
    let scheme = if base.secure {
        Scheme::Https
    } else {
        Scheme::Http
    };
    let request = OutgoingRequest::new(fields);
    request
        .set_method(method)
        .and_then(|()| request.set_scheme(Some(&scheme)))
        .and_then(|()| request.set_authority(Some(&base.authority)))
        .and_then(|()| request.set_path_with_query(Some(path)))
        .map_err(|()| ErrorCode::HttpRequestUriInvalid)?;
    Ok(request)
}

fn write(outgoing: OutgoingBody, body: &[u8]) -> Result<(), StreamError> {
    if !body.is_empty() {
        let stream = outgoing.write().map_err(|()| StreamError::Closed)?;
        for chunk in body.chunks(WRITE) {
            stream.blocking_write_and_flush(chunk)?;
        }
    }
    OutgoingBody::finish(outgoing, None).map_err(|_| StreamError::Closed)
}

fn read(response: &IncomingResponse) -> Result<Answer, ErrorCode> {
    let status = response.status();
    let headers = response.headers().entries();
    let incoming = response
        .consume()
        .map_err(|()| defect("the answer's body"))?;
    let mut body = Vec::with_capacity(announced(&headers));
    read_all(&incoming, &mut body)?;
    Ok(Answer {
        status,
        headers,
        body,
    })
}

fn read_all(incoming: &IncomingBody, body: &mut Vec<u8>) -> Result<(), ErrorCode> {
    let stream = incoming
        .stream()
        .map_err(|()| defect("the answer's body"))?;
    loop {
        match stream.blocking_read(READ) {
            Ok(chunk) => body.extend_from_slice(&chunk),
            Err(StreamError::Closed) => return Ok(()),
            Err(StreamError::LastOperationFailed(error)) => {
                return Err(crate::bindings::wasi::http::types::http_error_code(&error)
                    .unwrap_or_else(|| ErrorCode::InternalError(Some(error.to_debug_string()))));
            }
        }
    }
}

/// The length an answer announces, as far as it is worth believing beforehand.
fn announced(headers: &[(String, Vec<u8>)]) -> usize {
    const BELIEVED: usize = 16 << 20;
    headers
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, value)| std::str::from_utf8(value).ok()?.parse::<usize>().ok())
        .map_or(0, |length| length.min(BELIEVED))
}

/// The host did not keep to `wasi:http`.
fn defect(what: &str) -> ErrorCode {
    ErrorCode::InternalError(Some(format!("the host does not hand out {what}")))
}
