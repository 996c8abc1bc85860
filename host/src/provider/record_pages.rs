//! The records of a dataset, page by page.

use super::datasets::GET;
use super::paging::Paging;
use super::{MAX_ITEMS, Provider};
use crate::contract::{Dataset, DatasetRecord, DatasetRef, ProviderError};

/// The way through the records of one version of a dataset; see
/// [`DatasetStore::pages`](super::DatasetStore::pages).
pub struct RecordPages<'a> {
    provider: &'a Provider,
    project: String,
    wanted: DatasetRef,
    version: Option<String>,
    paging: Paging<'a>,
    dataset: Option<Dataset>,
    ended: bool,
}

impl<'a> RecordPages<'a> {
    pub(super) fn begin(
        provider: &'a Provider,
        project: &str,
        dataset: &DatasetRef,
        version: Option<&str>,
    ) -> Result<Self, ProviderError> {
        Ok(Self {
            provider,
            project: project.to_owned(),
            wanted: dataset.clone(),
            version: version.map(str::to_owned),
            paging: Paging::begin(provider, GET, MAX_ITEMS)?,
            dataset: None,
            ended: false,
        })
    }

    /// The dataset with the version that is read; none before the first
    /// [`next`](Self::next).
    #[must_use]
    pub fn dataset(&self) -> Option<&Dataset> {
        self.dataset.as_ref()
    }

    /// The next page; `None` after the last one. Never an empty one.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`](crate::contract::Error::NotFound) for a dataset or a version that
    /// does not exist.
    pub async fn next(&mut self) -> Result<Option<Vec<DatasetRecord>>, ProviderError> {
        while !self.ended {
            let (wanted, version) = (&self.wanted, self.version.as_deref());
            let request = self.paging.request();
            let (project, question) = (self.project.as_str(), (wanted, version, request));
            let page = self
                .provider
                .read(GET, project, question, async |store, guests| {
                    let guest = guests.datasets()?;
                    guest
                        .call_get_dataset(store, project, wanted, version, request)
                        .await
                })
                .await?;
            self.ended = !self.paging.advance(page.cursor)?;
            self.dataset = Some(page.dataset);
            if !page.records.is_empty() {
                return Ok(Some(page.records));
            }
        }
        Ok(None)
    }
}
