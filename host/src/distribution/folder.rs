//! The last step: into the plugins folder, and out of it again, with the lock file in step.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::error::DistributionError;
use super::fetch::Fetched;
use super::source::Source;
use crate::config::PluginsConfig;
use crate::plugin::{LockFile, Provenance};

/// A content that is in the folder now.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Placed {
    /// Its file.
    pub file: PathBuf,
    /// The digest that was accepted before, if one was.
    pub before: Option<String>,
    /// Whether there was no lock file: then all that is in the folder was accepted with it.
    pub lock_is_new: bool,
}

/// Put a content into the plugins folder as the provider `name`, accepted in the lock file with
/// where it came from. Where there is no lock file, it is made, and accepts what is in the folder.
/// Blocks on the file system.
///
/// The file appears at once and whole, after the lock file and its signature: a host that looks at
/// any moment sees the one before or this one, and never half of either. Of several that place
/// contents at once, in this process or others, each waits for its turn.
///
/// # Errors
/// A file cannot be written, or the lock file cannot be used; then the lock file is as it was.
pub fn place(
    plugins: &PluginsConfig,
    name: &str,
    fetched: &Fetched,
    source: &Source,
) -> Result<Placed, DistributionError> {
    let folder = &plugins.folder;
    let file = file_of(folder, name)?;
    std::fs::create_dir_all(folder).map_err(|error| DistributionError::file(folder, error))?;
    let _turn = LockFile::turn(folder)?;
    let path = plugins.lock_file();
    let before = LockFile::read(&path)?;
    let lock_is_new = before.is_none();
    let mut lock = match &before {
        Some(lock) => lock.clone(),
        None => LockFile::of_folder(folder)?,
    };
    let accepted = lock.digest(name).map(str::to_owned);
    lock.set(name, Some(&fetched.digest()));
    let from = absolute(source);
    lock.set_source(
        name,
        Provenance {
            from: from.to_string(),
            manifest: fetched.manifest.clone(),
        },
    );

    let content = staged(folder, &fetched.bytes)?;
    let signature = beside(&file, "minisig");
    let signed = match &fetched.signature {
        Some(text) => Some(staged(folder, text.as_bytes())?),
        None => None,
    };
    lock.write(&path)?;
    let renamed = match signed {
        Some(signed) => rename(signed, &signature),
        None => gone(&signature),
    }
    .and_then(|()| rename(content, &file));
    if let Err(error) = renamed {
        match before {
            Some(before) => before.write(&path)?,
            None => gone(&path).map_err(|error| DistributionError::file(path, error))?,
        }
        return Err(DistributionError::file(file, error));
    }
    Ok(Placed {
        file,
        before: accepted,
        lock_is_new,
    })
}

/// Take a provider out of the plugins folder, with its signature, what the lock file has accepted
/// of it and where it came from. Returned is whether there was anything. Blocks on the file system.
///
/// # Errors
/// A file cannot be removed, or the lock file cannot be used.
pub fn remove(plugins: &PluginsConfig, name: &str) -> Result<bool, DistributionError> {
    let file = file_of(&plugins.folder, name)?;
    let _turn = match plugins.folder.exists() {
        true => Some(LockFile::turn(&plugins.folder)?),
        false => None,
    };
    let path = plugins.lock_file();
    let lock = LockFile::read(&path)?;
    let was_there = file.exists();
    for file in [file.clone(), beside(&file, "minisig")] {
        gone(&file).map_err(|error| DistributionError::file(file, error))?;
    }
    match lock {
        Some(mut lock) if lock.digest(name).is_some() => {
            lock.set(name, None);
            lock.write(&path)?;
            Ok(true)
        }
        _ => Ok(was_there),
    }
}

/// Where the provider `name` is in a plugins folder, or would be.
///
/// # Errors
/// It cannot be a provider's name.
pub fn file_of(folder: &Path, name: &str) -> Result<PathBuf, DistributionError> {
    const MAX_CHARS: usize = 64;
    let is_fit = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let begins = name.bytes().next();
    match begins.is_some_and(|byte| byte.is_ascii_alphanumeric())
        && name.len() <= MAX_CHARS
        && name.bytes().all(is_fit)
    {
        true => Ok(folder.join(format!("{name}.wasm"))),
        false => Err(DistributionError::Name(name.to_owned())),
    }
}

/// A path means the same wherever it is read again.
fn absolute(source: &Source) -> Source {
    match source {
        Source::Path { path, digest } => Source::Path {
            path: std::path::absolute(path).unwrap_or_else(|_| path.clone()),
            digest: digest.clone(),
        },
        other => other.clone(),
    }
}

fn beside(file: &Path, ending: &str) -> PathBuf {
    let mut path = file.as_os_str().to_owned();
    path.push(".");
    path.push(ending);
    path.into()
}

fn gone(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// A hidden file in the folder, which hosts pass over; dropped, it goes. It is nobody's that was
/// there before, and as readable as others.
fn staged(folder: &Path, content: &[u8]) -> Result<NamedTempFile, DistributionError> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".roost-");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let written = builder.tempfile_in(folder).and_then(|mut file| {
        file.write_all(content)?;
        file.as_file().sync_all()?;
        Ok(file)
    });
    written.map_err(|error| DistributionError::file(folder, error))
}

fn rename(staged: NamedTempFile, to: &Path) -> io::Result<()> {
    staged.persist(to).map_err(|error| error.error)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use tempfile::TempDir;

    use super::*;

    #[test]
    fn several_at_once_are_all_accepted() {
        const PROVIDERS: usize = 16;
        let folder = TempDir::new().unwrap();
        let plugins = PluginsConfig {
            folder: folder.path().join("plugins"),
            lock_file: Some(folder.path().join("providers.lock")),
            ..PluginsConfig::default()
        };
        let names: Vec<_> = (0..PROVIDERS).map(|n| format!("provider-{n:02}")).collect();
        std::thread::scope(|scope| {
            for name in &names {
                let (plugins, source) = (
                    &plugins,
                    Source::Path {
                        path: name.into(),
                        digest: None,
                    },
                );
                scope.spawn(move || {
                    let fetched = Fetched {
                        bytes: name.clone().into(),
                        signature: None,
                        manifest: None,
                    };
                    place(plugins, name, &fetched, &source).unwrap();
                });
            }
        });
        let lock = LockFile::read(&plugins.lock_file()).unwrap().unwrap();
        assert!(lock.iter().map(|(name, _)| name).eq(&names));
        assert_eq!(lock, {
            let mut found = LockFile::of_folder(&plugins.folder).unwrap();
            for name in &names {
                found.set_source(name, lock.source(name).unwrap().clone());
            }
            found
        });
    }
}
