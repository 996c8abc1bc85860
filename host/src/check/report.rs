//! What came of a check.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::Serialize;

use super::rule::Rule;
use crate::contract::Capability;

/// What came of trying the rules on a provider.
#[derive(Debug, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// What the provider calls itself.
    pub provider: String,
    /// Its version.
    pub version: String,
    /// SHA-256 of its file, in lower-case hexadecimal digits.
    pub digest: String,
    /// The interfaces it exports.
    pub capabilities: BTreeSet<Capability>,
    /// Each rule that was tried, in the order of [`RULES`](super::RULES).
    pub results: Vec<Checked>,
    /// What was written and could not be removed, a sentence each.
    pub left_behind: Vec<String>,
}

/// A rule that was tried.
#[derive(Debug, Serialize)]
#[non_exhaustive]
pub struct Checked {
    /// The rule.
    #[serde(flatten, serialize_with = "name")]
    pub rule: &'static Rule,
    /// How it ended.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// What the provider was asked for it and what it answered, in order.
    pub calls: Vec<Call>,
    /// How long it took.
    #[serde(rename = "seconds", serialize_with = "seconds")]
    pub took: Duration,
}

/// How a rule ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "result", content = "why", rename_all = "kebab-case")]
pub enum Verdict {
    /// The provider keeps it.
    Passed,
    /// It does not: what it did.
    Failed(String),
    /// The rule says nothing about this provider: why.
    Skipped(String),
}

/// A call of the provider. Long texts are cut.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Call {
    /// The function, as the contract spells it.
    pub operation: &'static str,
    /// Its arguments, as JSON.
    pub arguments: String,
    /// The answer, as JSON: `{"Ok": ...}` or `{"Err": ...}`.
    pub answer: String,
}

impl Report {
    /// How many rules the provider keeps.
    #[must_use]
    pub fn passed(&self) -> usize {
        self.count(|verdict| matches!(verdict, Verdict::Passed))
    }

    /// How many it breaks.
    #[must_use]
    pub fn failed(&self) -> usize {
        self.count(|verdict| matches!(verdict, Verdict::Failed(_)))
    }

    /// How many say nothing about it.
    #[must_use]
    pub fn skipped(&self) -> usize {
        self.count(|verdict| matches!(verdict, Verdict::Skipped(_)))
    }

    fn count(&self, is: impl Fn(&Verdict) -> bool) -> usize {
        self.results.iter().filter(|it| is(&it.verdict)).count()
    }
}

fn name<S: serde::Serializer>(rule: &Rule, to: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Name {
        rule: &'static str,
        title: &'static str,
        contract: &'static str,
    }
    let Rule {
        id,
        title,
        contract,
        ..
    } = *rule;
    Name {
        rule: id,
        title,
        contract,
    }
    .serialize(to)
}

fn seconds<S: serde::Serializer>(took: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64(took.as_secs_f64())
}
