//! A provider that takes the spans of a project itself, as the export pipeline sees it.

use std::fmt;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::resolver::limits;
use crate::contract::{Attribute, Capability, ExportOutcome, ProviderError, Span};
use crate::export::{Destination, Project, ResolveError, SpanSink};
use crate::provider::Provider;

/// The provider, for spans of one project.
struct ProviderSink {
    /// For the pipeline's log, and to share turns with the other projects of the connection.
    name: String,
    project: String,
    provider: Provider,
}

impl fmt::Debug for ProviderSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProviderSink")
            .field("name", &self.name)
            .field("project", &self.project)
            .finish_non_exhaustive()
    }
}

impl SpanSink for ProviderSink {
    fn name(&self) -> &str {
        &self.name
    }

    fn export<'a>(
        &'a self,
        resource: &'a [Attribute],
        spans: &'a [Span],
    ) -> BoxFuture<'a, Result<ExportOutcome, ProviderError>> {
        self.provider
            .export_spans(&self.project, resource, spans)
            .boxed()
    }
}

/// The provider itself as the place where spans of a project go.
pub(super) fn destination(
    provider: Provider,
    project: &Project,
) -> Result<Destination, ResolveError> {
    let name = provider.name();
    let has_sink = provider
        .capabilities()
        .is_ok_and(|capabilities| capabilities.contains(&Capability::SpanSink));
    if !has_sink {
        return Err(ResolveError::Refused(format!(
            "provider {name}, configure-span-export: it answers `sink`, and exports no span-sink"
        )));
    }
    Ok(Destination::Sink {
        limits: limits(&provider)?,
        sink: Arc::new(ProviderSink {
            name: format!("{name} (connection {})", provider.connection_name()),
            project: project.name().to_owned(),
            provider,
        }),
    })
}
