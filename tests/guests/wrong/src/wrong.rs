//! Which rule is broken, and how each is.

mod annotations;
mod datasets;
mod experiments;
mod numbers;
mod projects;
mod provider;
mod sessions;
mod sink;
mod traces;

use std::cell::OnceCell;
use std::hint::black_box;

use roost_provider::types::PageRequest;
use serde::Deserialize;

use crate::bindings::project_store::Guest as _;
use crate::{Error, Provider, Result};

/// The rule that is broken from the start. A test writes its id over the dots in the file.
static MARK: [u8; 48] = *b"roost-wrong:....................................";

/// The part of the configuration that is not `local`'s.
#[derive(Debug, Default, Deserialize)]
struct Config {
    wrong: Option<String>,
    endpoint: Option<String>,
}

thread_local! {
    static CONFIG: OnceCell<Config> = const { OnceCell::new() };
}

/// Whether this rule is to be broken.
fn breaks(rule: &str) -> bool {
    let mark = black_box(&MARK);
    let mark = str::from_utf8(mark)
        .unwrap_or_default()
        .trim_end_matches('.');
    let configured = |config: &Config| config.wrong.as_deref() == Some(rule);
    mark.strip_prefix("roost-wrong:") == Some(rule)
        || CONFIG.with(|cell| cell.get().is_some_and(configured))
}

/// What was configured as the backend, which there is none of.
fn endpoint() -> Option<String> {
    CONFIG.with(|cell| cell.get()?.endpoint.clone())
}

fn configure(config: &str) {
    let config: Config = serde_json::from_str(config).unwrap_or_default();
    CONFIG.with(|cell| {
        let _ = cell.set(config);
    });
}

/// The answer of the first project that has one: what a provider does that forgets to look whose
/// an id is.
fn of_any_project<T>(ask: impl Fn(String) -> Result<T>) -> Result<T> {
    let page = PageRequest {
        limit: 1_000,
        cursor: None,
    };
    let projects = Provider::list_projects(page)?.projects;
    let answers = projects.into_iter().map(|project| ask(project.name));
    let found = answers.into_iter().find(Result::is_ok);
    found.unwrap_or_else(|| Err(Error::NotFound("no project has it".to_owned())))
}

/// The answer, or in the place of `not-found` another.
fn instead_of_missing<T>(answer: Result<T>, other: impl FnOnce() -> Result<T>) -> Result<T> {
    match answer {
        Err(Error::NotFound(_)) => other(),
        answer => answer,
    }
}

/// An error that says less than it could.
fn internal<T>() -> Result<T> {
    Err(Error::Internal(
        "something is not as it should be".to_owned(),
    ))
}
