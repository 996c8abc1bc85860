//! The connection to a Phoenix server: where it is, and its two APIs.

use std::borrow::Cow;
use std::sync::OnceLock;

use roost_provider::http::{Client, Request, Response};
use roost_provider::{Error, error};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::Result;

/// The most items that one request of Phoenix takes or gives: spans, traces, ids to look for.
pub(crate) const MOST: u32 = 1_000;

static PHOENIX: OnceLock<Phoenix> = OnceLock::new();

/// The server this instance was initialised with.
pub(crate) fn phoenix() -> Result<&'static Phoenix> {
    PHOENIX
        .get()
        .ok_or_else(|| Error::Internal("a call came before `initialize`".to_owned()))
}

/// The configuration, see `config.schema.json`.
#[derive(Deserialize)]
struct Config {
    #[serde(default = "default_http_endpoint")]
    http_endpoint: String,
    #[serde(default)]
    grpc_endpoint: Option<String>,
}

fn default_http_endpoint() -> String {
    "http://localhost:6006".to_owned()
}

/// What GraphQL says where REST answers with status 403: it has no other mark for that.
const DENIALS: [&str; 4] = [
    "Viewers cannot",
    "Only admin",
    "not associated with the current user",
    "read-only",
];

/// A Phoenix server.
pub(crate) struct Phoenix {
    pub(crate) http: Client,
    /// Where it takes OTLP over gRPC, where the operator says.
    pub(crate) grpc_endpoint: Option<String>,
}

/// A page of a REST listing.
#[derive(Deserialize)]
pub(crate) struct Page<T> {
    pub(crate) data: Vec<T>,
    pub(crate) next_cursor: Option<String>,
}

impl Phoenix {
    /// Remember the server that `config` names, for the life of the instance.
    pub(crate) fn initialize(config: &str) -> Result<()> {
        let config: Config = serde_json::from_str(config)
            .map_err(|error| error::invalid_argument(format!("the configuration: {error}")))?;
        let phoenix = Self {
            http: Client::new(&config.http_endpoint)?,
            grpc_endpoint: config.grpc_endpoint,
        };
        PHOENIX
            .set(phoenix)
            .map_err(|_| Error::Internal("`initialize` was called twice".to_owned()))
    }

    /// What names `project` in a path of REST: its name where a path can hold it, and else
    /// its id, which is asked for.
    ///
    /// The id is good for the next request and no longer, since Phoenix uses ids again.
    pub(crate) fn in_path<'n>(&self, project: &'n str) -> Result<Cow<'n, str>> {
        if fits_path(project) {
            return Ok(Cow::Borrowed(project));
        }
        Ok(Cow::Owned(crate::projects::find(self, project)?.id))
    }

    /// A `GET` below `/v1/projects/{project}`.
    pub(crate) fn get_in_project(&self, project: &str, what: &str) -> Result<Request<'_>> {
        let project = self.in_path(project)?;
        Ok(self.http.get(&["v1", "projects", &project, what]))
    }

    /// Ask GraphQL. Every document of this provider may be sent twice: queries only read, and
    /// what a repeated deletion fails for is gone.
    pub(crate) fn graphql<T: DeserializeOwned>(
        &self,
        document: &str,
        variables: impl Serialize,
    ) -> Result<T> {
        #[derive(Serialize)]
        struct Body<'d, V> {
            query: &'d str,
            variables: V,
        }

        let body = Body {
            query: document,
            variables,
        };
        let answer = self
            .http
            .post(&["graphql"])
            .json(&body)?
            .repeatable()
            .send()?;
        graphql_data(&answer)
    }
}

/// GraphQL answers a failure with status 200, an `errors` list and no data.
fn graphql_data<T: DeserializeOwned>(answer: &Response) -> Result<T> {
    #[derive(Deserialize)]
    struct Answer<T> {
        data: Option<T>,
        #[serde(default)]
        errors: Vec<Failure>,
    }

    #[derive(Deserialize)]
    struct Failure {
        message: String,
    }

    let parsed: Answer<T> = answer.json()?;
    match parsed {
        Answer {
            data: Some(data),
            errors,
        } if errors.is_empty() => Ok(data),
        Answer { errors, .. } => {
            let messages: Vec<String> = errors.into_iter().map(|error| error.message).collect();
            let message = messages.join("; ");
            if DENIALS.iter().any(|denial| message.contains(denial)) {
                return Err(Error::PermissionDenied(message));
            }
            Err(error::backend(answer.status(), &message))
        }
    }
}

/// Whether Phoenix finds the project by this name in a path. It does not where the name holds
/// a slash (also an encoded one) or is a step of the path, and it takes a name that decodes as
/// one of its ids for that id.
fn fits_path(project: &str) -> bool {
    !project.is_empty()
        && !project.contains('/')
        && project != "."
        && project != ".."
        && !looks_like_id(project)
}

/// Whether `name` may be taken for the id of a project: base64 of `Project:1`. Phoenix decodes
/// leniently and skips whatever is not of the alphabet.
fn looks_like_id(name: &str) -> bool {
    let alphabet = name
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '/'));
    alphabet.take(10).eq("UHJvamVjdD".chars())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_a_path_cannot_hold_are_told_apart() {
        for name in ["alpha", "a b?c#d%e", "...", "ünï", "project:1"] {
            assert!(fits_path(name), "{name}");
        }
        for name in [
            "",
            "a/b",
            ".",
            "..",
            "UHJvamVjdDox",
            "UHJv-amVj-dDox",
            "UHJvamVjdDoxMjM=",
        ] {
            assert!(!fits_path(name), "{name}");
        }
    }
}
