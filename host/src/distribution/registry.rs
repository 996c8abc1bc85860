//! One registry of OCI artifacts, over the client of the ecosystem.
//!
//! That client checks every digest: of a manifest that was asked for by digest, and of each blob.
//! Here is what it leaves to others: bounds of size and time, plain HTTP, and whose credential.

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use oci_client::Reference;
use oci_client::client::{Client, ClientConfig, ClientProtocol};
use oci_client::errors::{OciDistributionError, Result as OciResult};
use oci_client::manifest::OciManifest;
use oci_client::secrets::RegistryAuth;
use tokio::time::timeout;

use super::artifact::{self, Artifact};
use super::error::{DistributionError, cause};
use super::fetch::Fetched;
use super::{
    ANSWER_TIMEOUT, CONNECT_TIMEOUT, CONTENT_TIMEOUT, MAX_BYTES, READ_TIMEOUT, credentials,
    is_loopback,
};
use crate::contract::ProviderInfo;

/// How many names a registry is asked for at once.
const PAGE: usize = 100;
/// The most pages of names.
const MAX_PAGES: usize = 100;
/// The longest signature, in bytes.
const MAX_SIGNATURE: usize = 16 << 10;

/// What was published.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Pushed {
    /// The digest of the manifest, `sha256:...`: what pins this content for good.
    pub manifest: String,
}

pub(super) struct Registry {
    client: Client,
    auth: RegistryAuth,
}

impl Registry {
    /// The registry at a host. Over plain HTTP on this machine, or where that is allowed; to
    /// another machine no password is sent that way.
    pub(super) async fn of(host: &str, plain_http: bool) -> Result<Self, DistributionError> {
        let name = match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
            _ => host,
        };
        let is_local = is_loopback(name);
        let config = ClientConfig {
            protocol: match is_local || plain_http {
                true => ClientProtocol::Http,
                false => ClientProtocol::Https,
            },
            // An index of many artifacts is refused, not chosen from.
            platform_resolver: None,
            connect_timeout: Some(CONNECT_TIMEOUT),
            read_timeout: Some(READ_TIMEOUT),
            user_agent: concat!("roost/", env!("CARGO_PKG_VERSION")),
            ..ClientConfig::default()
        };
        let client = Client::try_from(config)
            .map_err(|error| DistributionError::unavailable(host, cause(&error)))?;
        let auth = match plain_http && !is_local {
            true => RegistryAuth::Anonymous,
            false => credentials::of_registry(host).await?,
        };
        Ok(Self { client, auth })
    }

    /// The digest of the manifest that a reference stands for now.
    pub(super) async fn resolve(&self, reference: &Reference) -> Result<String, DistributionError> {
        let asked = self.client.fetch_manifest_digest(reference, &self.auth);
        answer(&place_of(reference), asked).await
    }

    /// The manifest that a reference stands for now, and its digest.
    pub(super) async fn manifest(
        &self,
        reference: &Reference,
    ) -> Result<(OciManifest, String), DistributionError> {
        let asked = self.client.pull_manifest(reference, &self.auth);
        answer(&place_of(reference), asked).await
    }

    /// The component that a reference stands for now. `progress` is told how many bytes came.
    pub(super) async fn pull(
        &self,
        reference: &Reference,
        progress: &(dyn Fn(usize) + Sync),
    ) -> Result<Fetched, DistributionError> {
        let (found, digest) = self.manifest(reference).await?;
        let place = place_of(reference);
        let artifact = Artifact::of(&found).map_err(|reason| DistributionError::NotAProvider {
            place: place.clone(),
            reason,
        })?;
        if artifact.bytes() > MAX_BYTES {
            let limit = MAX_BYTES;
            return Err(DistributionError::TooLarge { place, limit });
        }
        let pulling = self.blob(reference, &artifact, progress);
        let bytes = timeout(CONTENT_TIMEOUT, pulling)
            .await
            .unwrap_or_else(|_| Err(too_slow(&place, CONTENT_TIMEOUT)))?;
        let signature = artifact.signature();
        let signature = signature.filter(|text| text.len() <= MAX_SIGNATURE);
        Ok(Fetched {
            bytes: bytes.into(),
            signature,
            manifest: Some(digest),
        })
    }

    /// Not more than the manifest says; the client compares the digest at the end.
    async fn blob(
        &self,
        reference: &Reference,
        artifact: &Artifact<'_>,
        progress: &(dyn Fn(usize) + Sync),
    ) -> Result<Vec<u8>, DistributionError> {
        let place = place_of(reference);
        // By its digest alone: a manifest may name other addresses, and nobody granted those.
        let digest = artifact.layer.digest.as_str();
        let mut blob = (self.client.pull_blob_stream(reference, digest).await)
            .map_err(|error| DistributionError::registry(&place, &error))?;
        let mut bytes = Vec::new();
        while let Some(part) = blob.next().await {
            let part =
                part.map_err(|error| DistributionError::unavailable(&place, cause(&error)))?;
            bytes.extend_from_slice(&part);
            if bytes.len() > artifact.bytes() {
                let reason = "the component is longer than its manifest says";
                return Err(DistributionError::unavailable(place, reason));
            }
            progress(part.len());
        }
        Ok(bytes)
    }

    /// Publish a component.
    pub(super) async fn push(
        &self,
        reference: &Reference,
        content: Bytes,
        info: &ProviderInfo,
        signature: Option<&str>,
    ) -> Result<Pushed, DistributionError> {
        let name = reference.repository().rsplit('/').next();
        let name = name.unwrap_or_default();
        let (layer, config, manifest) = artifact::build(name, content, info, signature);
        let layers = [layer];
        let pushing = self
            .client
            .push(reference, &layers, config, &self.auth, Some(manifest));
        within(&place_of(reference), CONTENT_TIMEOUT, pushing).await?;
        let manifest = self.resolve(reference).await?;
        Ok(Pushed { manifest })
    }

    /// The repositories, by name.
    pub(super) async fn repositories(
        &self,
        registry: &Reference,
    ) -> Result<Vec<String>, DistributionError> {
        let place = format!("oci://{}", registry.registry());
        all_pages(async |last: Option<&str>| {
            let asked = self.client.catalog(registry, &self.auth, Some(PAGE), last);
            Ok(answer(&place, asked).await?.repositories)
        })
        .await
    }

    /// The tags of a repository, by name.
    pub(super) async fn tags(
        &self,
        repository: &Reference,
    ) -> Result<Vec<String>, DistributionError> {
        let place = format!(
            "oci://{}/{}",
            repository.registry(),
            repository.repository()
        );
        all_pages(async |last: Option<&str>| {
            let asked = (self.client).list_tags(repository, &self.auth, Some(PAGE), last);
            Ok(answer(&place, asked).await?.tags)
        })
        .await
    }
}

