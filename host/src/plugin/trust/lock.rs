//! The lock file: which content each provider was accepted with.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::super::component::digest;
use super::super::folder::providers;

const HEAD: &str = "\
# The providers that may run, by the SHA-256 of their files, and where they came from. Written by
# `roost providers lock`, `add`, `update` and `remove`.
";
const VERSION: u32 = 1;

/// The contents that were accepted, by provider. Where there is such a file, nothing else is
/// compiled.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockFile {
    version: u32,
    /// SHA-256 in lower-case hexadecimal digits.
    providers: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    sources: BTreeMap<String, Provenance>,
}

/// Where an accepted content came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provenance {
    /// The address or path, as it was asked for.
    pub from: String,
    /// What a registry's tag stood for at that time: the digest of its manifest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest: Option<String>,
}

/// A turn to change the lock file and what is in the plugins folder, until it is dropped.
#[derive(Debug)]
#[must_use]
pub struct LockTurn {
    /// A folder can be opened as a file, and locked, on Unix alone.
    #[cfg(unix)]
    _folder: std::fs::File,
}

/// Why a lock file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// It, or a file it is made of, cannot be read or written.
    #[error("{}: {reason}", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What the file system said.
        reason: io::Error,
    },
    /// It is no lock file.
    #[error(
        "{}: this is no lock file: {reason}. Write it with `roost providers lock`, after removing \
         this one", path.display()
    )]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

impl LockFile {
    /// Wait until nobody else who waits here changes this plugins folder and its lock file, in
    /// this process or others. Blocks.
    ///
    /// # Errors
    /// The folder cannot be opened.
    pub fn turn(folder: &Path) -> Result<LockTurn, LockError> {
        #[cfg(unix)]
        let turn = std::fs::File::open(folder).and_then(|folder| {
            folder.lock()?;
            Ok(LockTurn { _folder: folder })
        });
        #[cfg(not(unix))]
        let turn = std::fs::metadata(folder).map(|_| LockTurn {});
        turn.map_err(|reason| file_error(folder, reason))
    }

    /// A file; none where there is none.
    ///
    /// # Errors
    /// It cannot be read, or is no lock file of this version.
    pub fn read(path: &Path) -> Result<Option<Self>, LockError> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(reason) => return Err(file_error(path, reason)),
        };
        let invalid = |reason: String| LockError::Invalid {
            path: path.to_owned(),
            reason,
        };
        let lock: Self =
            toml::from_str(&text).map_err(|error| invalid(error.message().to_owned()))?;
        if lock.version != VERSION {
            return Err(invalid(format!(
                "version {} is not {VERSION}",
                lock.version
            )));
        }
        if let Some(name) = (lock.sources.keys()).find(|name| !lock.providers.contains_key(*name)) {
            return Err(invalid(format!("{name}: a source without a digest")));
        }
        for (name, digest) in &lock.providers {
            let is_digit = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
            if digest.len() != 64 || !digest.chars().all(is_digit) {
                return Err(invalid(format!("{name}: not 64 hexadecimal digits")));
            }
        }
        Ok(Some(lock))
    }

    /// What is in a plugins folder now. Nothing of it is compiled or run.
    ///
    /// # Errors
    /// The folder, or a file in it, cannot be read.
    pub fn of_folder(folder: &Path) -> Result<Self, LockError> {
        let found = providers(folder).map_err(|reason| file_error(folder, reason))?;
        let mut lock = Self {
            version: VERSION,
            ..Self::default()
        };
        for (name, path) in found {
            let bytes = std::fs::read(&path).map_err(|reason| file_error(&path, reason))?;
            lock.providers.insert(name, digest(&bytes));
        }
        Ok(lock)
    }

    /// The content that was accepted for a provider, as SHA-256.
    #[must_use]
    pub fn digest(&self, provider: &str) -> Option<&str> {
        self.providers.get(provider).map(String::as_str)
    }

    /// Every provider with the content that was accepted, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let pairs = self.providers.iter();
        pairs.map(|(name, digest)| (name.as_str(), digest.as_str()))
    }

    /// Where the content that was accepted for a provider came from, if that is known.
    #[must_use]
    pub fn source(&self, provider: &str) -> Option<&Provenance> {
        self.sources.get(provider)
    }

    /// Say where the content that is accepted for a provider came from. Of one that is not
    /// accepted nothing is kept.
    pub fn set_source(&mut self, provider: &str, source: Provenance) {
        if self.providers.contains_key(provider) {
            self.sources.insert(provider.to_owned(), source);
        }
    }

    /// Accept another content for a provider, or none at all. Where it came from is forgotten,
    /// unless it is the content that was accepted before.
    pub fn set(&mut self, provider: &str, digest: Option<&str>) {
        self.version = VERSION;
        if self.digest(provider) != digest {
            self.sources.remove(provider);
        }
        match digest {
            Some(digest) => self
                .providers
                .insert(provider.to_owned(), digest.to_owned()),
            None => self.providers.remove(provider),
        };
    }

    /// Write it, whole or not at all. The same providers make the same bytes.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), LockError> {
        let text = toml::to_string(self).map_err(|error| LockError::Invalid {
            path: path.to_owned(),
            reason: error.to_string(),
        })?;
        let mut beside = path.as_os_str().to_owned();
        beside.push(".new");
        let written = std::fs::File::create(&beside).and_then(|mut file| {
            file.write_all(HEAD.as_bytes())?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            std::fs::rename(&beside, path)
        });
        written.map_err(|reason| file_error(path, reason))
    }
}

fn file_error(path: &Path, reason: io::Error) -> LockError {
    LockError::File {
        path: path.to_owned(),
        reason,
    }
}
