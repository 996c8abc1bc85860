//! A connection: a provider with a configuration. Tenants that resolve to the same
//! connection share its instances.

use std::sync::Arc;
use std::time::Instant;

use http::HeaderMap;
use reqwest::dns::Resolve;
use tokio::task::coop::consume_budget;
use url::Url;

use super::component::ProviderComponent;
use super::generation::Generation;
use super::limits::{Class, Limits};
use super::policy::same_origin;
use super::pool::{Call, Lease, Pool};
use super::runtime::Runtime;
use super::secrets::{Held, Secrets};
use super::slot::Slot;
use super::spec::{ConnectionSpec, Resolved};
use crate::contract::Error;

/// A handle to a provider under one configuration.
#[derive(Clone)]
pub(crate) struct Connection {
    inner: Arc<ConnectionInner>,
}

/// What sending spans to an endpoint takes.
pub(crate) struct SpanAccess {
    /// The credentials of the connection, if the endpoint is one of its own or the operator
    /// named it.
    pub(crate) headers: HeaderMap,
    /// Who looks the endpoint up, if it was not the operator who named it.
    pub(crate) names: Option<Arc<dyn Resolve>>,
}

/// What a connection brings along, whichever generation it is fitted to.
pub(super) struct Settings {
    pub(super) spec: ConnectionSpec,
    pub(super) secrets: Arc<Secrets>,
    pub(super) limits: Arc<Limits>,
}

impl Settings {
    /// What it comes to for a provider; the error says why it does not fit.
    pub(super) fn resolve(
        &self,
        component: &ProviderComponent,
        held: &Held,
    ) -> Result<Resolved, String> {
        self.spec
            .resolve(component, &self.secrets, held, &self.limits)
    }
}

struct ConnectionInner {
    key: u64,
    runtime: Arc<Runtime>,
    slot: Arc<Slot>,
    settings: Arc<Settings>,
}

impl Connection {
    /// `key` is this connection's alone in its host.
    pub(super) fn new(
        key: u64,
        runtime: Arc<Runtime>,
        slot: Arc<Slot>,
        spec: ConnectionSpec,
    ) -> Self {
        let limits = Limits::of_connection(&spec.name, &spec.limits, &runtime.limits);
        let secrets = Secrets::new(&spec.name, spec.secrets.clone(), spec.secrets_refresh);
        let settings = Arc::new(Settings {
            spec,
            secrets: Arc::new(secrets),
            limits: Arc::new(limits),
        });
        slot.join(key, &settings);
        Self {
            inner: Arc::new(ConnectionInner {
                key,
                runtime,
                slot,
                settings,
            }),
        }
    }

    pub(crate) fn spec(&self) -> &ConnectionSpec {
        &self.inner.settings.spec
    }

    /// The generation that serves now.
    pub(crate) fn generation(&self) -> Result<Arc<Generation>, Error> {
        let slot = &self.inner.slot;
        slot.current().ok_or_else(|| {
            Error::Unavailable(match slot.refusal() {
                Some(refusal) => format!("{}.wasm was refused: {refusal}", slot.name),
                None => format!("there is no {}.wasm in the plugins folder", slot.name),
            })
        })
    }

    /// What sending spans to `endpoint` takes, if it is granted or the operator `named` it.
    pub(crate) async fn span_access(
        &self,
        endpoint: &Url,
        named: Option<&Url>,
    ) -> Result<SpanAccess, Error> {
        let generation = self.generation()?;
        let pool = self.pool(&generation).await?;
        let resolved = pool.resolved();
        let names = if named.is_some_and(|url| same_origin(url, endpoint)) {
            None
        } else {
            let reach = resolved.policy.check(endpoint);
            let reach = reach.map_err(Error::PermissionDenied)?;
            Some(self.inner.runtime.clients.names(reach))
        };
        let headers = if names.is_none() || resolved.policy.is_endpoint(endpoint) {
            let headers = resolved.credentials.headers().await;
            headers.map_err(Error::Unavailable)?.0
        } else {
            HeaderMap::new()
        };
        Ok(SpanAccess { headers, names })
    }

    async fn pool(&self, generation: &Generation) -> Result<Arc<Pool>, Error> {
        let ConnectionInner {
            key,
            runtime,
            settings,
            ..
        } = &*self.inner;
        let held = settings
            .secrets
            .current()
            .await
            .map_err(Error::Unavailable)?;
        generation
            .pool(runtime, *key, settings, &held)
            .map_err(Error::InvalidArgument)
    }

    /// An instance for one call, which has the deadline of its class.
    pub(crate) async fn lease(
        &self,
        operation: &'static str,
        class: Class,
    ) -> Result<Lease, Error> {
        // Whoever calls in a loop, and never has to wait, lets others run now and then.
        consume_budget().await;
        let runtime = &self.inner.runtime;
        let began = Instant::now();
        let call = Call {
            operation,
            class,
            began,
            deadline: began + self.inner.settings.limits.timeout(class),
        };
        // Each turn but the last waited for a generation that was replaced meanwhile.
        loop {
            let generation = self.generation()?;
            let pool = self.pool(&generation).await?;
            if let Some(lease) = Lease::take(runtime, generation, pool, call).await? {
                return Ok(lease);
            }
        }
    }
}

impl Drop for ConnectionInner {
    fn drop(&mut self) {
        self.slot.leave(self.key);
    }
}
