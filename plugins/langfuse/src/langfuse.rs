//! The connection to Langfuse: where it is.

use std::sync::OnceLock;

use roost_provider::http::{Client, Request};
use roost_provider::{Error, error};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::Result;

/// A millisecond in nanoseconds: Langfuse keeps times in whole ones.
pub(crate) const MILLISECOND: u64 = 1_000_000;

static LANGFUSE: OnceLock<Langfuse> = OnceLock::new();

/// The server this instance was initialised with.
pub(crate) fn langfuse() -> Result<&'static Langfuse> {
    LANGFUSE
        .get()
        .ok_or_else(|| Error::Internal("a call came before `initialize`".to_owned()))
}

/// The configuration, see `config.schema.json`.
#[derive(Deserialize)]
struct Config {
    #[serde(default = "default_http_endpoint")]
    http_endpoint: String,
}

fn default_http_endpoint() -> String {
    "http://localhost:3000".to_owned()
}

/// A Langfuse server.
pub(crate) struct Langfuse {
    http: Client,
}

impl Langfuse {
    /// Remember the server that `config` names, for the life of the instance.
    pub(crate) fn initialize(config: &str) -> Result<()> {
        let config: Config = serde_json::from_str(config)
            .map_err(|error| error::invalid_argument(format!("the configuration: {error}")))?;
        let langfuse = Self {
            http: Client::new(&config.http_endpoint)?,
        };
        LANGFUSE
            .set(langfuse)
            .map_err(|_| Error::Internal("`initialize` was called twice".to_owned()))
    }

    /// Where it is, without a slash at the end.
    pub(crate) fn address(&self) -> &str {
        self.http.address()
    }

    /// A `GET` of the public API.
    pub(crate) fn get(&self, path: &[&str]) -> Request<'_> {
        self.http.get(&whole(path))
    }

    /// A `POST` to the public API.
    pub(crate) fn post(&self, path: &[&str]) -> Request<'_> {
        self.http.post(&whole(path))
    }

    /// A `DELETE` of the public API.
    pub(crate) fn delete(&self, path: &[&str]) -> Request<'_> {
        self.http.delete(&whole(path))
    }
}

fn whole<'p>(path: &[&'p str]) -> Vec<&'p str> {
    [&["api", "public"], path].concat()
}

/// Send a request, and take the JSON of its answer where it is a good one.
pub(crate) fn ask<T: DeserializeOwned>(request: Request<'_>) -> Result<T> {
    request.send()?.json()
}
