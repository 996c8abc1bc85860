//! The connection to an MLflow server: where it is, and what its answers mean.

use std::sync::OnceLock;

use roost_provider::http::{Client, Request, Response};
use roost_provider::{Error, error};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::Result;

/// The most traces that one search gives.
pub(crate) const MOST: u32 = 500;

static MLFLOW: OnceLock<Mlflow> = OnceLock::new();

/// The server this instance was initialised with.
pub(crate) fn mlflow() -> Result<&'static Mlflow> {
    MLFLOW
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
    "http://localhost:5000".to_owned()
}

/// An MLflow server.
pub(crate) struct Mlflow {
    pub(crate) http: Client,
}

impl Mlflow {
    /// Remember the server that `config` names, for the life of the instance.
    pub(crate) fn initialize(config: &str) -> Result<()> {
        let config: Config = serde_json::from_str(config)
            .map_err(|error| error::invalid_argument(format!("the configuration: {error}")))?;
        let mlflow = Self {
            http: Client::new(&config.http_endpoint)?,
        };
        MLFLOW
            .set(mlflow)
            .map_err(|_| Error::Internal("`initialize` was called twice".to_owned()))
    }

    /// A `GET` of the API for experiments and runs.
    pub(crate) fn get(&self, noun: &str, verb: &str) -> Request<'_> {
        self.http.get(&["api", "2.0", "mlflow", noun, verb])
    }

    /// A `POST` to the API for experiments and runs.
    pub(crate) fn post(&self, noun: &str, verb: &str) -> Request<'_> {
        self.http.post(&["api", "2.0", "mlflow", noun, verb])
    }
}

/// Send a request, and take the answer where it is a good one.
pub(crate) fn answer(request: Request<'_>) -> Result<Response> {
    good(request.send()?)
}

/// The answer where it is a good one.
pub(crate) fn good(answer: Response) -> Result<Response> {
    match answer.status() {
        200..=299 => Ok(answer),
        _ => Err(failure(answer)),
    }
}

/// The same with the answer as JSON.
pub(crate) fn ask<T: DeserializeOwned>(request: Request<'_>) -> Result<T> {
    answer(request)?.json()
}

/// What a failing answer means. MLflow has four shapes of them: its own JSON, the JSON of the
/// framework in front of it, web pages, and plain text.
fn failure(answer: Response) -> Error {
    #[derive(Deserialize)]
    struct Failure {
        error_code: String,
        message: String,
    }

    let status = answer.status();
    if let Ok(failure) = serde_json::from_slice::<Failure>(answer.body()) {
        // What follows is the statement that failed, with the values of its parameters.
        let message = failure.message.split(" Error: (").next();
        let message = message.unwrap_or_default().to_owned();
        return match failure.error_code.as_str() {
            // Its status is 400.
            "RESOURCE_ALREADY_EXISTS" => Error::Conflict(message),
            _ => error::from_response(status, "text/plain", None, message.as_bytes()),
        };
    }
    if status == 403 && answer.body().starts_with(b"Invalid Host header") {
        return Error::PermissionDenied(
            "MLflow answers only under the host names it was started with, and that of \
             `http_endpoint` is none of them: start it with --allowed-hosts"
                .to_owned(),
        );
    }
    match answer.success() {
        Err(error) => error,
        Ok(answer) => error::backend(answer.status(), "an answer that is no failure"),
    }
}
