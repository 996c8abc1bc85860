//! From what a backend answers, or fails to, to the contract's `error`.

use serde::Deserialize;

use crate::bindings::wasi::http::types::ErrorCode;
use crate::types::{BackendFailure, Error, RateLimit};

/// The longest excerpt of a body that the contract allows, in characters.
const EXCERPT: usize = 500;

/// An `invalid-argument` with this message.
pub fn invalid_argument(message: impl Into<String>) -> Error {
    Error::InvalidArgument(message.into())
}

/// A `not-found` with this message.
pub fn not_found(message: impl Into<String>) -> Error {
    Error::NotFound(message.into())
}

/// A `backend` failure: an HTTP status (0 when there was none) and the beginning of what
/// came with it.
#[must_use]
pub fn backend(status: u16, body: &str) -> Error {
    Error::Backend(BackendFailure {
        status,
        excerpt: body.chars().take(EXCERPT).collect(),
    })
}

/// What an error says, without its case.
#[must_use]
pub fn message(error: &Error) -> String {
    match error {
        Error::InvalidArgument(message)
        | Error::NotFound(message)
        | Error::Conflict(message)
        | Error::Unauthenticated(message)
        | Error::PermissionDenied(message)
        | Error::Unavailable(message)
        | Error::Timeout(message)
        | Error::Unsupported(message)
        | Error::Internal(message) => message.clone(),
        Error::RateLimited(limit) => limit.message.clone(),
        Error::Backend(failure) => failure.excerpt.clone(),
        Error::Partial(failure) => match failure.rejected.first() {
            Some(item) => item.reason.clone(),
            None => String::new(),
        },
    }
}

/// The error that an answer with a failing status is. `retry_after` is in milliseconds.
///
/// The body is read as JSON or as text by its content type: the same status comes as a
/// sentence from a backend's own code and as `{"detail": [{"loc", "msg"}]}` from the
/// validation in front of it.
#[must_use]
pub fn from_response(
    status: u16,
    content_type: &str,
    retry_after: Option<u64>,
    body: &[u8],
) -> Error {
    let message = said(content_type, body).unwrap_or_else(|| format!("HTTP status {status}"));
    match status {
        400 | 413 | 414 | 422 => Error::InvalidArgument(message),
        401 => Error::Unauthenticated(message),
        403 => Error::PermissionDenied(message),
        404 => Error::NotFound(message),
        405 | 501 => Error::Unsupported(message),
        408 | 504 => Error::Timeout(message),
        409 => Error::Conflict(message),
        429 => Error::RateLimited(RateLimit {
            message,
            retry_after_ms: retry_after,
        }),
        502 | 503 => Error::Unavailable(message),
        _ => backend(status, &message),
    }
}

/// The error of a request to `address` that got no answer.
#[must_use]
pub fn from_transport(address: &str, code: &ErrorCode) -> Error {
    let why = describe(code);
    match code {
        ErrorCode::DnsTimeout
        | ErrorCode::ConnectionTimeout
        | ErrorCode::ConnectionReadTimeout
        | ErrorCode::ConnectionWriteTimeout
        | ErrorCode::HttpResponseTimeout => {
            Error::Timeout(format!("{address} did not answer in time: {why}"))
        }
        ErrorCode::DnsError(_)
        | ErrorCode::DestinationNotFound
        | ErrorCode::DestinationUnavailable
        | ErrorCode::DestinationIpUnroutable
        | ErrorCode::ConnectionRefused
        | ErrorCode::ConnectionTerminated
        | ErrorCode::ConnectionLimitReached
        | ErrorCode::TlsProtocolError
        | ErrorCode::TlsCertificateError
        | ErrorCode::TlsAlertReceived(_)
        | ErrorCode::HttpResponseIncomplete => {
            Error::Unavailable(format!("{address} cannot be reached: {why}"))
        }
        ErrorCode::HttpRequestDenied | ErrorCode::DestinationIpProhibited => {
            Error::PermissionDenied(format!(
                "the host does not let this provider reach {address}: {why}"
            ))
        }
        ErrorCode::HttpResponseBodySize(_) => backend(
            0,
            &format!(
                "{address} answered with more than the host hands over; ask for a smaller page"
            ),
        ),
        _ => backend(0, &format!("{address}: {why}")),
    }
}

