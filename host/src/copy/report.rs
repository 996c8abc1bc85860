//! What a copy came to, and how far it is.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;

/// What is copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// Spans.
    Spans,
    /// Annotations of spans, traces and sessions.
    Annotations,
    /// Datasets with their records and versions.
    Datasets,
    /// Experiments with their runs.
    Experiments,
}

impl Part {
    /// All there are, in the order they are copied in.
    pub const ALL: [Self; 4] = [
        Self::Spans,
        Self::Annotations,
        Self::Datasets,
        Self::Experiments,
    ];

    /// In a word, as the command line spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Spans => "spans",
            Self::Annotations => "annotations",
            Self::Datasets => "datasets",
            Self::Experiments => "experiments",
        }
    }
}

/// What became of things of one kind. Together they are what the source has of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// The target has them now.
    pub copied: u64,
    /// The target had them already.
    pub present: u64,
    /// The target does not have them; [`ProjectReport::left`] says why.
    pub left: u64,
}

impl Tally {
    pub(super) fn copied(&mut self, count: usize) {
        self.copied += number(count);
    }

    pub(super) fn present(&mut self, count: usize) {
        self.present += number(count);
    }

    fn add(&mut self, other: Self) {
        self.copied += other.copied;
        self.present += other.present;
        self.left += other.left;
    }
}

/// What became of each kind of things.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tallies {
    /// Spans.
    pub spans: Tally,
    /// Annotations.
    pub annotations: Tally,
    /// Datasets. One that is only partly there counts as left.
    pub datasets: Tally,
    /// Records of datasets; one that was replaced counts with each of its contents.
    pub records: Tally,
    /// Experiments. One that is only partly there counts as left.
    pub experiments: Tally,
    /// Runs of experiments.
    pub runs: Tally,
    /// Metrics of experiments and runs, each value by itself.
    pub metrics: Tally,
    /// Evaluations of runs.
    pub evaluations: Tally,
}

impl Tallies {
    /// Each with its name.
    #[must_use]
    pub fn all(&self) -> [(&'static str, Tally); 8] {
        [
            ("spans", self.spans),
            ("annotations", self.annotations),
            ("datasets", self.datasets),
            ("records", self.records),
            ("experiments", self.experiments),
            ("runs", self.runs),
            ("metrics", self.metrics),
            ("evaluations", self.evaluations),
        ]
    }

    fn of(&mut self, kind: Kind) -> &mut Tally {
        match kind {
            Kind::Span => &mut self.spans,
            Kind::Annotation => &mut self.annotations,
            Kind::Dataset => &mut self.datasets,
            Kind::Record => &mut self.records,
            Kind::Experiment => &mut self.experiments,
            Kind::Run => &mut self.runs,
            Kind::Metric => &mut self.metrics,
            Kind::Evaluation => &mut self.evaluations,
        }
    }

    fn add(&mut self, other: &Self) {
        self.spans.add(other.spans);
        self.annotations.add(other.annotations);
        self.datasets.add(other.datasets);
        self.records.add(other.records);
        self.experiments.add(other.experiments);
        self.runs.add(other.runs);
        self.metrics.add(other.metrics);
        self.evaluations.add(other.evaluations);
    }
}

/// Kinds of things, as [`Left::kind`] names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A span.
    Span,
    /// An annotation.
    Annotation,
    /// A dataset.
    Dataset,
    /// A record of a dataset.
    Record,
    /// An experiment.
    Experiment,
    /// A run of an experiment.
    Run,
    /// A value of a metric.
    Metric,
    /// An evaluation of a run.
    Evaluation,
}

/// What the target could not hold, for one reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Left {
    /// What was left.
    pub kind: Kind,
    /// How many; 0 where the source was not asked, since the target has no such things.
    pub count: u64,
    /// The first of them: an id or a name; empty where none is known.
    pub first: String,
    /// Why.
    pub reason: String,
    /// Whether the target says of itself that it has no such things. Otherwise it refused them.
    pub declared: bool,
}

/// What a copy of one project came to.
#[derive(Clone, Debug, Serialize)]
pub struct ProjectReport {
    /// The project's name in the source.
    pub project: String,
    /// Its name in the target.
    pub into: String,
    /// What became of what is in it.
    #[serde(flatten)]
    pub tallies: Tallies,
    /// What the target could not hold; at most a hundred reasons, and the last one stands for
    /// all others then.
    pub left: Vec<Left>,
    /// What differs in the target although nothing is missing.
    pub notes: Vec<String>,
}

