//! How a request failed, in the words of `wasi:http` and in those it is counted by.

use http::StatusCode;
use wasmtime_wasi_http::Error;

/// What a status is counted as, unless all is well.
pub(super) fn status_error(status: StatusCode) -> Option<&'static str> {
    match status.as_u16() {
        429 => Some("http-429"),
        400..500 => Some("http-4xx"),
        500.. => Some("http-5xx"),
        _ => None,
    }
}

/// What a failure is counted as.
pub(super) fn error_name(error: &Error) -> &'static str {
    match error {
        Error::DnsError { .. } => "dns",
        Error::ConnectionRefused => "refused",
        Error::ConnectionTimeout | Error::ConnectionReadTimeout => "timeout",
        Error::ConnectionTerminated => "terminated",
        Error::TlsCertificateError => "certificate",
        Error::HttpRequestDenied => "denied",
        _ => "other",
    }
}

/// The cause of this type, if an error has one.
pub(super) fn cause<T: std::error::Error + 'static>(error: &reqwest::Error) -> Option<&T> {
    std::iter::successors(std::error::Error::source(error), |e| e.source())
        .find_map(|source| source.downcast_ref())
}

/// The word of `wasi:http` for a failure of the native client.
pub(super) fn failure(error: &reqwest::Error) -> Error {
    let says = |text: &str| {
        std::iter::successors(std::error::Error::source(error), |e| e.source())
            .any(|source| source.to_string().contains(text))
    };
    if error.is_connect() {
        return if says("dns error") {
            Error::DnsError {
                rcode: None,
                info_code: None,
            }
        } else if error.is_timeout() {
            Error::ConnectionTimeout
        } else if says("certificate") {
            Error::TlsCertificateError
        } else {
            Error::ConnectionRefused
        };
    }
    if error.is_timeout() {
        return Error::ConnectionReadTimeout;
    }
    if error.is_request() || error.is_body() {
        return Error::ConnectionTerminated;
    }
    Error::InternalError(Some(error.to_string()))
}
