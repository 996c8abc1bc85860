//! What is wrong with a configuration.

use std::env::VarError;
use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{}: cannot be read: {source} (the file is named by {named_by})", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Who named it: `ROOST_CONFIG`, the caller, or the default.
        named_by: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// Something is written that cannot be used: every problem, a line each.
    #[error("{}", lines(.0))]
    Invalid(Vec<Problem>),
    /// A secret's environment variable cannot be read.
    #[error("secret: environment variable {name}: {source}; set it, or name another source")]
    SecretVariable {
        /// The variable.
        name: String,
        /// Why not.
        source: VarError,
    },
    /// A secret's file cannot be read.
    #[error("secret: {}: cannot be read: {source}", path.display())]
    SecretFile {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A secret's command does not give it.
    #[error("secret: command `{program}`: {reason}")]
    SecretCommand {
        /// The program; its arguments are not shown.
        program: String,
        /// Why not. Nothing of what it printed.
        reason: String,
    },
    /// A secret's source is there, and nothing is in it.
    #[error("secret: {from} is empty")]
    EmptySecret {
        /// The source.
        from: String,
    },
}

impl ConfigError {
    /// Problems in the order of their places.
    pub(super) fn invalid(mut problems: Vec<Problem>) -> Self {
        problems.sort_by(|one, other| one.place.cmp(&other.place));
        Self::Invalid(problems)
    }
}

/// One thing that is wrong, where, and how to mend it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where the value comes from.
    pub place: Place,
    /// The key's path, such as `telemetry.batch_config.max_queue_size`; empty where the
    /// file is no TOML.
    pub key: String,
    /// The value as TOML writes it; none where there is none, or where it is a secret.
    pub value: Option<String>,
    /// What it must be.
    pub advice: String,
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// A file.
    File {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The column in characters, from 1.
        column: usize,
    },
    /// An environment variable of this name.
    Variable(String),
    /// Neither: a default, or set by the application.
    Application,
}

/// `roost.toml:4:9: telemetry.level = "loud": must be ...`, so that editors and terminals
/// find the place.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            place,
            key,
            value,
            advice,
        } = self;
        match place {
            Place::File { path, line, column } => {
                write!(f, "{}:{line}:{column}: ", path.display())?;
            }
            Place::Variable(name) => write!(f, "environment variable {name}: ")?,
            Place::Application => {}
        }
        if !key.is_empty() {
            f.write_str(key)?;
            if let Some(value) = value {
                write!(f, " = {value}")?;
            }
            f.write_str(": ")?;
        }
        f.write_str(advice)
    }
}

fn lines(problems: &[Problem]) -> String {
    let lines: Vec<_> = problems.iter().map(Problem::to_string).collect();
    lines.join("\n")
}
