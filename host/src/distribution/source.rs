//! What an operator writes to say where a provider is: `oci://host/repository:tag`,
//! `https://host/file.wasm` or a path, each with the digest it must have behind an `@`.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use oci_client::Reference;
use url::Url;

use super::error::DistributionError;

const OCI: &str = "oci://";
const SHA256: &str = "sha256:";

/// Where a provider is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Source {
    /// An artifact in a registry: `oci://host/repository:tag`. What is pinned with
    /// `@sha256:...` is its manifest, as everywhere with such references.
    Registry(Reference),
    /// A file behind `https://`, or `http://` where that is allowed.
    Web {
        /// The address, without the pin.
        url: Url,
        /// The SHA-256 that the content must have, in lower-case hexadecimal digits.
        digest: Option<String>,
    },
    /// A file of this machine.
    Path {
        /// The path, without the pin.
        path: PathBuf,
        /// The SHA-256 that the content must have, in lower-case hexadecimal digits.
        digest: Option<String>,
    },
}

impl Source {
    /// The name that a provider from there has, unless it is given another: that of the
    /// repository's last part, or of the file without its ending.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        let last = match self {
            Self::Registry(reference) => reference.repository().rsplit('/').next(),
            Self::Web { url, .. } => url.path_segments().and_then(|mut parts| parts.next_back()),
            Self::Path { path, .. } => path.file_name().and_then(|name| name.to_str()),
        }?;
        let name = last.strip_suffix(".wasm").unwrap_or(last);
        (!name.is_empty()).then_some(name)
    }

    /// Whether it always stands for the same content.
    #[must_use]
    pub fn is_pinned(&self) -> bool {
        match self {
            Self::Registry(reference) => reference.digest().is_some(),
            Self::Web { digest, .. } | Self::Path { digest, .. } => digest.is_some(),
        }
    }

    /// The same, pinned: `manifest` is what a registry's manifest has to be, `content` what
    /// anything else has to.
    #[must_use]
    pub fn pinned(&self, manifest: Option<&str>, content: &str) -> Self {
        match self.clone() {
            Self::Registry(reference) => Self::Registry(match manifest {
                Some(manifest) => reference.clone_with_digest(manifest.to_owned()),
                None => reference,
            }),
            Self::Web { url, .. } => Self::Web {
                url,
                digest: Some(content.to_owned()),
            },
            Self::Path { path, .. } => Self::Path {
                path,
                digest: Some(content.to_owned()),
            },
        }
    }
}

impl FromStr for Source {
    type Err = DistributionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(reference) = text.strip_prefix(OCI) {
            return registry(reference).map(Self::Registry);
        }
        let (place, digest) = split_pin(text)?;
        let Some((scheme, _)) = place.split_once("://") else {
            let path = PathBuf::from(place);
            return Ok(Self::Path { path, digest });
        };
        if !matches!(scheme, "http" | "https") {
            return Err(DistributionError::source(
                text,
                "it is none of oci://, https:// and a path",
            ));
        }
        let url = Url::parse(place).map_err(|why| DistributionError::source(text, why))?;
        if !url.username().is_empty() || url.password().is_some() {
            // Not with the text, which has it.
            return Err(DistributionError::source(
                url.host_str().unwrap_or_default(),
                "a password has no place in an address, which is written down: put the file where \
                 none is needed, or take it from a registry, whose password `docker login` keeps",
            ));
        }
        Ok(Self::Web { url, digest })
    }
}

/// A reference that names its registry: no name of a repository alone means Docker's.
fn registry(text: &str) -> Result<Reference, DistributionError> {
    let refuse = |why: &str| DistributionError::source(&format!("{OCI}{text}"), why);
    let host = text.split_once('/').map(|(host, _)| host);
    if !host.is_some_and(|host| host.contains(['.', ':']) || host == "localhost") {
        return Err(refuse(
            "it names no registry; write oci://HOST/REPOSITORY:TAG, such as \
             oci://registry.example/acme/phoenix:1.2.0",
        ));
    }
    let reference: Reference = text
        .parse()
        .map_err(|why| DistributionError::source(&format!("{OCI}{text}"), why))?;
    match reference.digest() {
        Some(digest) if !is_digest(digest) => Err(refuse(
            "the digest is not sha256: with 64 hexadecimal digits in lower case",
        )),
        _ => Ok(reference),
    }
}

