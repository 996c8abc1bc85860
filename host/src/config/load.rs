//! Finding the file, and doing all that comes after in order.

use std::path::{Path, PathBuf};

use super::{Config, ConfigError, document};

/// The variable that names the file.
pub const CONFIG_VARIABLE: &str = "ROOST_CONFIG";

/// The file that is looked for in the working folder.
pub const CONFIG_FILE: &str = "roost.toml";

impl Config {
    /// Reads the configuration of this process: the file at `path`, else the one that
    /// `ROOST_CONFIG` names, else `roost.toml` in the working folder if it is there, else the
    /// defaults; then the environment over it; then [`validate`](Self::validate).
    ///
    /// # Errors
    /// The file is named and cannot be read, or something in it or in the environment
    /// cannot be used; the error has every problem.
    pub fn load(path: Option<&Path>) -> Result<Self, ConfigError> {
        Self::load_from(path, Path::new(""), |name| {
            // A value that is no Unicode is shown as such in an error rather than ignored.
            std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
        })
    }

    /// As [`load`](Self::load), with another working folder and another environment.
    ///
    /// # Errors
    /// As of [`load`](Self::load).
    pub fn load_from(
        path: Option<&Path>,
        folder: &Path,
        env: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, ConfigError> {
        let named = env(CONFIG_VARIABLE).filter(|path| !path.is_empty());
        let found = match (path, named) {
            (Some(path), _) => Some((folder.join(path), "the command or its caller")),
            (None, Some(path)) => Some((folder.join(path), CONFIG_VARIABLE)),
            (None, None) => Some((folder.join(CONFIG_FILE), "default"))
                .filter(|(path, _)| path.try_exists().unwrap_or(true)),
        };
        let mut config = match found {
            Some((path, named_by)) => Self::read(path, named_by)?,
            None => Self::default(),
        };
        match (config.apply_env(env), config.validate()) {
            (Ok(()), Ok(())) => Ok(config),
            (Err(ConfigError::Invalid(mut all)), Err(ConfigError::Invalid(more))) => {
                all.extend(more);
                Err(ConfigError::invalid(all))
            }
            (Err(error), _) | (_, Err(error)) => Err(error),
        }
    }

    /// Reads a configuration from a text, neither with the environment nor validated.
    /// `origin` is the file's path: messages name it, and relative paths in the text are
    /// relative to its folder.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] where the text is no TOML, a key is unknown, or a value is of
    /// the wrong type; with every such place.
    pub fn from_toml(text: &str, origin: impl AsRef<Path>) -> Result<Self, ConfigError> {
        let path = origin.as_ref();
        let (mut config, origin) = document::read(text, path)?;
        config.origin = origin;
        if let Some(folder) = path.parent() {
            config.anchor(folder);
        }
        Ok(config)
    }

    fn read(path: PathBuf, named_by: &'static str) -> Result<Self, ConfigError> {
        match std::fs::read_to_string(&path) {
            Ok(text) => Self::from_toml(&text, path),
            Err(source) => Err(ConfigError::Read {
                path,
                named_by,
                source,
            }),
        }
    }

    /// Makes relative paths relative to a folder. The empty path stays: it is a mistake,
    /// and validation says so.
    fn anchor(&mut self, folder: &Path) {
        let plugins = &mut self.plugins;
        let secrets = self
            .connections
            .iter_mut()
            .flat_map(|connection| {
                let database = connection.database.as_mut();
                connection.secrets.values_mut().chain(database)
            })
            .filter_map(|secret| secret.file_mut());
        let paths = std::iter::once(&mut plugins.folder)
            .chain(plugins.cache_folder.as_mut())
            .chain(plugins.lock_file.as_mut())
            .chain(self.telemetry.spool.folder.as_mut())
            .chain(self.database.folder.as_mut())
            .chain(secrets)
            .chain(self.serve.paths_mut())
            .chain(self.redaction.path_mut());
        for path in paths.filter(|path| !path.as_os_str().is_empty()) {
            *path = folder.join(&*path);
        }
    }
}
