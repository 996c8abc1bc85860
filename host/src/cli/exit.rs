//! How a command ends: the exit code, and the one message on standard error.

use std::backtrace::BacktraceStatus;
use std::fmt::Write as _;
use std::process::ExitCode;

use roost::ProviderError;
use roost::check::CheckError;
use roost::config::ConfigError;
use roost::contract::Error;
use roost::copy::CopyError;
use roost::distribution::DistributionError;
use roost::manager::{ManagerError, TenantError};
use roost::plugin::HostError;
use roost::query::{FileError, QueryError};
use roost::serve::ServeError;

use super::{terminal, text};

/// The exit code. `--help` and `docs/cli.md` list them; scripts rely on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exit {
    Fine = 0,
    Failed = 1,
    Usage = 2,
    NotFound = 3,
    Denied = 4,
    /// As a shell says it of what Ctrl-C ended.
    Interrupted = 130,
}

/// What a command itself finds wrong.
#[derive(Debug, thiserror::Error)]
pub(super) enum CommandError {
    /// The arguments cannot be used together, or not at this time.
    #[error("{0}")]
    Usage(String),
    /// What was asked for is not there.
    #[error("{0}")]
    NotFound(String),
    /// Some of what was asked for did not happen, and the answer says which.
    #[error("{0}")]
    Failed(String),
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

impl Exit {
    /// The code of an error: that of the outermost cause that has one.
    pub(super) fn of(error: &anyhow::Error) -> Self {
        error
            .chain()
            .find_map(|cause| {
                if let Some(error) = cause.downcast_ref::<ProviderError>() {
                    return Some(Self::of_provider(error.kind()));
                }
                if let Some(error) = cause.downcast_ref::<QueryError>() {
                    return Some(Self::of_query(error));
                }
                match cause.downcast_ref::<FileError>() {
                    Some(FileError::Provider(error)) => {
                        return Some(Self::of_provider(error.kind()));
                    }
                    Some(FileError::Query(error)) => return Some(Self::of_query(error)),
                    _ => {}
                }
                if let Some(error) = cause.downcast_ref::<CopyError>() {
                    return Some(Self::of_copy(error));
                }
                if let Some(error) = cause.downcast_ref::<DistributionError>() {
                    return Some(Self::of_distribution(error));
                }
                if let Some(CheckError::UnknownRule(_) | CheckError::UnknownConnection(_)) =
                    cause.downcast_ref()
                {
                    return Some(Self::Usage);
                }
                match cause.downcast_ref::<CommandError>() {
                    Some(CommandError::Usage(_)) => return Some(Self::Usage),
                    Some(CommandError::NotFound(_)) => return Some(Self::NotFound),
                    Some(CommandError::Failed(_)) => return Some(Self::Failed),
                    None => {}
                }
                let is_configuration = cause.is::<ConfigError>()
                    || cause.is::<TenantError>()
                    || cause.is::<ServeError>()
                    || matches!(cause.downcast_ref(), Some(HostError::Folder { .. }))
                    || matches!(
                        cause.downcast_ref(),
                        Some(
                            ManagerError::Config(_)
                                | ManagerError::Template(_)
                                | ManagerError::Host(HostError::Folder { .. })
                        )
                    );
                is_configuration.then_some(Self::Usage)
            })
            .unwrap_or(Self::Failed)
    }

    fn of_query(error: &QueryError) -> Self {
        match error {
            QueryError::Statement(_) => Self::Usage,
            QueryError::Provider(error) => Self::of_provider(error.kind()),
            _ => Self::Failed,
        }
    }

    fn of_distribution(error: &DistributionError) -> Self {
        match error {
            DistributionError::Source { .. }
            | DistributionError::Name(_)
            | DistributionError::PlainHttp(_) => Self::Usage,
            DistributionError::NotFound { .. } => Self::NotFound,
            DistributionError::Denied { .. } => Self::Denied,
            _ => Self::Failed,
        }
    }