/// A text and the digits of the digest behind its last `@`, if it has one.
fn split_pin(text: &str) -> Result<(&str, Option<String>), DistributionError> {
    match text.rsplit_once('@') {
        Some((place, digest)) if digest.starts_with(SHA256) => match is_digest(digest) {
            true => Ok((place, digest.strip_prefix(SHA256).map(str::to_owned))),
            false => Err(DistributionError::source(
                text,
                "the digest is not sha256: with 64 hexadecimal digits in lower case",
            )),
        },
        _ => Ok((text, None)),
    }
}

fn is_digest(text: &str) -> bool {
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    text.strip_prefix(SHA256)
        .is_some_and(|digits| digits.len() == 64 && digits.bytes().all(is_digit))
}

impl fmt::Display for Source {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pin = |out: &mut fmt::Formatter<'_>, digest: &Option<String>| match digest {
            Some(digest) => write!(out, "@{SHA256}{digest}"),
            None => Ok(()),
        };
        match self {
            Self::Registry(reference) => write!(out, "{OCI}{reference}"),
            Self::Web { url, digest } => {
                write!(out, "{url}")?;
                pin(out, digest)
            }
            Self::Path { path, digest } => {
                write!(out, "{}", path.display())?;
                pin(out, digest)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_source_is_written_as_it_was_read_and_names_the_provider() {
        let digits = "0123456789abcdef".repeat(4);
        for (text, name, is_pinned) in [
            (
                "oci://registry.example/acme/phoenix:1.2.0",
                "phoenix",
                false,
            ),
            ("oci://localhost:5000/phoenix:latest", "phoenix", false),
            (
                &format!("oci://registry.example/a/phoenix@sha256:{digits}"),
                "phoenix",
                true,
            ),
            (
                &format!("oci://registry.example/a/phoenix:1@sha256:{digits}"),
                "phoenix",
                true,
            ),
            ("https://example.com/files/mlflow.wasm", "mlflow", false),
            (
                &format!("https://example.com/mlflow.wasm@sha256:{digits}"),
                "mlflow",
                true,
            ),
            (
                "https://example.com/@acme/mlflow.wasm?token=x",
                "mlflow",
                false,
            ),
            ("build/local.wasm", "local", false),
            (&format!("../local.wasm@sha256:{digits}"), "local", true),
        ] {
            let source: Source = text.parse().unwrap();
            assert_eq!(source.to_string(), text);
            assert_eq!(source.name(), Some(name), "{text}");
            assert_eq!(source.is_pinned(), is_pinned, "{text}");
        }
    }

    #[test]
    fn what_is_no_source_is_refused_with_what_to_write() {
        for (text, why) in [
            ("oci://phoenix:1.0", "names no registry"),
            ("oci://acme/phoenix:1.0", "names no registry"),
            ("oci://registry.example/Acme/phoenix", "invalid reference"),
            (
                "oci://registry.example/acme/phoenix@sha256:00",
                "invalid reference",
            ),
            ("ftp://example.com/x.wasm", "none of oci://"),
            (
                "https://example.com/x.wasm@sha256:12",
                "64 hexadecimal digits",
            ),
            ("https://me:secret@example.com/x.wasm", "password"),
        ] {
            let error = text.parse::<Source>().unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn what_came_can_be_asked_for_again() {
        let digits = "0".repeat(64);
        let manifest = format!("sha256:{}", "1".repeat(64));
        let tag: Source = "oci://registry.example/acme/phoenix:1".parse().unwrap();
        assert_eq!(
            tag.pinned(Some(&manifest), &digits).to_string(),
            format!("oci://registry.example/acme/phoenix@{manifest}")
        );
        let path: Source = "local.wasm".parse().unwrap();
        assert_eq!(
            path.pinned(None, &digits).to_string(),
            format!("local.wasm@sha256:{digits}")
        );
    }
}