/// Everything that is listed, page by page, by name. A registry may know no pages and answer all
/// of it, in any order.
async fn all_pages(
    page: impl AsyncFn(Option<&str>) -> Result<Vec<String>, DistributionError>,
) -> Result<Vec<String>, DistributionError> {
    let mut all: Vec<String> = Vec::new();
    for _ in 0..MAX_PAGES {
        let found = page(all.last().map(String::as_str)).await?;
        let is_full = found.len() == PAGE;
        let is_new = found.last() != all.last();
        if is_new {
            all.extend(found);
        }
        if !is_full || !is_new {
            break;
        }
    }
    all.sort();
    all.dedup();
    Ok(all)
}

/// A small answer.
async fn answer<T>(
    place: &str,
    asked: impl Future<Output = OciResult<T>>,
) -> Result<T, DistributionError> {
    within(place, ANSWER_TIMEOUT, asked).await
}

async fn within<T>(
    place: &str,
    limit: Duration,
    asked: impl Future<Output = Result<T, OciDistributionError>>,
) -> Result<T, DistributionError> {
    match timeout(limit, asked).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(OciDistributionError::DigestError(error))) => {
            Err(DistributionError::unavailable(place, error))
        }
        Ok(Err(error)) => Err(DistributionError::registry(place, &error)),
        Err(_) => Err(too_slow(place, limit)),
    }
}

fn too_slow(place: &str, limit: Duration) -> DistributionError {
    let reason = format!("it took longer than {} s", limit.as_secs());
    DistributionError::unavailable(place, reason)
}

/// A reference as sources are written.
fn place_of(reference: &Reference) -> String {
    format!("oci://{reference}")
}
