//! OTLP over HTTP with protobuf bodies.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_TYPE, LOCATION, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, StatusCode};
use reqwest::redirect::Policy;
use reqwest::{Client, Response};

use super::client::{CONNECT_TIMEOUT, USER_AGENT};
use super::names::Names;
use super::outcome::{Outcome, retry_after};
use super::route::Address;

const PROTOBUF: HeaderValue = HeaderValue::from_static("application/x-protobuf");
/// As much of an answer as is read.
const MAX_ANSWER_BYTES: usize = 64 * 1_024;
/// As much of an answer as is quoted.
const MAX_EXCERPT_CHARS: usize = 300;

/// Connections to one endpoint, made as they are needed.
#[derive(Clone, Debug)]
pub(super) struct HttpClient {
    client: Client,
}

impl HttpClient {
    pub(super) fn new(names: Option<&Names>) -> Result<Self, reqwest::Error> {
        let mut client = Client::builder()
            .user_agent(USER_AGENT)
            .connect_timeout(CONNECT_TIMEOUT)
            // Credentials go to the endpoint and to nobody it may point at.
            .redirect(Policy::none());
        if let Some(Names(resolver)) = names {
            client = client.dns_resolver(Arc::clone(resolver));
        }
        Ok(Self {
            client: client.build()?,
        })
    }

    pub(super) async fn send(&self, to: &Address, body: Bytes, timeout: Duration) -> Outcome {
        let mut headers: HeaderMap = to.headers.iter().cloned().collect();
        headers.insert(CONTENT_TYPE, PROTOBUF);
        let answer = self
            .client
            .post(to.endpoint.uri.to_string())
            .headers(headers)
            .timeout(timeout)
            .body(body)
            .send()
            .await;
        match answer {
            Ok(response) => judge(response).await,
            Err(error) => Outcome::Retry {
                after: None,
                // The pool replaces a connection that failed, but not one that is silent.
                reconnect: error.is_timeout(),
                why: error_text(&error.without_url()),
            },
        }
    }
}

/// What an answer means, by the OTLP specification.
async fn judge(response: Response) -> Outcome {
    let status = response.status();
    let header = |name| {
        let value: &HeaderValue = response.headers().get(name)?;
        Some(value.to_str().ok()?.to_owned())
    };
    let is_page = header(CONTENT_TYPE).is_some_and(|kind| kind.starts_with("text/html"));
    let after = header(RETRY_AFTER).as_deref().and_then(retry_after);
    let location = header(LOCATION);
    let body = read(response).await;

    if status.is_success() {
        return if is_page {
            Outcome::Rejected(format!(
                "{status} with a web page: the endpoint is not the address of OTLP, which most \
                 often ends in /v1/traces"
            ))
        } else {
            Outcome::accepted(&body)
        };
    }
    if let Some(location) = location
        && status.is_redirection()
    {
        return Outcome::Rejected(format!(
            "{status} to {location}: set the endpoint to the address that answers"
        ));
    }
    let excerpt: String = String::from_utf8_lossy(&body)
        .chars()
        .filter(|c| !c.is_control())
        .take(MAX_EXCERPT_CHARS)
        .collect();
    let why = format!("{status} {excerpt}").trim_end().to_owned();
    match status {
        StatusCode::TOO_MANY_REQUESTS
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => Outcome::Retry {
            why,
            after,
            reconnect: false,
        },
        // Servers answer with the last one when one span makes them stumble.
        StatusCode::BAD_REQUEST
        | StatusCode::PAYLOAD_TOO_LARGE
        | StatusCode::UNPROCESSABLE_ENTITY
        | StatusCode::INTERNAL_SERVER_ERROR => Outcome::Unfit(why),
        _ => Outcome::Rejected(why),
    }
}

/// The beginning of a body; the status has said what matters.
async fn read(mut response: Response) -> Bytes {
    let mut body = BytesMut::new();
    while body.len() < MAX_ANSWER_BYTES
        && let Ok(Some(part)) = response.chunk().await
    {
        body.extend_from_slice(&part);
    }
    body.freeze()
}

/// reqwest says what went wrong in the sources of its errors only.
fn error_text(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}
