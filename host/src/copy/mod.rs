//! Copies what a backend holds into another: projects with their spans, annotations, datasets and
//! experiments.
//!
//! A copy remembers nothing of its own. Before something is written the target is asked whether
//! it has it, so a copy that was interrupted goes on when it is run again, and one that is run
//! twice leaves what it left once:
//!
//! * a span is its ids;
//! * an annotation is its target, name and identifier, and is written again where it differs;
//! * a dataset is its name, and its records are what they say. One of the same name whose records
//!   the source never had is left alone;
//! * an experiment, and a run that is of no record, bears in its metadata where it was copied
//!   from. A run of a record is that record and the repetition.
//!
//! Everything is read and written page by page. Of a dataset and of the runs of an experiment that
//! the target has already, ids and digests are held, and never the whole.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use roost::copy::Copier;
//! use roost::{Config, TelemetryManager};
//!
//! let telemetry = TelemetryManager::start(Config::load(None)?).await?;
//! let copier = Copier::between(&telemetry, "phoenix", "default")?.tenant("acme".parse()?);
//! let report = copier.run().await?;
//! println!("{:?}", report.total());
//! # Ok(())
//! # }
//! ```

mod annotations;
mod datasets;
mod experiments;
mod records;
mod report;
mod runs;
mod spans;

pub use report::{CopyReport, Kind, Left, Part, Progress, ProjectReport, Tallies, Tally};

use std::collections::BTreeSet;

use crate::config::{BatchExportConfig, SpoolConfig, TenantId};
use crate::contract::{Capability, Error, ProviderError, TimeWindow};
use crate::export::{Pipeline, StartError};
use crate::manager::{TelemetryManager, TenantError};
use crate::provider::{Provider, Scope};

/// Why a copy did not come to its end. What was written stays, and the next one goes on from
/// there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CopyError {
    /// A backend cannot be reached, or does not let the host in.
    #[error(transparent)]
    Provider(#[from] ProviderError),
    /// A connection cannot be used.
    #[error(transparent)]
    Connection(#[from] TenantError),
    /// The thread that sends spans cannot be started.
    #[error(transparent)]
    Pipeline(#[from] StartError),
    /// The source has no such project.
    #[error("connection `{connection}` has no project `{project}`")]
    NoProject {
        /// The source.
        connection: String,
        /// The project.
        project: String,
    },
    /// Source and target are the same.
    #[error(
        "project `{0}` would be copied onto itself: name another connection, or another project to \
         copy into"
    )]
    OntoItself(String),
    /// A project to copy into is named, and not which project to copy.
    #[error("say which project is to be copied into `{0}`")]
    WhichProject(String),
    /// Spans could not be delivered.
    #[error("{count} spans of project `{project}` were not delivered: {why}")]
    Undelivered {
        /// The project in the target.
        project: String,
        /// How many.
        count: u64,
        /// Why.
        why: String,
    },
}

/// A copy from one connection to another, to be made narrower and then [run](Self::run).
pub struct Copier {
    telemetry: TelemetryManager,
    from: String,
    to: String,
    source: Provider,
    target: Provider,
    project: Option<String>,
    into: Option<String>,
    window: TimeWindow,
    parts: BTreeSet<Part>,
    progress: Progress,
}

/// What every part of a copy of one project needs.
struct Passage<'a> {
    /// The connection that is copied from.
    from: &'a str,
    /// The connection that is copied to.
    to: &'a str,
    source: &'a Provider,
    target: &'a Provider,
    /// The project's name in the source.
    project: &'a str,
    /// The project's name in the target.
    into: &'a str,
    window: TimeWindow,
    parts: &'a BTreeSet<Part>,
    pipeline: &'a Pipeline,
    progress: &'a Progress,
}

impl Copier {
    /// From the connection `from` to the connection `to`, by their names in `roost.toml`:
    /// everything that their credentials reach.
    ///
    /// # Errors
    ///
    /// For a connection that is not configured, and where it names no provider that is there.
    pub fn between(telemetry: &TelemetryManager, from: &str, to: &str) -> Result<Self, CopyError> {
        Ok(Self {
            telemetry: telemetry.clone(),
            from: from.to_owned(),
            to: to.to_owned(),
            // What is kept may be older than what the copy itself has written.
            source: telemetry.connection_provider(from)?.uncached(),
            target: telemetry.connection_provider(to)?.uncached(),
            project: None,
            into: None,
            window: TimeWindow::all(),
            parts: Part::ALL.into(),
            progress: Progress::default(),
        })
    }

    /// Only the projects of this tenant.
    #[must_use]
    pub fn tenant(mut self, tenant: TenantId) -> Self {
        let scope = Scope::Tenant {
            tenant,
            names: self.telemetry.project_names(),
        };
        self.source = self.source.scoped(scope);
        self
    }

    /// Only this project.
    #[must_use]
    pub fn project(mut self, project: impl Into<String>) -> Self {
        self.project = Some(project.into());
        self
    }

    /// Into a project of another name; for a copy of [one project](Self::project).
    #[must_use]
    pub fn into_project(mut self, into: impl Into<String>) -> Self {
        self.into = Some(into.into());
        self
    }

    /// Only spans that began inside this window, and the annotations of those, of their traces
    /// and sessions. Datasets and experiments are copied whole.
    #[must_use]
    pub fn window(mut self, window: TimeWindow) -> Self {
        self.window = window;
        self
    }

    /// Only these.
    #[must_use]
    pub fn only(mut self, parts: impl IntoIterator<Item = Part>) -> Self {
        self.parts = parts.into_iter().collect();
        self
    }

