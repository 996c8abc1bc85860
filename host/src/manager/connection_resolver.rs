//! Where spans go that are for one connection, whosever project they are in.

use std::sync::Arc;

use futures_util::future::{BoxFuture, FutureExt};
use opentelemetry::KeyValue;
use url::Url;

use super::resolver::{provider_destination, session_attributes};
use super::{TelemetryManager, TenantError};
use crate::config::{DEFAULT_CONNECTION, ProjectNames};
use crate::export::{Destination, DestinationResolver, Project, ResolveError};
use crate::provider::Provider;

/// The connection, and the endpoint that the operator named for its spans.
struct ConnectionResolver {
    provider: Provider,
    named: Option<Url>,
}

impl TelemetryManager {
    /// How projects are named.
    pub(crate) fn project_names(&self) -> Arc<ProjectNames> {
        Arc::clone(&self.inner.names)
    }

    /// Tells a pipeline where spans of a connection go.
    pub(crate) fn connection_resolver(
        &self,
        connection: &str,
    ) -> Result<Arc<dyn DestinationResolver>, TenantError> {
        let config = self.config();
        // As for the spans of tenants: the common endpoint is the default connection's.
        let named = (connection == DEFAULT_CONNECTION && config.names_otlp_endpoint())
            .then(|| self.inner.default_otlp_endpoint().ok())
            .flatten();
        Ok(Arc::new(ConnectionResolver {
            provider: self.connection_provider(connection)?,
            named,
        }))
    }
}

impl DestinationResolver for ConnectionResolver {
    fn destination<'a>(
        &'a self,
        project: &'a Project,
    ) -> BoxFuture<'a, Result<Destination, ResolveError>> {
        provider_destination(self.provider.clone(), project, self.named.as_ref(), true).boxed()
    }

    fn session_attributes<'a>(
        &'a self,
        project: &'a Project,
        session_id: &'a str,
    ) -> BoxFuture<'a, Result<Vec<KeyValue>, ResolveError>> {
        session_attributes(&self.provider, project, session_id).boxed()
    }

    fn delivered(&self, project: &Project) {
        self.provider.written(project.name());
    }
}
