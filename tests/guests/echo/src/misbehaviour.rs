//! What a provider should not do, asked for by the project's name:
//!
//! * `loop` computes for ever,
//! * `grow` takes memory without end,
//! * `trap` ends in a trap,
//! * `forbidden:<url>` calls a host that nobody granted.
//!
//! And for spans, `endless` answers pages that lead to themselves.

use std::hint::black_box;

use crate::bindings::roost::telemetry::types::{BackendFailure, Error};
use crate::bindings::wasi::http::outgoing_handler::{self, OutgoingRequest};
use crate::bindings::wasi::http::types::{ErrorCode, Fields, Scheme};

/// Misbehave as the project's name says; returns for every other name.
pub(crate) fn named(project: &str) -> Result<(), Error> {
    match project {
        "loop" => spin(),
        "grow" => grow(),
        "trap" => std::process::abort(),
        _ => match project.strip_prefix("forbidden:") {
            Some(url) => Err(call(url)),
            None => Ok(()),
        },
    }
}

fn spin() -> ! {
    let mut count = 0_u64;
    loop {
        count = black_box(count.wrapping_add(1));
    }
}

fn grow() -> ! {
    let mut taken = Vec::new();
    loop {
        // Not zero: an allocator may hand out zeroed pages without touching them.
        taken.push(black_box(vec![1_u8; 1 << 20]));
    }
}

/// Ask for `url`, and say what became of it.
fn call(url: &str) -> Error {
    match send(url) {
        Ok(status) => Error::Backend(BackendFailure {
            status,
            excerpt: format!("{url} answered"),
        }),
        Err(ErrorCode::HttpRequestDenied) => {
            Error::PermissionDenied(format!("the host refused {url}"))
        }
        Err(code) => Error::Unavailable(format!("{url}: {code}")),
    }
}

fn send(url: &str) -> Result<u16, ErrorCode> {
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
        Some(Ok(response)) => Ok(response?.status()),
        Some(Err(())) | None => Err(ErrorCode::InternalError(None)),
    }
}
