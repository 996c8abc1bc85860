//! A source's content, and whether a host would serve it.

use std::io::Read as _;
use std::path::Path;

use bytes::Bytes;
use oci_client::Reference;
use tempfile::TempDir;
use tokio::task::spawn_blocking;

use super::error::DistributionError;
use super::folder::file_of;
use super::registry::{Pushed, Registry};
use super::source::Source;
use super::{MAX_BYTES, web};
use crate::config::{LimitsConfig, PluginsConfig};
use crate::contract::ProviderInfo;
use crate::plugin::{GenerationStatus, Host, digest};

/// Gets providers from where they are, and publishes them.
#[derive(Debug, Clone, Copy, Default)]
pub struct Fetcher {
    plain_http: bool,
}

/// A content that came, whole, with the digest that was asked for, if one was.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Fetched {
    /// The file.
    pub bytes: Bytes,
    /// The text of its signature, if there is one.
    pub signature: Option<String>,
    /// What a registry's tag stands for: the digest of the manifest, `sha256:...`.
    pub manifest: Option<String>,
}

impl Fetcher {
    /// With `plain_http`, servers of other machines may be asked without TLS. Those of this
    /// machine may always.
    #[must_use]
    pub fn new(plain_http: bool) -> Self {
        Self { plain_http }
    }

    /// What a source in a registry stands for now: the digest of the manifest. None for others,
    /// which have to be fetched to be known.
    ///
    /// # Errors
    /// The registry cannot be reached, or has it not.
    pub async fn resolve(&self, source: &Source) -> Result<Option<String>, DistributionError> {
        match source {
            Source::Registry(reference) => {
                let registry = self.registry(reference).await?;
                registry.resolve(reference).await.map(Some)
            }
            Source::Web { .. } | Source::Path { .. } => Ok(None),
        }
    }

    /// Get the content of a source, of [`MAX_BYTES`] at most. `progress` is told how many bytes
    /// came each time.
    ///
    /// # Errors
    /// It cannot be had, or is not the content that the source pins.
    pub async fn fetch(
        &self,
        source: &Source,
        progress: &(dyn Fn(usize) + Sync),
    ) -> Result<Fetched, DistributionError> {
        let (fetched, expected) = match source {
            Source::Registry(reference) => {
                let registry = self.registry(reference).await?;
                (registry.pull(reference, progress).await?, None)
            }
            Source::Web { url, digest } => {
                let file = web::File {
                    url,
                    is_pinned: digest.is_some(),
                    plain_http: self.plain_http,
                };
                (file.fetch(progress).await?, digest.as_ref())
            }
            Source::Path { path, digest } => (read(path).await?, digest.as_ref()),
        };
        let found = fetched.digest();
        match expected {
            Some(expected) if *expected != found => Err(DistributionError::Digest {
                place: source.to_string(),
                expected: expected.clone(),
                found,
            }),
            _ => Ok(fetched),
        }
    }

    /// Publish a content under a tag, with what its component says of itself, so that
    /// [`fetch`](Self::fetch) gets it and other tools do.
    ///
    /// # Errors
    /// The registry cannot be reached, or does not take it.
    pub async fn push(
        &self,
        reference: &Reference,
        content: Fetched,
        info: &ProviderInfo,
    ) -> Result<Pushed, DistributionError> {
        let registry = self.registry(reference).await?;
        let signature = content.signature.as_deref();
        (registry.push(reference, content.bytes, info, signature)).await
    }

    pub(super) async fn registry(
        &self,
        reference: &Reference,
    ) -> Result<Registry, DistributionError> {
        Registry::of(reference.resolve_registry(), self.plain_http).await
    }
}

impl Fetched {
    /// SHA-256 of the file, in lower-case hexadecimal digits.
    #[must_use]
    pub fn digest(&self) -> String {
        digest(&self.bytes)
    }

    /// Load it as a host does, in a folder of its own: what it says of itself. Signatures are
    /// asked for as `plugins` says; a lock file is not, since this comes before it.
    ///
    /// # Errors
    /// A host would refuse it.
    pub async fn try_out(
        &self,
        name: &str,
        plugins: &PluginsConfig,
        limits: &LimitsConfig,
    ) -> Result<GenerationStatus, DistributionError> {
        let (content, called) = (self.clone(), name.to_owned());
        let staging = spawn_blocking(move || content.stage(&called)).await;
        let folder = staging.map_err(|error| DistributionError::unavailable(name, error))??;
        let plugins = PluginsConfig {
            folder: folder.path().to_owned(),
            lock_file: Some(folder.path().join("none.lock")),
            ..plugins.clone()
        };
        let host = Host::start(&plugins, limits).await?;
        let loaded = host.providers().into_iter().find(|one| one.name == name);
        host.shutdown().await;
        match loaded.map(|one| (one.generation, one.refusal)) {
            Some((Some(generation), _)) => Ok(generation),
            Some((None, Some(refusal))) => Err(DistributionError::Refused {
                place: format!("{name}.wasm"),
                refusal,
            }),
            _ => Err(DistributionError::Name(name.to_owned())),
        }
    }

    /// A folder with this file in it alone, and its signature.
    fn stage(&self, name: &str) -> Result<TempDir, DistributionError> {
        let folder = TempDir::with_prefix("roost-");
        let folder =
            folder.map_err(|error| DistributionError::file(std::env::temp_dir(), error))?;
        let file = file_of(folder.path(), name)?;
        let write = |path: &Path, content: &[u8]| {
            std::fs::write(path, content).map_err(|error| DistributionError::file(path, error))
        };
        write(&file, &self.bytes)?;
        if let Some(signature) = &self.signature {
            write(&file.with_extension("wasm.minisig"), signature.as_bytes())?;
        }
        Ok(folder)
    }
}

/// A file of this machine, with its signature if there is one beside it.
async fn read(path: &Path) -> Result<Fetched, DistributionError> {
    let path = path.to_owned();
    let place = path.display().to_string();
    let reading = spawn_blocking(move || {
        let bytes = read_at_most(&path, MAX_BYTES)?;
        let mut signature = path.clone().into_os_string();
        signature.push(".minisig");
        let signature = match std::fs::read_to_string(Path::new(&signature)) {
            Ok(text) => Some(text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(DistributionError::file(signature, error)),
        };
        Ok(Fetched {
            bytes: bytes.into(),
            signature,
            manifest: None,
        })
    });
    let read = reading.await;
    read.map_err(|error| DistributionError::unavailable(place, error))?
}

fn read_at_most(path: &Path, limit: usize) -> Result<Vec<u8>, DistributionError> {
    let failed = |error| DistributionError::file(path, error);
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(failed)?;
    let one_more = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    file.take(one_more)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    match bytes.len() > limit {
        true => Err(DistributionError::TooLarge {
            place: path.display().to_string(),
            limit,
        }),
        false => Ok(bytes),
    }
}
