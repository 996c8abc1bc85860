//! Phoenix: where it is, how it is asked, and what its answers mean.

use std::fmt::Display;
use std::sync::OnceLock;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::http;
use crate::roost::telemetry::types::{BackendFailure, Error, RateLimit};

#[derive(Deserialize)]
struct Config {
    http_endpoint: String,
}

/// A page of Phoenix's listings.
#[derive(Deserialize)]
pub struct Page<T> {
    pub data: Vec<T>,
    pub next_cursor: Option<String>,
}

static CONFIG: OnceLock<Config> = OnceLock::new();

/// Take the configuration, once.
pub fn initialize(config: &str) -> Result<(), Error> {
    let config = serde_json::from_str(config)
        .map_err(|error| Error::InvalidArgument(format!("the configuration: {error}")))?;
    CONFIG
        .set(config)
        .map_err(|_| Error::Internal("initialize was called twice".to_owned()))
}

/// Where Phoenix is, without a slash at its end.
pub fn endpoint() -> &'static str {
    let config = CONFIG.get();
    config.map_or("", |config| config.http_endpoint.trim_end_matches('/'))
}

/// A question, which grows by its parameters.
pub struct Question(String);

impl Question {
    pub fn new(path: &str) -> Self {
        Self(format!("{path}?"))
    }

    /// About what belongs to a project. Phoenix finds no project in a path whose name holds a slash, or is
    /// a step of the path.
    pub fn in_project(project: &str, what: &str) -> Result<Self, Error> {
        if project.contains('/') || matches!(project, "" | "." | "..") {
            let why = format!("no path of Phoenix can name the project `{project}`");
            return Err(Error::InvalidArgument(why));
        }
        Ok(Self::new(&format!(
            "/v1/projects/{}{what}",
            encode(project)
        )))
    }

    pub fn with(mut self, key: &str, value: impl Display) -> Self {
        self.0 += &format!("{key}={}&", encode(&value.to_string()));
        self
    }

    /// A parameter that comes once for each item.
    pub fn with_all<T: Display>(self, key: &str, values: impl IntoIterator<Item = T>) -> Self {
        let values = values.into_iter();
        values.fold(self, |question, value| question.with(key, value))
    }

    pub fn ask<T: DeserializeOwned>(self) -> Result<T, Error> {
        from_json(&self.0, &request(&self.0, None)?)
    }

    /// What is answered, as it comes.
    pub fn ask_text(self) -> Result<String, Error> {
        let answer = request(&self.0, None)?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }
}

/// Send JSON to a path.
pub fn post<T: DeserializeOwned>(path: &str, body: &impl Serialize) -> Result<T, Error> {
    let body = serde_json::to_string(body).map_err(|error| Error::Internal(error.to_string()))?;
    from_json(path, &request(path, Some(&body))?)
}

fn from_json<T: DeserializeOwned>(path: &str, answer: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(answer).map_err(|error| {
        Error::Internal(format!(
            "the answer to {path} cannot be understood: {error}"
        ))
    })
}

fn request(path: &str, body: Option<&str>) -> Result<Vec<u8>, Error> {
    let (status, answer) = http::request(&format!("{}{path}", endpoint()), body)?;
    match status {
        200..300 => Ok(answer),
        _ => Err(error(status, String::from_utf8_lossy(&answer).into_owned())),
    }
}

/// What an answer with a failing status means, in the contract's words. Phoenix answers a sentence.
fn error(status: u16, said: String) -> Error {
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
            excerpt: said.chars().take(500).collect(),
        }),
    }
}

/// A text as a part of a path or query.
fn encode(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let encode = |byte: u8| match is_plain(byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    text.bytes().map(encode).collect()
}
