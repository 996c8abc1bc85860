//! Whether a file may run at all: what is asked of its bytes before anything compiles them.
//!
//! Two questions, and operators choose which are asked. The lock file says which contents
//! were accepted; it lies beside the plugins folder, so that whoever may write to the folder
//! may propose and not accept. A signature says who made the file; it lies in the folder, as
//! `phoenix.wasm.minisig`.

mod lock;
mod signature;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

pub use lock::{LockError, LockFile, LockTurn, Provenance};
use signature::Signatures;

use super::component::digest;
use super::refusal::Refusal;
use crate::config::PluginsConfig;

/// What is asked of the files in one folder.
pub(super) struct Trust {
    folder: PathBuf,
    lock: PathBuf,
    signatures: Signatures,
    /// What there was to judge by when a file was refused.
    refused: Mutex<BTreeMap<String, Evidence>>,
}

/// When the lock file and the signature were written, and how long they are.
type Evidence = [Option<(SystemTime, u64)>; 2];

impl Trust {
    /// The error is the key that is none.
    pub(super) fn new(plugins: &PluginsConfig) -> Result<Self, String> {
        Ok(Self {
            folder: plugins.folder.clone(),
            lock: plugins.lock_file(),
            signatures: Signatures::new(&plugins.trusted_keys, plugins.require_signatures)?,
            refused: Mutex::default(),
        })
    }

    /// Whether the content of a provider's file may be compiled. Blocks on the file system.
    pub(super) fn check(&self, name: &str, bytes: &[u8]) -> Result<(), Refusal> {
        let evidence = self.evidence(name);
        let checked = self
            .check_lock(name, bytes)
            .and_then(|()| self.signatures.check(&self.signature(name), bytes));
        let mut refused = self.refused();
        match checked {
            Ok(()) => refused.remove(name),
            Err(_) => refused.insert(name.to_owned(), evidence),
        };
        checked
    }

    fn check_lock(&self, name: &str, bytes: &[u8]) -> Result<(), Refusal> {
        let lock = match LockFile::read(&self.lock) {
            Ok(Some(lock)) => lock,
            Ok(None) => return Ok(()),
            Err(error) => return Err(Refusal::Lock(error.to_string())),
        };
        let found = digest(bytes);
        match lock.digest(name) {
            Some(accepted) if accepted == found => Ok(()),
            accepted => Err(Refusal::NotLocked {
                name: name.to_owned(),
                lock: self.lock.display().to_string(),
                found,
                accepted: accepted.map(str::to_owned),
            }),
        }
    }

    /// The files that were refused here and about which there is something new, once.
    pub(super) fn reconsider(&self) -> Vec<String> {
        let mut refused = self.refused();
        let names: Vec<_> = refused
            .iter()
            .filter(|(name, before)| self.evidence(name) != **before)
            .map(|(name, _)| name.clone())
            .collect();
        refused.retain(|name, _| !names.contains(name));
        names
    }

    fn evidence(&self, name: &str) -> Evidence {
        [&self.lock, &self.signature(name)].map(|path| {
            let metadata = std::fs::metadata(path).ok()?;
            Some((metadata.modified().ok()?, metadata.len()))
        })
    }

    fn signature(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.wasm.minisig"))
    }

    fn refused(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Evidence>> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Check that nobody else can put native code where this host takes it from. Makes the
/// folder if it is not there. The error says how to mend it.
#[cfg(unix)]
pub(super) fn check_cache(folder: &Path) -> Result<(), String> {
    use std::os::unix::fs::{DirBuilderExt, MetadataExt};

    let shown = folder.display();
    let failed = |error: std::io::Error| format!("the cache folder {shown}: {error}");
    let made = std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder);
    made.map_err(failed)?;
    let metadata = std::fs::metadata(folder).map_err(failed)?;
    let (owner, host) = (metadata.uid(), rustix::process::geteuid().as_raw());
    if owner != host {
        return Err(format!(
            "the cache folder {shown} is user {owner}'s, and this is user {host}. Native code is \
             loaded from it: name a folder of this user's with `cache_folder` under [plugins], such \
             as {shown}/roost"
        ));
    }
    if metadata.mode() & 0o022 != 0 {
        return Err(format!(
            "others may write to the cache folder {shown}, which native code is loaded from: \
             chmod go-w {shown}"
        ));
    }
    Ok(())
}

#[cfg(not(unix))]
pub(super) fn check_cache(_: &Path) -> Result<(), String> {
    Ok(())
}
