//! What a registry has: as much as it tells.

use std::str::FromStr;

use futures_util::{StreamExt, TryStreamExt, stream};
use oci_client::Reference;

use super::artifact::Artifact;
use super::error::DistributionError;
use super::fetch::Fetcher;
use super::registry::Registry;

/// How many manifests are asked for at once.
const AT_ONCE: usize = 8;

/// A registry, or a part of it: `oci://host` or `oci://host/prefix`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    host: String,
    /// Repositories of this name, or below it.
    prefix: Option<String>,
}

/// What was found.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Found {
    /// The components, by repository and tag.
    pub offers: Vec<Offer>,
    /// How many tags hold something else.
    pub others: usize,
    /// Whether there is more than was asked for.
    pub is_cut: bool,
    /// Why the registry does not list its repositories, if it does not: then the one that was
    /// named was looked at, and nothing below it.
    pub without_catalog: Option<String>,
}

/// A component that a tag stands for.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Offer {
    /// What to add it by, without the scheme.
    pub reference: Reference,
    /// The digest of its manifest, `sha256:...`.
    pub manifest: String,
    /// The version it was published as, if that was said.
    pub version: Option<String>,
    /// What it is, if that was said.
    pub description: Option<String>,
    /// Its size, in bytes.
    pub bytes: usize,
    /// Whether a signature comes with it; nothing is said of whose.
    pub is_signed: bool,
}

impl FromStr for Place {
    type Err = DistributionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = |reason: &str| DistributionError::source(text, reason);
        let rest = text
            .strip_prefix("oci://")
            .ok_or_else(|| refuse("write oci://HOST or oci://HOST/REPOSITORY"))?;
        let rest = rest.trim_end_matches('/');
        let (host, prefix) = match rest.split_once('/') {
            Some((host, prefix)) => (host, Some(prefix.to_owned())),
            None => (rest, None),
        };
        let place = Self {
            host: host.to_owned(),
            prefix,
        };
        // As a reference, both have to be what they may be.
        let reference = place.reference();
        let is_sound = reference.parse::<Reference>().is_ok_and(|read| {
            read.registry() == host && format!("{host}/{}", read.repository()) == reference
        });
        match is_sound {
            true => Ok(place),
            false => Err(refuse(
                "write oci://HOST or oci://HOST/REPOSITORY, without a tag: all tags are listed",
            )),
        }
    }
}

impl Place {
    /// A repository of that registry, there or not: the client asks nothing without one.
    fn reference(&self) -> String {
        let repository = self.prefix.as_deref().unwrap_or("roost");
        format!("{}/{repository}", self.host)
    }

    fn has(&self, repository: &str) -> bool {
        self.prefix.as_ref().is_none_or(|prefix| {
            repository
                .strip_prefix(prefix.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    }

    fn repository(&self, name: &str, tag: &str) -> Reference {
        Reference::with_tag(self.host.clone(), name.to_owned(), tag.to_owned())
    }
}

impl Fetcher {
    /// List the components of a registry, `limit` at most: of each repository of the place, each
    /// tag, with what its manifest says. A registry that does not list its repositories is asked
    /// for the tags of the one that the place names.
    ///
    /// # Errors
    /// The registry cannot be reached, or tells neither.
    pub async fn search(&self, place: &Place, limit: usize) -> Result<Found, DistributionError> {
        let any = place.repository(place.prefix.as_deref().unwrap_or("roost"), "latest");
        let registry = self.registry(&any).await?;
        let (repositories, without_catalog) = match registry.repositories(&any).await {
            Ok(all) => {
                let wanted = all.into_iter().filter(|name| place.has(name));
                (wanted.collect::<Vec<_>>(), None)
            }
            Err(
                DistributionError::Denied { reason, .. }
                | DistributionError::NotFound { reason, .. },
            ) => match &place.prefix {
                Some(prefix) => (vec![prefix.clone()], Some(reason)),
                None => {
                    let registry = place.host.clone();
                    return Err(DistributionError::NoCatalog { registry, reason });
                }
            },
            Err(error) => return Err(error),
        };
        let (tags, is_cut) = tags(&registry, place, &repositories, limit).await?;
        let asked = tags.iter().map(|tag| offer(&registry, tag));
        let looked: Vec<Option<Offer>> = (stream::iter(asked).buffered(AT_ONCE))
            .try_collect()
            .await?;
        let all = looked.len();
        let offers: Vec<Offer> = looked.into_iter().flatten().collect();
        Ok(Found {
            others: all - offers.len(),
            offers,
            is_cut,
            without_catalog,
        })
    }
}

/// The tags of the repositories, `limit` at most, and whether there are more.
async fn tags(
    registry: &Registry,
    place: &Place,
    repositories: &[String],
    limit: usize,
) -> Result<(Vec<Reference>, bool), DistributionError> {
    let mut found = Vec::new();
    for name in repositories {
        let tags = match registry.tags(&place.repository(name, "latest")).await {
            // A repository stays in a catalog when its last tag is gone.
            Err(DistributionError::NotFound { .. }) if repositories.len() > 1 => continue,
            tags => tags?,
        };
        found.extend(tags.iter().map(|tag| place.repository(name, tag)));
        if found.len() > limit {
            found.truncate(limit);
            return Ok((found, true));
        }
    }
    Ok((found, false))
}

/// What a tag stands for; none where that is no component, or the tag is gone.
async fn offer(
    registry: &Registry,
    reference: &Reference,
) -> Result<Option<Offer>, DistributionError> {
    let (manifest, digest) = match registry.manifest(reference).await {
        Err(DistributionError::NotFound { .. }) => return Ok(None),
        answer => answer?,
    };
    let Ok(artifact) = Artifact::of(&manifest) else {
        return Ok(None);
    };
    Ok(Some(Offer {
        reference: reference.clone(),
        manifest: digest,
        version: artifact.version().map(str::to_owned),
        description: artifact.description().map(str::to_owned),
        bytes: artifact.bytes(),
        is_signed: artifact.signature().is_some(),
    }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_place_is_a_registry_or_the_repositories_below_a_name() {
        let place: Place = "oci://registry.example/acme/".parse().unwrap();
        assert!(place.has("acme") && place.has("acme/phoenix"));
        assert!(!place.has("acmeria/phoenix") && !place.has("other"));
        let all: Place = "oci://localhost:5000".parse().unwrap();
        assert!(all.has("anything/at-all"));
        for wrong in [
            "registry.example/acme",
            "oci://registry.example/acme:1.0",
            "oci://",
            "oci://registry.example/A",
        ] {
            assert!(wrong.parse::<Place>().is_err(), "{wrong}");
        }
    }
}
