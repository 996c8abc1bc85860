//! Secrets: where they come from. They are resolved late, by whoever presents them to a
//! backend, so that a configuration can be shown, logged and written back without one.

use std::path::PathBuf;

pub use secrecy::{ExposeSecret, SecretString as Secret};
use serde::{Deserialize, Serialize, Serializer};

use super::ConfigError;

/// What a literal secret is written back as.
pub(super) const MASK: &str = "***";

/// Where a secret comes from. Neither `Debug` nor `Serialize` shows a literal one: it is
/// written back as `***`, which [`Config::validate`](super::Config::validate) refuses, so
/// a configuration that lost its secret that way does not go unnoticed.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(
    untagged,
    deny_unknown_fields,
    expecting = "expected a text, `{ env = \"NAME\" }` or `{ file = \"path\" }`"
)]
pub enum SecretSource {
    /// `{ env = "NAME" }`: the environment variable of that name.
    Env {
        /// The variable's name.
        env: String,
    },
    /// `{ file = "path" }`: the content of a file, without the line end after it. A path in
    /// a configuration file is relative to that file.
    File {
        /// The file's path.
        file: PathBuf,
    },
    /// The secret itself.
    Literal(#[serde(serialize_with = "mask")] Secret),
}

impl SecretSource {
    /// The secret.
    ///
    /// # Errors
    /// The variable is not set, the file cannot be read, or there is nothing in it.
    pub fn resolve(&self) -> Result<Secret, ConfigError> {
        let (text, from) = match self {
            Self::Literal(secret) => return Ok(secret.clone()),
            Self::Env { env } => {
                let text = std::env::var(env).map_err(|source| ConfigError::SecretVariable {
                    name: env.clone(),
                    source,
                })?;
                (text, format!("environment variable {env}"))
            }
            Self::File { file } => {
                let text =
                    std::fs::read_to_string(file).map_err(|source| ConfigError::SecretFile {
                        path: file.clone(),
                        source,
                    })?;
                (text, format!("file {}", file.display()))
            }
        };
        match text.trim_end_matches(['\r', '\n']) {
            "" => Err(ConfigError::EmptySecret { from }),
            secret => Ok(Secret::from(secret)),
        }
    }
}

impl SecretSource {
    pub(super) fn file_mut(&mut self) -> Option<&mut PathBuf> {
        match self {
            Self::File { file } => Some(file),
            Self::Env { .. } | Self::Literal(_) => None,
        }
    }
}

fn mask<S: Serializer>(_: &Secret, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(MASK)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_literal_secret_is_never_shown() {
        let source = SecretSource::Literal("sk-1234".into());
        assert!(!format!("{source:?}").contains("sk-1234"));
        assert_eq!(serde_json::to_string(&source).unwrap(), r#""***""#);
        assert_eq!(source.resolve().unwrap().expose_secret(), "sk-1234");
    }

    #[test]
    fn a_variable_that_is_not_set_is_named() {
        let source = SecretSource::Env {
            env: "ROOST_TEST_NEVER_SET".into(),
        };
        let message = source.resolve().unwrap_err().to_string();
        assert!(message.contains("ROOST_TEST_NEVER_SET"), "{message}");
    }

    #[test]
    fn a_source_is_one_thing_only() {
        let both = serde_json::from_str::<SecretSource>(r#"{"env": "A", "file": "b"}"#);
        assert!(both.is_err(), "{both:?}");
    }
}
