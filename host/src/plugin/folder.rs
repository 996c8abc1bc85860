//! The plugins folder as it is on disk: which files are there and which have changed.
//!
//! Content decides: a file that was touched or renamed onto itself is no change. The
//! folder is read, never a single file, because editors rename and Kubernetes swaps a
//! symbolic link to the whole.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::component::digest;

/// What differs from the look before.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// Files that are new or have another content: the provider's name and the bytes.
    pub(super) changed: Vec<(String, io::Result<Vec<u8>>)>,
    /// Providers whose file is gone.
    pub(super) removed: Vec<String>,
    /// Those that are there because they come with Roost, and not in the folder itself.
    pub(super) shipped: BTreeSet<String>,
}

/// What was seen of the folder so far.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    /// Where the providers are that come with Roost. The folder's own stand over them.
    shipped: Option<PathBuf>,
    seen: BTreeMap<String, Seen>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    stamp: Option<Stamp>,
    digest: Option<String>,
}

/// Differs whenever the content may differ; spares reading files that did not change.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    length: u64,
    inode: u64,
}

impl Folder {
    pub(super) fn new(path: PathBuf, shipped: Option<PathBuf>) -> Self {
        Self {
            path,
            shipped,
            seen: BTreeMap::new(),
        }
    }

    /// Forget what was seen of a provider's file, so that the next look finds it changed.
    pub(super) fn forget(&mut self, name: &str) {
        if let Some(seen) = self.seen.get_mut(name) {
            *seen = Seen {
                stamp: None,
                digest: None,
            };
        }
    }

    /// The files that could be providers, by name.
    fn providers(&self, shipped: &mut BTreeSet<String>) -> io::Result<BTreeMap<String, PathBuf>> {
        let mut found = match (providers(&self.path), &self.shipped) {
            // Who has made no folder has the providers that come with Roost.
            (Err(error), Some(_)) if error.kind() == io::ErrorKind::NotFound => BTreeMap::new(),
            (found, _) => found?,
        };
        if let Some(folder) = &self.shipped {
            for (name, path) in providers(folder)? {
                if let Entry::Vacant(free) = found.entry(name) {
                    shipped.insert(free.key().clone());
                    free.insert(path);
                }
            }
        }
        Ok(found)
    }

    /// Compare the folder with what was seen before. Blocks on the file system.
    pub(super) fn look(&mut self) -> io::Result<Changes> {
        let mut changes = Changes::default();
        let mut now = BTreeMap::new();
        for (name, path) in self.providers(&mut changes.shipped)? {
            let before = self.seen.remove(&name);
            let stamp = stamp(&path).ok();
            if let Some(before) = &before
                && before.stamp == stamp
            {
                now.insert(name, before.clone());
                continue;
            }
            let bytes = std::fs::read(&path);
            let digest = bytes.as_ref().ok().map(|bytes| digest(bytes));
            // Without a digest the file could not be read: said once, tried again each time.
            let stamp = stamp.filter(|_| digest.is_some());
            let seen = Seen { stamp, digest };
            if before.is_none_or(|before| before.digest != seen.digest) {
                changes.changed.push((name.clone(), bytes));
            }
            now.insert(name, seen);
        }
        let gone = std::mem::replace(&mut self.seen, now);
        changes.removed = gone.into_keys().collect();
        Ok(changes)
    }
}

/// The files that could be providers, by name: `phoenix.wasm` is `phoenix`. Hidden files
/// are what editors and downloads leave while they work.
pub(super) fn providers(folder: &Path) -> io::Result<BTreeMap<String, PathBuf>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let is_component = path
            .extension()
            .is_some_and(|extension| extension == "wasm");
        if let Some(name) = path.file_stem().and_then(|stem| stem.to_str())
            && is_component
            && !name.starts_with('.')
        {
            found.insert(name.to_owned(), path);
        }
    }
    Ok(found)
}

fn stamp(path: &Path) -> io::Result<Stamp> {
    let metadata = std::fs::metadata(path)?;
    Ok(Stamp {
        modified: metadata.modified().ok(),
        length: metadata.len(),
        inode: inode(&metadata),
    })
}

#[cfg(unix)]
fn inode(metadata: &std::fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(metadata)
}

#[cfg(not(unix))]
fn inode(_: &std::fs::Metadata) -> u64 {
    0
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn look(folder: &mut Folder) -> (Vec<String>, Vec<String>) {
        let changes = folder.look().unwrap();
        let changed = changes.changed.into_iter().map(|(name, _)| name);
        (changed.collect(), changes.removed)
    }

    #[test]
    fn content_is_what_changes() {
        let path = std::env::temp_dir().join(format!("roost-folder-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        let mut folder = Folder::new(path.clone(), None);
        let nothing = (Vec::new(), Vec::new());
        let changed = (vec!["one".to_owned()], Vec::new());
        for hidden in [".two.wasm", "three.txt"] {
            std::fs::write(path.join(hidden), "x").unwrap();
        }

        std::fs::write(path.join("one.wasm"), "first").unwrap();
        assert_eq!(look(&mut folder), changed);
        assert_eq!(look(&mut folder), nothing);
        std::fs::remove_file(path.join("one.wasm")).unwrap();
        std::fs::write(path.join("one.wasm"), "first").unwrap();
        assert_eq!(look(&mut folder), nothing);
        std::fs::write(path.join("one.wasm"), "second").unwrap();
        assert_eq!(look(&mut folder), changed);
        folder.forget("one");
        assert_eq!(look(&mut folder), changed);
        std::fs::remove_file(path.join("one.wasm")).unwrap();
        assert_eq!(look(&mut folder), (Vec::new(), vec!["one".to_owned()]));

        let own = path.join("own");
        let mut folder = Folder::new(own.clone(), Some(path.clone()));
        std::fs::write(path.join("two.wasm"), "shipped").unwrap();
        let found = folder.look().unwrap();
        assert_eq!((found.changed.len(), found.shipped.len()), (1, 1));
        std::fs::create_dir(&own).unwrap();
        std::fs::write(own.join("two.wasm"), "own").unwrap();
        let found = folder.look().unwrap();
        assert_eq!((found.changed.len(), found.shipped.len()), (1, 0));
        std::fs::remove_dir_all(path).unwrap();
    }
}
