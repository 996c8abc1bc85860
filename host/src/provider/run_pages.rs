//! The runs of an experiment, page by page.

use super::experiments::LIST_RUNS;
use super::paging::Paging;
use super::{MAX_ITEMS, Provider};
use crate::contract::{ProviderError, Run};

/// The way through the runs of an experiment; see
/// [`ExperimentStore::run_pages`](super::ExperimentStore::run_pages).
pub struct RunPages<'a> {
    provider: &'a Provider,
    project: String,
    experiment: String,
    paging: Paging<'a>,
    ended: bool,
}

impl<'a> RunPages<'a> {
    pub(super) fn begin(
        provider: &'a Provider,
        project: &str,
        experiment: &str,
    ) -> Result<Self, ProviderError> {
        Ok(Self {
            provider,
            project: project.to_owned(),
            experiment: experiment.to_owned(),
            paging: Paging::begin(provider, LIST_RUNS, MAX_ITEMS)?,
            ended: false,
        })
    }

    /// The next page; `None` after the last one. Never an empty one.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`](crate::contract::Error::NotFound) for an experiment that does not
    /// exist.
    pub async fn next(&mut self) -> Result<Option<Vec<Run>>, ProviderError> {
        while !self.ended {
            let (project, experiment) = (self.project.as_str(), self.experiment.as_str());
            let request = self.paging.request();
            let question = (experiment, request);
            let page = self
                .provider
                .read(LIST_RUNS, project, question, async |store, guests| {
                    let guest = guests.experiments()?;
                    guest
                        .call_list_runs(store, project, experiment, request)
                        .await
                })
                .await?;
            self.ended = !self.paging.advance(page.cursor)?;
            if !page.runs.is_empty() {
                return Ok(Some(page.runs));
            }
        }
        Ok(None)
    }
}
