//! Drives a provider through the contract, as a stranger would: from outside, over a component
//! of whatever language.
//!
//! [`RULES`] is what the contract asks of a provider, a rule for each sentence that can be tried.
//! [`check`] tries them on one connection and returns a [`Report`]. Calls go to the provider as
//! they are, without what [`provider`](crate::provider) does for callers: no answer is kept, no
//! page is followed, no filter applied. Only the spans to read come in as they always do, through
//! the export pipeline.
//!
//! What is written goes to projects of a tenant whose name nobody else has, and is removed
//! afterwards where the provider can.

mod analytics;
mod annotations;
mod calls;
mod corpus;
mod datasets;
mod error;
mod expect;
mod experiments;
mod list;
mod listing;
mod pages;
mod predicates;
mod projects;
mod provider;
mod report;
mod rule;
mod runs;
mod sessions;
mod sink;
mod subject;
mod traces;
mod trial;

pub use error::CheckError;
pub use list::RULES;
pub use report::{Call, Checked, Report, Verdict};
pub use rule::Rule;

use std::time::Instant;

use crate::config::Config;
use rule::Finding;
use subject::Subject;
use trial::Trial;

/// Which rules are tried.
#[derive(Debug, Clone, Default)]
pub struct Selection(Vec<String>);

impl Selection {
    /// Those of these ids, and of these interfaces: `traces.order`, `traces`. None is all of them.
    ///
    /// # Errors
    ///
    /// [`CheckError::UnknownRule`] for what is neither.
    pub fn new(wanted: impl IntoIterator<Item = String>) -> Result<Self, CheckError> {
        let wanted: Vec<String> = wanted.into_iter().collect();
        for name in &wanted {
            if !RULES.iter().any(|rule| rule.is_named(name)) {
                return Err(CheckError::UnknownRule(name.clone()));
            }
        }
        Ok(Self(wanted))
    }

    fn holds(&self, rule: &Rule) -> bool {
        self.0.is_empty() || self.0.iter().any(|name| rule.is_named(name))
    }
}

/// Try the rules on the provider of a connection.
///
/// `config` is what an operator would start the host with; what would disturb the check is
/// switched off in it: the read cache, sampling, the spool, quarantine.
///
/// # Errors
///
/// When the configuration cannot be used, or the provider's file is refused. A provider that
/// breaks a rule is no error: the report says so.
pub async fn check(
    config: Config,
    connection: &str,
    selection: &Selection,
) -> Result<Report, CheckError> {
    let rules: Vec<&'static Rule> = RULES.iter().filter(|rule| selection.holds(rule)).collect();
    let subject = Box::pin(Subject::prepare(config, connection)).await?;
    let mut unwritten = None;
    if rules.iter().any(|rule| rule.reads_spans) {
        unwritten = Box::pin(subject.write_corpus()).await.err();
    }
    let mut results = Vec::with_capacity(rules.len());
    for rule in rules {
        results.push(Box::pin(try_rule(&subject, rule, unwritten.as_ref())).await);
    }
    let left_behind = Box::pin(subject.remove()).await;
    Ok(Report {
        provider: subject.info().name.clone(),
        version: subject.info().version.clone(),
        digest: subject.digest(),
        capabilities: subject.capabilities().clone(),
        results,
        left_behind,
    })
}

/// Try a rule. `unwritten` says why there are no spans to read, if there are none.
async fn try_rule(subject: &Subject, rule: &'static Rule, unwritten: Option<&Finding>) -> Checked {
    let began = Instant::now();
    let trial = Trial::new(subject);
    let verdict = match ahead(subject, rule, unwritten) {
        Some(verdict) => verdict,
        None => match (rule.run)(&trial).await {
            Ok(()) => Verdict::Passed,
            Err(Finding::Skipped(why)) => Verdict::Skipped(why),
            Err(Finding::Wrong(what)) => Verdict::Failed(what),
        },
    };
    Checked {
        rule,
        verdict,
        calls: trial.into_calls(),
        took: began.elapsed(),
    }
}

/// How a rule ends that cannot be tried.
fn ahead(subject: &Subject, rule: &Rule, unwritten: Option<&Finding>) -> Option<Verdict> {
    let missing = rule.needs.iter().find(|it| !subject.has(**it));
    if let Some(missing) = missing {
        let why = format!("the provider does not export {missing}");
        return Some(Verdict::Skipped(why));
    }
    match unwritten.filter(|_| rule.reads_spans)? {
        Finding::Wrong(what) if rule.id == list::FIRST => Some(Verdict::Failed(what.clone())),
        Finding::Wrong(why) | Finding::Skipped(why) => Some(Verdict::Skipped(format!(
            "there are no spans to read: {why}"
        ))),
    }
}
