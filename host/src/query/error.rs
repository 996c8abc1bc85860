//! What goes wrong between spans, frames and questions.

use arrow::error::ArrowError;

use crate::contract::ProviderError;

/// Why rows did not become a frame, or a frame no rows.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// The spans have too many different attributes for a column each.
    #[error(
        "the spans have more than {limit} different attributes; name the ones to keep in the \
         query's projection"
    )]
    TooWide {
        /// The most columns of attributes.
        limit: usize,
    },
    /// More text than a column of one batch can hold.
    #[error("column `{column}` has more than 2 GiB of text in one batch; ask for fewer rows")]
    TooLong {
        /// The column.
        column: String,
    },
    /// A column that is needed is not there.
    #[error("there is no column {wanted}; there are: {present}")]
    MissingColumn {
        /// The name, or the names one of which is needed.
        wanted: String,
        /// The columns of the frame.
        present: String,
    },
    /// A row that cannot be used.
    #[error("row {row}: {why}")]
    BadRow {
        /// Its number, from 1.
        row: usize,
        /// What is wrong with it.
        why: String,
    },
    /// A column of a type that cannot be used.
    #[error("column `{column}`: {why}")]
    BadColumn {
        /// The column.
        column: String,
        /// What is wrong with it.
        why: String,
    },
    /// Arrow itself refused.
    #[error("the frame cannot be made: {0}")]
    Arrow(#[from] ArrowError),
}

/// What is wrong with a filter or a statement.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SyntaxError {
    /// It is longer or deeper than anything a person writes.
    #[error("it is too long: {what}; the most is {limit}")]
    TooLong {
        /// What there is too much of.
        what: &'static str,
        /// The most of it.
        limit: usize,
    },
    /// It is no SQL. The message says where, if that is known.
    #[error("it cannot be read: {0}")]
    Syntax(String),
    /// It names a column that spans do not have.
    #[error("there is no column `{name}`{}{hint}", place(*line, *column))]
    UnknownColumn {
        /// The name as written.
        name: String,
        /// The line, from 1; 0 where unknown.
        line: u64,
        /// The column in the line, from 1; 0 where unknown.
        column: u64,
        /// What may have been meant, as a clause that goes on from the name.
        hint: String,
    },
    /// It names a table that is not there.
    #[error("there is no table `{name}`; there is {there}")]
    UnknownTable {
        /// As it is written.
        name: String,
        /// What there is.
        there: String,
    },
    /// It asks for something that is not offered.
    #[error("{0}")]
    Refused(String),
    /// It reads as SQL and makes no sense, such as text plus a number.
    #[error("it cannot be planned: {0}")]
    Plan(String),
}

fn place(line: u64, column: u64) -> String {
    match line {
        0 => String::new(),
        1 => format!(" (at character {column})"),
        _ => format!(" (at line {line}, character {column})"),
    }
}

/// A filter that cannot be used: the filter, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("filter `{filter}`: {why}")]
pub struct FilterError {
    /// The filter as it was written; the beginning of a long one.
    pub filter: String,
    /// What is wrong with it.
    #[source]
    pub why: SyntaxError,
}

/// What the execution of a statement ended in.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum QueryError {
    /// The statement itself is wrong.
    #[error("the statement is not usable: {0}")]
    Statement(#[from] SyntaxError),
    /// The provider failed while spans were read.
    #[error(transparent)]
    Provider(#[from] ProviderError),
    /// More memory is needed than was granted.
    #[error(
        "the statement needs more memory than `memory_limit` ({limit} bytes) and cannot spill \
         the rest: {why}"
    )]
    OutOfMemory {
        /// The limit in bytes.
        limit: usize,
        /// What needed it.
        why: String,
    },
    /// It took longer than was granted.
    #[error("the statement took longer than `deadline` ({} s)", .after.as_secs_f64())]
    Deadline {
        /// The time that was granted.
        after: std::time::Duration,
    },
    /// A row on which an operation is not defined, such as a division by zero.
    #[error("the statement failed: {0}")]
    Failed(String),
}
