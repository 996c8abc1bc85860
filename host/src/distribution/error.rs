//! What can go wrong between here and where a provider is.

use std::error::Error;
use std::fmt::Display;
use std::path::PathBuf;

use oci_client::errors::{OciDistributionError, OciErrorCode};

use crate::plugin::{HostError, LockError, Refusal};

/// Why a provider was not fetched, accepted, put into the folder or published. The message says
/// what, where and how to mend it, and has no password in it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DistributionError {
    /// The text is no source.
    #[error("`{text}` is no place to take a provider from: {reason}")]
    Source {
        /// What was written.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The name cannot be a provider's, which is its file's.
    #[error(
        "`{0}` cannot be a provider's name: write letters, digits, `-`, `_` and `.`, beginning \
         with a letter or digit, 64 at most; --name gives it one"
    )]
    Name(String),
    /// It would go over the network as plain text.
    #[error(
        "{0} would be asked without TLS, and everybody on the way could put something else in its \
         place. Where that is what you want, say --plain-http"
    )]
    PlainHttp(String),
    /// There is no such thing.
    #[error("{place} is not there: {reason}")]
    NotFound {
        /// The source.
        place: String,
        /// What the server said.
        reason: String,
    },
    /// The server wants another credential.
    #[error("{place} does not let us in: {reason}")]
    Denied {
        /// The source.
        place: String,
        /// What the server said.
        reason: String,
    },
    /// The server cannot be reached, or did not answer as it should.
    #[error("{place} cannot be asked: {reason}")]
    Unavailable {
        /// The source.
        place: String,
        /// What happened.
        reason: String,
    },
    /// The server sends us to another one.
    #[error(
        "{from} sends to {to}, which is another server. Where you trust that one, write its \
         address; or pin the content, whoever sends it: {from}@sha256:..."
    )]
    Elsewhere {
        /// What was asked for.
        from: String,
        /// Where it is said to be.
        to: String,
    },
    /// It is larger than a provider may be.
    #[error("{place} has more than {limit} bytes, which is the most that a provider may have")]
    TooLarge {
        /// The source.
        place: String,
        /// The limit, in bytes.
        limit: usize,
    },
    /// The content is not the one that was asked for.
    #[error(
        "{place} gave sha256:{found}, and sha256:{expected} was asked for. It was changed, or \
         damaged on the way; nothing of it was kept"
    )]
    Digest {
        /// The source.
        place: String,
        /// The SHA-256 that was asked for.
        expected: String,
        /// What came.
        found: String,
    },
    /// The artifact of a registry is something else.
    #[error("{place} is no provider: {reason}. Publish providers with `roost providers push`")]
    NotAProvider {
        /// The source.
        place: String,
        /// What it is.
        reason: String,
    },
    /// A host would not serve it.
    #[error("{place} is refused: {refusal}")]
    Refused {
        /// The source.
        place: String,
        /// Why.
        refusal: Refusal,
    },
    /// The registry does not say which repositories it has.
    #[error(
        "{registry} does not list its repositories: {reason}. Many public registries do not; name \
         a repository, and its tags are listed: oci://{registry}/REPOSITORY"
    )]
    NoCatalog {
        /// The registry.
        registry: String,
        /// What it said.
        reason: String,
    },
    /// A file cannot be read or written.
    #[error("{}: {reason}", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What the file system said.
        reason: std::io::Error,
    },
    /// The lock file cannot be used.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// It cannot be tried out.
    #[error(transparent)]
    Host(#[from] HostError),
}

impl DistributionError {
    pub(super) fn source(text: &str, reason: impl Display) -> Self {
        Self::Source {
            text: text.to_owned(),
            reason: reason.to_string(),
        }
    }

    pub(super) fn file(path: impl Into<PathBuf>, reason: std::io::Error) -> Self {
        let path = path.into();
        match reason.kind() {
            std::io::ErrorKind::NotFound => Self::NotFound {
                place: path.display().to_string(),
                reason: reason.to_string(),
            },
            _ => Self::File { path, reason },
        }
    }

    pub(super) fn unavailable(place: impl Display, reason: impl Display) -> Self {
        Self::Unavailable {
            place: place.to_string(),
            reason: reason.to_string(),
        }
    }

    /// What a registry, or the way to it, said. Its own words are kept; those of the client say
    /// addresses again and again.
    pub(super) fn registry(place: impl Display, error: &OciDistributionError) -> Self {
        let place = place.to_string();
        let denied = |place: String, reason: &str| Self::Denied {
            place,
            reason: format!(
                "{reason}; the credential is the one that `docker login` keeps, if any"
            ),
        };
        match error {
            OciDistributionError::UnauthorizedError { .. } => {
                denied(place, "it answers 401 Unauthorized")
            }
            OciDistributionError::AuthenticationFailure(_) => {
                denied(place, "the credential is not accepted")
            }
            OciDistributionError::RegistryError { envelope, .. } => {
                let said = |code: &[OciErrorCode]| {
                    let mut errors = envelope.errors.iter();
                    errors.any(|error| code.contains(&error.code))
                };
                let messages = envelope.errors.iter().map(|error| match &*error.message {
                    "" => format!("{:?}", error.code),
                    message => message.to_owned(),
                });
                let reason = messages.collect::<Vec<_>>().join(", ");
                if said(&[OciErrorCode::Unauthorized, OciErrorCode::Denied]) {
                    denied(place, &reason)
                } else if said(&[
                    OciErrorCode::ManifestUnknown,
                    OciErrorCode::NameUnknown,
                    OciErrorCode::NotFound,
                    OciErrorCode::BlobUnknown,
                    OciErrorCode::Unsupported,
                ]) {
                    Self::NotFound { place, reason }
                } else {
                    Self::Unavailable { place, reason }
                }
            }
            OciDistributionError::ServerError { code, message, .. } => {
                Self::status(place, *code, message)
            }
            OciDistributionError::RequestError(error) => Self::Unavailable {
                place,
                reason: cause(error),
            },
            other => Self::Unavailable {
                place,
                reason: cause(other),
            },
        }
    }

    /// An answer that is not what was asked for, and the beginning of what it says.
    pub(super) fn status(place: String, status: u16, said: &str) -> Self {
        const MAX_CHARS: usize = 200;
        let said: String = said.trim().chars().take(MAX_CHARS).collect();
        let reason = match said.as_str() {
            "" => format!("it answers {status}"),
            said => format!("it answers {status}: {said}"),
        };
        match status {
            401 | 403 => Self::Denied { place, reason },
            404 | 405 | 410 => Self::NotFound { place, reason },
            _ => Self::Unavailable { place, reason },
        }
    }
}

/// The innermost cause of an error: the only one that says what happened.
pub(super) fn cause(error: &(dyn Error + 'static)) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
