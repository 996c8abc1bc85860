//! A file behind `https://`.

use futures_util::StreamExt;
use http::StatusCode;
use http::header::LOCATION;
use reqwest::redirect::Policy;
use reqwest::{Client, Response};
use tokio::time::timeout;
use url::Url;

use super::error::{DistributionError, cause};
use super::fetch::Fetched;
use super::{CONNECT_TIMEOUT, CONTENT_TIMEOUT, MAX_BYTES, READ_TIMEOUT, is_loopback};

/// How often a server may send elsewhere.
const MAX_REDIRECTS: usize = 5;
/// The longest signature, in bytes.
const MAX_SIGNATURE: usize = 16 << 10;

/// A file, and what its operator said of it.
pub(super) struct File<'a> {
    pub(super) url: &'a Url,
    /// Whether the content is known already: then it may come from anywhere.
    pub(super) is_pinned: bool,
    pub(super) plain_http: bool,
}

impl File<'_> {
    /// The content, and its signature where there is one beside it.
    pub(super) async fn fetch(
        &self,
        progress: &(dyn Fn(usize) + Sync),
    ) -> Result<Fetched, DistributionError> {
        let host = self.url.host_str().unwrap_or_default();
        if self.url.scheme() != "https" && !self.plain_http && !is_loopback(host) {
            return Err(DistributionError::PlainHttp(self.url.to_string()));
        }
        let place = self.url.to_string();
        let fetching = async {
            let client = self.client()?;
            let bytes = get(&client, self.url, MAX_BYTES, progress).await?;
            let signature = self.signature(&client).await?;
            Ok(Fetched {
                bytes: bytes.into(),
                signature,
                manifest: None,
            })
        };
        let fetched = timeout(CONTENT_TIMEOUT, fetching).await;
        fetched.unwrap_or_else(|_| {
            let reason = format!("it took longer than {} s", CONTENT_TIMEOUT.as_secs());
            Err(DistributionError::unavailable(place, reason))
        })
    }

    fn client(&self) -> Result<Client, DistributionError> {
        let is_pinned = self.is_pinned;
        // One that is not followed is an answer, which says where it leads.
        let policy = Policy::custom(move |attempt| {
            let before = attempt.previous();
            let goes_on = before.len() <= MAX_REDIRECTS
                && before.last().is_some_and(|from| {
                    let to = attempt.url();
                    from.origin() == to.origin() || (is_pinned && to.scheme() == "https")
                });
            match goes_on {
                true => attempt.follow(),
                false => attempt.stop(),
            }
        });
        let client = Client::builder()
            .redirect(policy)
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT)
            .user_agent(concat!("roost/", env!("CARGO_PKG_VERSION")))
            .build();
        client.map_err(|error| DistributionError::unavailable(self.url, cause(&error)))
    }

    /// The file beside it, with `.minisig` behind its name. A server that does not give it has
    /// none: whether one is needed is asked when the content is tried out.
    async fn signature(&self, client: &Client) -> Result<Option<String>, DistributionError> {
        let mut url = self.url.clone();
        url.set_path(&format!("{}.minisig", self.url.path()));
        match get(client, &url, MAX_SIGNATURE, &|_| {}).await {
            Ok(bytes) => Ok(String::from_utf8(bytes).ok()),
            Err(
                DistributionError::NotFound { .. }
                | DistributionError::Denied { .. }
                | DistributionError::Elsewhere { .. }
                | DistributionError::TooLarge { .. },
            ) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

async fn get(
    client: &Client,
    url: &Url,
    limit: usize,
    progress: &(dyn Fn(usize) + Sync),
) -> Result<Vec<u8>, DistributionError> {
    let failed = |error: reqwest::Error| DistributionError::unavailable(url, cause(&error));
    let answer = client.get(url.clone()).send().await.map_err(failed)?;
    match answer.status() {
        StatusCode::OK => {}
        status if status.is_redirection() => {
            return Err(DistributionError::Elsewhere {
                from: url.to_string(),
                to: target(&answer),
            });
        }
        status => {
            return Err(DistributionError::status(
                url.to_string(),
                status.as_u16(),
                "",
            ));
        }
    }
    let too_large = || DistributionError::TooLarge {
        place: url.to_string(),
        limit,
    };
    let announced = answer.content_length().map(usize::try_from);
    if announced.is_some_and(|length| length.is_ok_and(|length| length > limit)) {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    let mut stream = answer.bytes_stream();
    while let Some(part) = stream.next().await {
        let part = part.map_err(failed)?;
        if bytes.len().saturating_add(part.len()) > limit {
            return Err(too_large());
        }
        bytes.extend_from_slice(&part);
        progress(part.len());
    }
    Ok(bytes)
}

/// Where a redirect leads, as far as it says.
fn target(answer: &Response) -> String {
    let location = answer.headers().get(LOCATION);
    let location = location.and_then(|value| value.to_str().ok());
    let target = location.and_then(|location| answer.url().join(location).ok());
    // Without what comes behind `?`: addresses of stores have keys there.
    target.map_or_else(
        || "an address that cannot be read".to_owned(),
        |mut target| {
            target.set_query(None);
            target.to_string()
        },
    )
}
