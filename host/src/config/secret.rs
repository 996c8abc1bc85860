//! Secrets: where they come from. They are resolved late, by whoever presents them to a
//! backend, so that a configuration can be shown, logged and written back without one.

mod read;

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
    expecting = "expected a text, `{ env = \"NAME\" }`, `{ file = \"path\" }` or \
                 `{ command = [\"program\", \"argument\"] }`"
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
    /// `{ command = ["program", "argument"] }`: what a program prints, without the line end
    /// after it. It is started without a shell, with the environment and the working folder
    /// of this process, has ten seconds, and may print 64 KiB. What it writes to standard
    /// error is not read.
    Command {
        /// The program, then its arguments.
        command: Vec<String>,
    },
    /// The secret itself.
    Literal(#[serde(serialize_with = "mask")] Secret),
}

impl SecretSource {
    /// The secret, read anew.
    ///
    /// # Errors
    /// The variable is not set, the file cannot be read, the command fails, or there is
    /// nothing in it.
    pub async fn resolve(&self) -> Result<Secret, ConfigError> {
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
                let failed = |source| ConfigError::SecretFile {
                    path: file.clone(),
                    source,
                };
                let text = read::file(file).await.map_err(failed)?;
                (text, format!("file {}", file.display()))
            }
            Self::Command { command } => {
                let program = command.first().map_or("", String::as_str);
                let failed = |reason| ConfigError::SecretCommand {
                    program: program.to_owned(),
                    reason,
                };
                let text = read::command(command).await.map_err(failed)?;
                (text, format!("the output of command {program}"))
            }
        };
        match text.trim_end_matches(['\r', '\n']) {
            "" => Err(ConfigError::EmptySecret { from }),
            secret => Ok(Secret::from(secret)),
        }
    }

    /// Whether another value may be there the next time it is read.
    #[must_use]
    pub const fn may_change(&self) -> bool {
        matches!(self, Self::File { .. } | Self::Command { .. })
    }
}

impl From<Secret> for SecretSource {
    fn from(secret: Secret) -> Self {
        Self::Literal(secret)
    }
}

impl SecretSource {
    pub(super) fn file_mut(&mut self) -> Option<&mut PathBuf> {
        match self {
            Self::File { file } => Some(file),
            Self::Env { .. } | Self::Command { .. } | Self::Literal(_) => None,
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

    fn command(command: &[&str]) -> SecretSource {
        SecretSource::Command {
            command: command.iter().copied().map(str::to_owned).collect(),
        }
    }

    #[tokio::test]
    async fn a_literal_secret_is_never_shown() {
        let source = SecretSource::Literal("sk-1234".into());
        assert!(!format!("{source:?}").contains("sk-1234"));
        assert_eq!(serde_json::to_string(&source).unwrap(), r#""***""#);
        assert_eq!(source.resolve().await.unwrap().expose_secret(), "sk-1234");
    }

    #[tokio::test]
    async fn a_variable_that_is_not_set_is_named() {
        let source = SecretSource::Env {
            env: "ROOST_TEST_NEVER_SET".into(),
        };
        let message = source.resolve().await.unwrap_err().to_string();
        assert!(message.contains("ROOST_TEST_NEVER_SET"), "{message}");
    }

    #[tokio::test]
    async fn a_command_is_run_without_a_shell_and_its_output_is_the_secret() {
        let secret = command(&["printf", "%s\n", "$HOME;x"]).resolve().await;
        assert_eq!(secret.unwrap().expose_secret(), "$HOME;x");
    }

    /// Whatever went wrong, what was printed is not told.
    #[tokio::test]
    async fn a_command_that_fails_is_named_and_its_output_is_not() {
        for (wrong, expected) in [
            (&["/no/such/program", "x"][..], "cannot be started"),
            (&["sh", "-c", "echo sk-1234; exit 3"], "exit status: 3"),
            (&["sh", "-c", "echo sk-1234 >&2; exit 4"], "exit status: 4"),
            (&["sh", "-c", "yes sk-1234"], "more than 65536 bytes"),
            (&["printf", "sk-1234\\377"], "no UTF-8"),
            (&["true"], "is empty"),
        ] {
            let message = command(wrong).resolve().await.unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
            assert!(!message.contains("sk-1234"), "{message}");
        }
    }

    #[test]
    fn a_source_is_one_thing_only() {
        let both = serde_json::from_str::<SecretSource>(r#"{"env": "A", "file": "b"}"#);
        assert!(both.is_err(), "{both:?}");
    }
}
