//! A blocking HTTP client over `wasi:http`. The host pools connections, adds credentials
//! and retries; this side puts a request together and checks what comes back.
//!
//! ```no_run
//! # fn main() -> Result<(), roost_provider::Error> {
//! use roost_provider::http::Client;
//!
//! let client = Client::new("http://localhost:6006")?;
//! let answer = client
//!     .get(&["v1", "projects", "a/b", "spans"])
//!     .query("limit", 100)
//!     .send()?;
//! let page: serde_json::Value = answer.json()?;
//! # Ok(())
//! # }
//! ```

use std::fmt::{self, Display};

use serde::{Deserialize, Serialize};

use crate::bindings::wasi::http::types::Method;
use crate::bindings::wasi::random::random;
use crate::url::{self, Base};
use crate::{Error, error, time, transport};

/// Makes requests to one backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    base: Base,
    address: String,
}

impl Client {
    /// A client for the backend at `address`: scheme, host, port and maybe a path that goes
    /// in front of every other.
    ///
    /// # Errors
    /// `invalid-argument` for what is no such address.
    pub fn new(address: &str) -> Result<Self, Error> {
        let base = Base::parse(address)?;
        let address = address.trim_end_matches('/').to_owned();
        Ok(Self { base, address })
    }

    /// The address, without a slash at its end.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// A `GET` of this path, given as segments that are percent-encoded here.
    #[must_use]
    pub fn get(&self, path: &[&str]) -> Request<'_> {
        Request::new(self, Method::Get, path)
    }

    /// A `POST` to this path.
    #[must_use]
    pub fn post(&self, path: &[&str]) -> Request<'_> {
        Request::new(self, Method::Post, path)
    }

    /// A `PATCH` of this path.
    #[must_use]
    pub fn patch(&self, path: &[&str]) -> Request<'_> {
        Request::new(self, Method::Patch, path)
    }

    /// A `DELETE` of this path.
    #[must_use]
    pub fn delete(&self, path: &[&str]) -> Request<'_> {
        Request::new(self, Method::Delete, path)
    }
}

/// A request before it is sent.
pub struct Request<'c> {
    client: &'c Client,
    method: Method,
    path: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

impl<'c> Request<'c> {
    fn new(client: &'c Client, method: Method, segments: &[&str]) -> Self {
        let mut path = client.base.prefix.clone();
        for segment in segments {
            url::push_segment(&mut path, segment);
        }
        Self {
            client,
            method,
            path,
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    /// Append `key=value` to the query. The same key may come several times.
    #[must_use]
    pub fn query(mut self, key: &str, value: impl Display) -> Self {
        url::push_query(&mut self.path, key, &value.to_string());
        self
    }

    /// The same where there is a value.
    #[must_use]
    pub fn query_some(self, key: &str, value: Option<impl Display>) -> Self {
        match value {
            Some(value) => self.query(key, value),
            None => self,
        }
    }

    /// The same for each value.
    #[must_use]
    pub fn query_all<V: Display>(self, key: &str, values: impl IntoIterator<Item = V>) -> Self {
        values
            .into_iter()
            .fold(self, |request, value| request.query(key, value))
    }

    /// Add a header; `name` in lower case.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Send `body` as JSON.
    ///
    /// # Errors
    /// `internal` for what cannot be written as JSON.
    pub fn json(mut self, body: &(impl Serialize + ?Sized)) -> Result<Self, Error> {
        self.body = serde_json::to_vec(body)
            .map_err(|error| Error::Internal(format!("a request cannot be written: {error}")))?;
        Ok(self.header("content-type", "application/json"))
    }

    /// Say that the request does the same when it is made twice, so that the host may
    /// repeat it: a `POST` that only reads, or one that writes what a repetition replaces.
    #[must_use]
    pub fn repeatable(self) -> Self {
        let key = format!(
            "{:016x}{:016x}",
            random::get_random_u64(),
            random::get_random_u64()
        );
        self.header("idempotency-key", key)
    }

    /// Send it and wait for the whole answer, whatever its status.
    ///
    /// # Errors
    /// `unavailable` or `timeout` where no answer came, `permission-denied` where the host
    /// does not let the provider go there.
    pub fn send(self) -> Result<Response, Error> {
        let url = format!("{}{}", self.client.address, self.path_in_address());
        transport::exchange(
            &self.client.base,
            self.method,
            &self.path,
            &self.headers,
            &self.body,
        )
        .map(|answer| Response {
            url,
            status: answer.status,
            headers: answer.headers,
            body: answer.body,
        })
        .map_err(|code| error::from_transport(self.client.address(), &code))
    }

    /// The path below the client's address, without the query: it may hold a lot.
    fn path_in_address(&self) -> &str {
        let path = self.path.strip_prefix(&self.client.base.prefix);
        let path = path.unwrap_or(&self.path);
        path.split_once('?').map_or(path, |(path, _)| path)
    }
}

impl fmt::Debug for Request<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?} {}", self.method, self.path)
    }
}

/// A whole answer.
#[derive(Debug, Clone)]
pub struct Response {
    url: String,
    status: u16,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

impl Response {
    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The value of a header, where it is there and text; `name` in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .and_then(|(_, value)| std::str::from_utf8(value).ok())
    }

    /// The body.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// Itself when the status says that all is well.
    ///
    /// # Errors
    /// Otherwise what the status and the body say, see [`error::from_response`].
    pub fn success(self) -> Result<Self, Error> {
        match self.status {
            200..=299 => Ok(self),
            status => Err(error::from_response(
                status,
                self.content_type(),
                self.retry_after(),
                &self.body,
            )),
        }
    }

    /// The body as JSON; what is borrowed from it is not copied.
    ///
    /// # Errors
    /// As [`Response::success`]; `backend` for another content type (a server that knows
    /// no such path may answer with its web page and status 200) and for JSON of another
    /// shape.
    pub fn json<'a, T: Deserialize<'a>>(&'a self) -> Result<T, Error> {
        if !(200..=299).contains(&self.status) {
            return Err(error::from_response(
                self.status,
                self.content_type(),
                self.retry_after(),
                &self.body,
            ));
        }
        let content_type = self.content_type();
        if !content_type.starts_with("application/json") {
            return Err(error::backend(
                self.status,
                &format!(
                    "{} answered with `{content_type}` instead of JSON; is that the address of the \
                     backend, and is its version recent enough?",
                    self.url
                ),
            ));
        }
        serde_json::from_slice(&self.body).map_err(|error| {
            error::backend(
                self.status,
                &format!("{} answered with JSON of another shape: {error}", self.url),
            )
        })
    }

    fn content_type(&self) -> &str {
        self.header("content-type").unwrap_or_default()
    }

    /// What `retry-after` says, in milliseconds: seconds, or a date.
    fn retry_after(&self) -> Option<u64> {
        let value = self.header("retry-after")?;
        match value.parse::<u64>() {
            Ok(seconds) => seconds.checked_mul(1_000),
            Err(_) => {
                time::parse_http_date(value).map(|at| at.saturating_sub(time::now()) / 1_000_000)
            }
        }
    }
}