    /// Tells how far the copy is, while it runs.
    #[must_use]
    pub fn progress(&self) -> Progress {
        self.progress.clone()
    }

    /// Copy. What the target cannot hold, and what it refuses, is in the report.
    ///
    /// # Errors
    ///
    /// As [`CopyError`] lists them. [`run_into`](Self::run_into) keeps the report of what was
    /// copied until then.
    pub async fn run(&self) -> Result<CopyReport, CopyError> {
        let mut report = CopyReport::default();
        self.run_into(&mut report).await?;
        Ok(report)
    }

    /// As [`run`](Self::run), with the report written to while it runs.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    pub async fn run_into(&self, report: &mut CopyReport) -> Result<(), CopyError> {
        let projects = self.projects().await?;
        let resolver = self.telemetry.connection_resolver(&self.to)?;
        // Each page waits until its spans are settled, so nothing else is in the queue.
        let batches = BatchExportConfig {
            max_queue_size: 4 * spans::AT_ONCE,
            max_export_batch_size: spans::AT_ONCE,
            schedule_delay_millis: 1,
            ..BatchExportConfig::default()
        };
        let pipeline = Pipeline::start(&batches, &SpoolConfig::default(), resolver)?;
        for project in &projects {
            let into = self.into.as_deref().unwrap_or(project);
            if self.from == self.to && into == project {
                return Err(CopyError::OntoItself(project.clone()));
            }
            report.projects.push(ProjectReport::new(project, into));
            let Some(report) = report.projects.last_mut() else {
                continue;
            };
            self.progress.begin(project);
            let passage = Passage {
                from: &self.from,
                to: &self.to,
                source: &self.source,
                target: &self.target,
                project,
                into,
                window: self.window,
                parts: &self.parts,
                pipeline: &pipeline,
                progress: &self.progress,
            };
            Box::pin(passage.copy(report)).await?;
        }
        Ok(())
    }

    /// The projects to copy, by name.
    async fn projects(&self) -> Result<Vec<String>, CopyError> {
        if let (Some(into), None) = (&self.into, &self.project) {
            return Err(CopyError::WhichProject(into.clone()));
        }
        let all = self.source.projects().list_projects().await?;
        let names = all.into_iter().map(|project| project.name);
        let Some(wanted) = &self.project else {
            return Ok(names.collect());
        };
        let found: Vec<String> = names.filter(|name| name == wanted).collect();
        if found.is_empty() {
            return Err(CopyError::NoProject {
                connection: self.from.clone(),
                project: wanted.clone(),
            });
        }
        Ok(found)
    }
}

impl Passage<'_> {
    async fn copy(&self, report: &mut ProjectReport) -> Result<(), CopyError> {
        if self.target_has(Capability::ProjectStore)? {
            let projects = self.target.projects();
            projects.ensure_project(self.into, None).await?;
        }
        let annotations = self.wants_annotations(report)?;
        if self.parts.contains(&Part::Spans) || annotations {
            self.copy_spans(annotations, report).await?;
        }
        let both = [Part::Datasets, Part::Experiments];
        for part in both.iter().filter(|part| self.parts.contains(part)) {
            let (capability, kind) = match part {
                Part::Datasets => (Capability::DatasetStore, Kind::Dataset),
                _ => (Capability::ExperimentStore, Kind::Experiment),
            };
            if !self.both_have(capability, kind, report)? {
                continue;
            }
            match part {
                Part::Datasets => self.copy_datasets(report).await?,
                _ => self.copy_experiments(report).await?,
            }
        }
        Ok(())
    }

    /// Whether annotations are asked for, and can be had and held.
    fn wants_annotations(&self, report: &mut ProjectReport) -> Result<bool, CopyError> {
        Ok(self.parts.contains(&Part::Annotations)
            && self.both_have(Capability::AnnotationStore, Kind::Annotation, report)?)
    }

    /// Whether the source has an interface and the target as well.
    fn both_have(
        &self,
        capability: Capability,
        kind: Kind,
        report: &mut ProjectReport,
    ) -> Result<bool, CopyError> {
        if !self.source.capabilities()?.contains(&capability) {
            return Ok(false);
        }
        let has = self.target_has(capability)?;
        if !has {
            let name = self.target.name();
            let reason = format!("provider {name} has no {capability}");
            // It is told once; asking the source how many there are is no use.
            report.unsupported(kind, 0, "", &reason);
        }
        Ok(has)
    }

    fn target_has(&self, capability: Capability) -> Result<bool, CopyError> {
        Ok(self.target.capabilities()?.contains(&capability))
    }
}

/// Why something was refused and the copy goes on without it; an error that ends the copy is
/// handed back.
fn refusal(error: ProviderError) -> Result<Refusal, CopyError> {
    let stops = error.is_transient()
        || matches!(
            error.kind(),
            Error::Unauthenticated(_) | Error::PermissionDenied(_) | Error::Internal(_)
        )
        || matches!(error.kind(), Error::Backend(failure) if !(400..500).contains(&failure.status));
    if stops {
        return Err(error.into());
    }
    Ok(Refusal {
        declared: matches!(error.kind(), Error::Unsupported(_)),
        reason: error.to_string(),
    })
}

/// That something was refused.
struct Refusal {
    declared: bool,
    reason: String,
}

impl Refusal {
    /// Count what it is about.
    fn of(&self, report: &mut ProjectReport, kind: Kind, count: usize, first: &str) {
        if self.declared {
            report.unsupported(kind, count, first, &self.reason);
        } else {
            report.refused(kind, count, first, &self.reason);
        }
    }
}
