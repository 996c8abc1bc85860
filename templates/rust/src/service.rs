//! The backend: where it is, and what its answers mean.

use std::cell::OnceCell;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::http;
use crate::roost::telemetry::types::{BackendFailure, Error, RateLimit};

#[derive(Deserialize)]
struct Config {
    http_endpoint: String,
}

thread_local! {
    static CONFIG: OnceCell<Config> = const { OnceCell::new() };
}

pub fn initialize(config: &str) -> Result<(), Error> {
    let config: Config = serde_json::from_str(config)
        .map_err(|error| Error::InvalidArgument(format!("the configuration: {error}")))?;
    CONFIG
        .with(|cell| cell.set(config))
        .map_err(|_| Error::Internal("initialize was called twice".to_owned()))
}

/// Ask for what is at a path.
pub fn get<T: DeserializeOwned>(path: &str) -> Result<T, Error> {
    request(path, None)
}

/// Send a body to a path.
pub fn post<T: DeserializeOwned>(path: &str, body: &str) -> Result<T, Error> {
    request(path, Some(body))
}

fn request<T: DeserializeOwned>(path: &str, body: Option<&str>) -> Result<T, Error> {
    let base = CONFIG.with(|cell| cell.get().map(|config| config.http_endpoint.clone()));
    let base = base.ok_or_else(|| Error::Internal("no configuration".to_owned()))?;
    let address = format!("{}{path}", base.trim_end_matches('/'));
    let (status, answer) = http::request(&address, body)?;
    if !(200..300).contains(&status) {
        return Err(error(status, &answer));
    }
    serde_json::from_slice(&answer).map_err(|error| {
        Error::Internal(format!(
            "the answer to {path} cannot be understood: {error}"
        ))
    })
}

/// What an answer with a failing status means, in the contract's words.
fn error(status: u16, body: &[u8]) -> Error {
    #[derive(Deserialize)]
    struct Said {
        error: String,
    }
    let text = String::from_utf8_lossy(body);
    let said = serde_json::from_str::<Said>(&text).map_or_else(|_| text.to_string(), |it| it.error);
    match status {
        400 | 422 => Error::InvalidArgument(said),
        401 => Error::Unauthenticated(said),
        403 => Error::PermissionDenied(said),
        404 => Error::NotFound(said),
        409 => Error::Conflict(said),
        429 => Error::RateLimited(RateLimit {
            message: said,
            retry_after_ms: None,
        }),
        502..=504 => Error::Unavailable(said),
        _ => Error::Backend(BackendFailure {
            status,
            excerpt: text.chars().take(500).collect(),
        }),
    }
}

/// A text as a part of a path or query.
pub fn encode(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let encode = |byte: u8| match is_plain(byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    text.bytes().map(encode).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_holds_any_name() {
        assert_eq!(encode("a/b ü"), "a%2Fb%20%C3%BC");
    }

    #[test]
    fn a_status_becomes_the_contracts_error() {
        assert!(
            matches!(error(404, br#"{"error":"no project"}"#), Error::NotFound(why) if why == "no project")
        );
        assert!(
            matches!(error(500, b"oops"), Error::Backend(failure) if failure.excerpt == "oops")
        );
    }
}
