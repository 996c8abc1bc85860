//! Spans for a provider that takes them itself.

use super::Provider;
use crate::contract::{Attribute, ExportOutcome, ProviderError, Span};

const EXPORT: &str = "export";

impl Provider {
    /// Hand spans of a project over in one call. It is for the export pipeline, which keeps the
    /// limits of [`describe`](Self::describe) and sends again what was not taken.
    ///
    /// # Errors
    ///
    /// [`Error::Unsupported`](crate::contract::Error::Unsupported) from a provider without a
    /// `span-sink`, and whatever it answers.
    pub(crate) async fn export_spans(
        &self,
        project: &str,
        resource: &[Attribute],
        spans: &[Span],
    ) -> Result<ExportOutcome, ProviderError> {
        self.admit(EXPORT, project)?;
        self.write(EXPORT, project, async |store, guests| {
            let guest = guests.sink()?;
            guest.call_export(store, project, resource, spans).await
        })
        .await
    }
}
