//! A plugin folder of a test's own, and the ways in which files come into one.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tempfile::TempDir;

/// An empty plugin folder, removed when dropped. The name of a plugin is its file's
/// stem: `phoenix` lies in `phoenix.wasm`.
#[derive(Debug)]
pub struct PluginFolder {
    folder: TempDir,
}

impl PluginFolder {
    /// An empty folder.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn new() -> Result<Self> {
        let folder = TempDir::with_prefix("roost-plugins-")?;
        Ok(Self { folder })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Where the plugin of this name is, or would be.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.path().join(name).with_extension("wasm")
    }

    /// Put a component in place of the plugin of this name, as a careful operator does:
    /// written beside it and renamed, so that nobody ever sees half of it.
    ///
    /// # Errors
    /// When a file cannot be read or written.
    pub fn install(&self, name: &str, component: &Path) -> Result<()> {
        self.install_bytes(name, &read(component)?)
    }

    /// [`PluginFolder::install`] from memory.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn install_bytes(&self, name: &str, content: &[u8]) -> Result<()> {
        let beside = self.path().join(format!(".{name}.new"));
        fs::write(&beside, content)?;
        fs::rename(&beside, self.file(name))?;
        Ok(())
    }

    /// Leave the first half of a component under this name, as a copy that was cut short.
    /// Written in place: the file that was there is the one that breaks.
    ///
    /// # Errors
    /// When a file cannot be read or written.
    pub fn truncate(&self, name: &str, component: &Path) -> Result<()> {
        let content = read(component)?;
        let half = content.get(..content.len() / 2).unwrap_or_default();
        Ok(fs::write(self.file(name), half)?)
    }

    /// Write something under this name that is no WebAssembly at all.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn garbage(&self, name: &str) -> Result<()> {
        Ok(fs::write(self.file(name), "not a component, just words\n")?)
    }

    /// Take the plugin of this name away.
    ///
    /// # Errors
    /// When it is not there.
    pub fn remove(&self, name: &str) -> Result<()> {
        Ok(fs::remove_file(self.file(name))?)
    }
}

fn read(component: &Path) -> Result<Vec<u8>> {
    fs::read(component).with_context(|| format!("cannot read {}", component.display()))
}