    fn of_copy(error: &CopyError) -> Self {
        match error {
            CopyError::Provider(error) => Self::of_provider(error.kind()),
            CopyError::NoProject { .. } => Self::NotFound,
            CopyError::Connection(_) | CopyError::OntoItself(_) | CopyError::WhichProject(_) => {
                Self::Usage
            }
            _ => Self::Failed,
        }
    }

    fn of_provider(error: &Error) -> Self {
        match error {
            Error::InvalidArgument(_) => Self::Usage,
            Error::NotFound(_) => Self::NotFound,
            Error::Unauthenticated(_) | Error::PermissionDenied(_) => Self::Denied,
            _ => Self::Failed,
        }
    }
}

/// Tell a person what went wrong.
pub(super) fn report(error: &anyhow::Error) {
    let label = terminal::paint(terminal::BAD, "error:");
    match error.chain().find_map(problems) {
        // Each on its own line and from its first column, where editors look for places.
        Some(problems) => {
            terminal::note(&format!(
                "{label} the configuration cannot be used\n{problems}"
            ));
        }
        None => terminal::note(&format!("{label} {}", message(error))),
    }
    if error.backtrace().status() == BacktraceStatus::Captured {
        terminal::note(&error.backtrace().to_string());
    }
}

/// The problems of a configuration, a line each.
fn problems(cause: &(dyn std::error::Error + 'static)) -> Option<String> {
    let error = match cause.downcast_ref::<ManagerError>() {
        Some(ManagerError::Config(error)) => error,
        _ => cause.downcast_ref::<ConfigError>()?,
    };
    let ConfigError::Invalid(problems) = error else {
        return None;
    };
    let lines: Vec<String> = problems
        .iter()
        .map(|problem| text::visible(&problem.to_string()).into_owned())
        .collect();
    Some(lines.join("\n"))
}

/// The causes of an error in one sentence. Many errors already tell their cause in their
/// own words, so what was said is not said again.
fn message(error: &anyhow::Error) -> String {
    let mut message = String::new();
    for cause in error.chain() {
        let part = cause.to_string();
        if message.is_empty() {
            message = part;
        } else if !message.contains(&part) {
            let _ = write!(message, ": {part}");
        }
    }
    // Parts of it come from a backend.
    text::visible(&message).into_owned()
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    #[test]
    fn a_cause_that_was_told_is_not_told_again() {
        #[derive(Debug, thiserror::Error)]
        #[error("the file cannot be read: {source}")]
        struct Read {
            source: std::io::Error,
        }
        let error = anyhow!(Read {
            source: std::io::Error::other("disk on fire"),
        });
        assert_eq!(
            message(&error.context("no providers")),
            "no providers: the file cannot be read: disk on fire"
        );
    }

    #[test]
    fn a_backend_cannot_steer_the_terminal_through_an_error() {
        assert!(!message(&anyhow!("a\x1b[2Jb")).contains('\x1b'));
    }

    #[test]
    fn the_code_says_what_kind_of_end_it_was() {
        let missing = anyhow!(CommandError::NotFound("x".to_owned()));
        assert_eq!(Exit::of(&missing.context("while looking")), Exit::NotFound);
        assert_eq!(Exit::of(&anyhow!("anything")), Exit::Failed);
        let template = ConfigError::Invalid(Vec::new());
        assert_eq!(
            Exit::of(&anyhow!(ManagerError::from(template))),
            Exit::Usage
        );
        for (error, exit) in [
            (Error::NotFound(String::new()), Exit::NotFound),
            (Error::Unauthenticated(String::new()), Exit::Denied),
            (Error::PermissionDenied(String::new()), Exit::Denied),
            (Error::InvalidArgument(String::new()), Exit::Usage),
            (Error::Unavailable(String::new()), Exit::Failed),
        ] {
            assert_eq!(Exit::of_provider(&error), exit, "{error:?}");
        }
    }
}