/// What a body says, in one line; none when it says nothing.
fn said(content_type: &str, body: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(body);
    let text = text.trim();
    if text.is_empty() {
        return None;
    }
    let message = if content_type.starts_with("application/json") {
        serde_json::from_str::<Detail>(text)
            .ok()
            .and_then(Detail::into_message)
    } else if content_type.starts_with("text/html") {
        Some("the answer is a web page".to_owned())
    } else {
        None
    };
    let message = message.unwrap_or_else(|| text.to_owned());
    Some(message.chars().take(EXCERPT).collect())
}

/// The error bodies of JSON backends: `detail` as a sentence or as a list of fields, or a
/// `message`.
#[derive(Deserialize)]
#[serde(untagged)]
enum Detail {
    Message { message: String },
    Sentence { detail: String },
    Fields { detail: Vec<Field> },
}

#[derive(Deserialize)]
struct Field {
    #[serde(default)]
    loc: Vec<serde_json::Value>,
    msg: String,
}

impl Detail {
    fn into_message(self) -> Option<String> {
        match self {
            Self::Message { message: said } | Self::Sentence { detail: said } => Some(said),
            Self::Fields { detail } if detail.is_empty() => None,
            Self::Fields { detail } => Some(
                detail
                    .iter()
                    .map(Field::to_sentence)
                    .collect::<Vec<_>>()
                    .join("; "),
            ),
        }
    }
}

impl Field {
    /// `query.limit: Input should be less than or equal to 1000`.
    fn to_sentence(&self) -> String {
        let place: Vec<String> = self
            .loc
            .iter()
            .map(|part| match part {
                serde_json::Value::String(name) => name.clone(),
                other => other.to_string(),
            })
            .collect();
        format!("{}: {}", place.join("."), self.msg)
    }
}

/// A transport error in words.
fn describe(code: &ErrorCode) -> String {
    match code {
        ErrorCode::DnsError(payload) => match &payload.rcode {
            Some(rcode) => format!("its name cannot be resolved ({rcode})"),
            None => "its name cannot be resolved".to_owned(),
        },
        ErrorCode::ConnectionRefused => "the connection was refused".to_owned(),
        ErrorCode::ConnectionTerminated => "the connection was closed".to_owned(),
        ErrorCode::HttpRequestDenied => "it is not among the granted hosts".to_owned(),
        ErrorCode::InternalError(Some(message)) => message.clone(),
        other => format!("{other:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_shapes_of_a_refused_request_become_a_sentence() {
        let json = br#"{"detail":[{"type":"less_than_equal","loc":["query","limit"],"msg":"Input should be less than or equal to 1000","input":"1001","ctx":{"le":1000}}]}"#;
        let Error::InvalidArgument(message) = from_response(422, "application/json", None, json)
        else {
            unreachable!("another error")
        };
        assert_eq!(
            message,
            "query.limit: Input should be less than or equal to 1000"
        );

        let Error::InvalidArgument(message) =
            from_response(422, "text/plain; charset=utf-8", None, b"Invalid cursor")
        else {
            unreachable!("another error")
        };
        assert_eq!(message, "Invalid cursor");
    }

    #[test]
    fn statuses_keep_their_meaning() {
        let of = |status| from_response(status, "text/plain", Some(1_500), b"why");
        assert!(matches!(of(401), Error::Unauthenticated(m) if m == "why"));
        assert!(matches!(of(403), Error::PermissionDenied(_)));
        assert!(matches!(of(404), Error::NotFound(_)));
        assert!(matches!(of(409), Error::Conflict(_)));
        assert!(matches!(of(503), Error::Unavailable(_)));
        assert!(matches!(of(504), Error::Timeout(_)));
        assert!(matches!(
            of(429),
            Error::RateLimited(RateLimit {
                retry_after_ms: Some(1_500),
                ..
            })
        ));
        assert!(matches!(of(500), Error::Backend(f) if f.status == 500 && f.excerpt == "why"));
    }

    #[test]
    fn a_body_that_says_nothing_or_too_much_is_no_trouble() {
        let Error::Backend(failure) = from_response(500, "text/plain", None, b"") else {
            unreachable!("another error")
        };
        assert_eq!(failure.excerpt, "HTTP status 500");
        let Error::Backend(failure) =
            from_response(500, "text/plain", None, "ü".repeat(9_000).as_bytes())
        else {
            unreachable!("another error")
        };
        assert_eq!(failure.excerpt.chars().count(), 500);
    }
}