/// How many reasons, or notes, are told apart.
const MOST_REASONS: usize = 100;

impl ProjectReport {
    pub(super) fn new(project: &str, into: &str) -> Self {
        Self {
            project: project.to_owned(),
            into: into.to_owned(),
            tallies: Tallies::default(),
            left: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Something was left because the target refused it.
    pub(super) fn refused(&mut self, kind: Kind, count: usize, first: &str, reason: &str) {
        self.leave(kind, count, first, reason, false);
    }

    /// Something was left because the target has no such things.
    pub(super) fn unsupported(&mut self, kind: Kind, count: usize, first: &str, reason: &str) {
        self.leave(kind, count, first, reason, true);
    }

    fn leave(&mut self, kind: Kind, count: usize, first: &str, reason: &str, declared: bool) {
        let count = number(count);
        self.tallies.of(kind).left += count;
        let is_full = self.left.len() >= MOST_REASONS;
        let known = |left: &&mut Left| {
            left.kind == kind && left.declared == declared && left.reason == reason
        };
        if let Some(left) = self.left.iter_mut().find(known) {
            left.count += count;
        } else if let (true, Some(last)) = (is_full, self.left.last_mut()) {
            last.count += count;
            "for this and other reasons".clone_into(&mut last.reason);
            last.declared &= declared;
        } else {
            self.left.push(Left {
                kind,
                count,
                first: first.to_owned(),
                reason: reason.to_owned(),
                declared,
            });
        }
    }

    pub(super) fn note(&mut self, note: String) {
        if self.notes.len() < MOST_REASONS && !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }
}

/// What a copy came to.
#[derive(Clone, Debug, Default, Serialize)]
pub struct CopyReport {
    /// Each project, in the order they were copied in; the last one may be copied in part, where
    /// the copy ended early.
    pub projects: Vec<ProjectReport>,
}

impl CopyReport {
    /// What became of each kind of things, over all projects.
    #[must_use]
    pub fn total(&self) -> Tallies {
        let mut total = Tallies::default();
        for project in &self.projects {
            total.add(&project.tallies);
        }
        total
    }

    /// Whether the target refused something that it should hold.
    #[must_use]
    pub fn has_refusals(&self) -> bool {
        let mut left = self.projects.iter().flat_map(|project| &project.left);
        left.any(|left| !left.declared)
    }
}

/// How far a copy is. A clone tells of the same one.
#[derive(Clone, Debug, Default)]
pub struct Progress(Arc<Mutex<(String, BTreeMap<&'static str, u64>)>>);

impl Progress {
    /// In words, such as `cogniverse-acme-search: 1200 spans, 3 annotations`.
    #[must_use]
    pub fn tell(&self) -> String {
        let (project, seen) = &*self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let seen: Vec<String> = seen
            .iter()
            .map(|(what, count)| format!("{count} {what}"))
            .collect();
        format!("{project}: {}", seen.join(", "))
    }

    pub(super) fn begin(&self, project: &str) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *state = (project.to_owned(), BTreeMap::new());
    }

    /// So many more were looked at.
    pub(super) fn seen(&self, what: &'static str, count: usize) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *state.1.entry(what).or_default() += number(count);
    }
}

fn number(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_counted_by_its_reason_and_the_reasons_are_bounded() {
        let mut report = ProjectReport::new("p", "p");
        report.refused(Kind::Span, 2, "a", "too large");
        report.refused(Kind::Span, 3, "b", "too large");
        report.unsupported(Kind::Annotation, 0, "", "it has none");
        let spans = report.left.first().map(|left| (left.count, &*left.first));
        assert_eq!((spans, report.left.len()), (Some((5, "a")), 2));
        for reason in 0..MOST_REASONS {
            report.refused(Kind::Run, 1, "r", &reason.to_string());
        }
        assert_eq!(report.left.len(), MOST_REASONS);
        let counted: u64 = report.left.iter().map(|left| left.count).sum();
        let total = report.tallies.spans.left + report.tallies.runs.left;
        assert_eq!((counted, total), (105, 105));
        let report = CopyReport {
            projects: vec![report],
        };
        assert!(report.has_refusals());
    }

    #[test]
    fn what_the_target_never_had_is_no_refusal() {
        let mut project = ProjectReport::new("p", "p");
        project.unsupported(Kind::Annotation, 0, "", "it has none");
        let report = CopyReport {
            projects: vec![project],
        };
        assert!(!report.has_refusals());
    }
}
