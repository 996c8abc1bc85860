//! How a rule says what it expects.

use std::fmt::Debug;

use serde_json::Value;

use super::rule::{Finding, Outcome};
use super::trial::Trial;
use crate::contract::{Error, StatusCode};
use crate::plugin::error_name;

/// Fail a rule, as `format!` says, unless something holds.
macro_rules! ensure {
    ($holds:expr, $($message:tt)+) => {
        if !$holds {
            return Err($crate::check::rule::Finding::Wrong(format!($($message)+)));
        }
    };
}
pub(super) use ensure;

/// The rule is broken, and this is how.
pub(super) fn wrong(what: impl Into<String>) -> Finding {
    Finding::Wrong(what.into())
}

/// The rule says nothing about this provider, and this is why.
pub(super) fn skip(why: impl Into<String>) -> Finding {
    Finding::Skipped(why.into())
}

/// The call `what` has to end in the error `expected`.
pub(super) fn expect_error<T: Debug>(
    what: &str,
    answer: Result<T, Error>,
    expected: &'static str,
) -> Outcome {
    match answer {
        Err(error) if error_name(&error) == expected => Ok(()),
        Err(Error::Unsupported(missing)) => Err(skip(format!("unsupported: {missing}"))),
        Err(error) => Err(wrong(format!(
            "{what} answered {} and not {expected}: {error:?}",
            error_name(&error)
        ))),
        Ok(answer) => {
            let answer = format!("{answer:?}");
            let answer: String = answer.chars().take(200).collect();
            Err(wrong(format!(
                "{what} answered without an error, and not {expected}: {answer}"
            )))
        }
    }
}

/// [`expect_error`] with `not-found`.
pub(super) fn expect_missing<T: Debug>(what: &str, answer: Result<T, Error>) -> Outcome {
    expect_error(what, answer, "not-found")
}

/// The call `what`, which found so much, was about a project that does not exist: `not-found`,
/// or nothing where the backend keeps no projects apart from what is in them.
pub(super) async fn expect_no_project(
    trial: &Trial<'_>,
    what: &str,
    found: Result<usize, Error>,
) -> Outcome {
    if found.is_ok() && !trial.keeps_projects().await {
        return same(what, found.unwrap_or_default(), 0);
    }
    expect_missing(what, found)
}

/// A backend may keep errors alone.
pub(super) fn same_status(what: &str, found: StatusCode, expected: StatusCode) -> Outcome {
    match (found, expected) {
        (StatusCode::Unset, StatusCode::Ok) => Ok(()),
        _ => same(what, found, expected),
    }
}

/// Both texts hold the same JSON.
pub(super) fn same_json(what: &str, found: Option<&str>, expected: &Value) -> Outcome {
    let read = found.map(serde_json::from_str::<Value>);
    match read {
        Some(Ok(value)) if value == *expected => Ok(()),
        _ => Err(wrong(format!("{what} is {found:?} and not {expected}"))),
    }
}

/// Both are the same; `what` says of what.
pub(super) fn same<T: PartialEq<U> + Debug, U: Debug>(
    what: &str,
    found: T,
    expected: U,
) -> Outcome {
    if found == expected {
        return Ok(());
    }
    Err(wrong(format!(
        "{what}: found {found:?}, expected {expected:?}"
    )))
}
