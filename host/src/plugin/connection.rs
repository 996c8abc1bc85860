//! A connection: a provider with a configuration. Tenants that resolve to the same
//! connection share its instances.

use std::sync::Arc;
use std::time::Instant;

use http::HeaderMap;
use url::Url;

use super::generation::Generation;
use super::policy::same_origin;
use super::pool::{Lease, Pool};
use super::quota::Quota;
use super::runtime::Runtime;
use super::secrets::Secrets;
use super::slot::Slot;
use super::spec::ConnectionSpec;
use crate::contract::Error;

/// A handle to a provider under one configuration.
#[derive(Clone)]
pub(crate) struct Connection {
    inner: Arc<ConnectionInner>,
}

struct ConnectionInner {
    key: u64,
    runtime: Arc<Runtime>,
    slot: Arc<Slot>,
    spec: ConnectionSpec,
    secrets: Arc<Secrets>,
    /// Of all generations: a swap gives nothing anew.
    quota: Arc<Quota>,
}

impl Connection {
    /// `key` is this connection's alone in its host.
    pub(super) fn new(
        key: u64,
        runtime: Arc<Runtime>,
        slot: Arc<Slot>,
        spec: ConnectionSpec,
    ) -> Self {
        let quota = Arc::new(Quota::new(&runtime.limits));
        let secrets = Secrets::new(&spec.name, spec.secrets.clone(), spec.secrets_refresh);
        Self {
            inner: Arc::new(ConnectionInner {
                key,
                runtime,
                slot,
                spec,
                secrets: Arc::new(secrets),
                quota,
            }),
        }
    }

    pub(crate) fn spec(&self) -> &ConnectionSpec {
        &self.inner.spec
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

    /// The headers to present at `endpoint` when spans are sent there: the credentials of
    /// this connection, if the endpoint is one of its own or the operator `named` it.
    pub(crate) async fn credentials_for(
        &self,
        endpoint: &Url,
        named: Option<&Url>,
    ) -> Result<HeaderMap, Error> {
        let generation = self.generation()?;
        let pool = self.pool(&generation).await?;
        let resolved = pool.resolved();
        if resolved.policy.is_endpoint(endpoint)
            || named.is_some_and(|url| same_origin(url, endpoint))
        {
            let headers = resolved.credentials.headers().await;
            return Ok(headers.map_err(Error::Unavailable)?.0);
        }
        resolved
            .policy
            .check(endpoint)
            .map_err(Error::PermissionDenied)?;
        Ok(HeaderMap::new())
    }

    async fn pool(&self, generation: &Generation) -> Result<Arc<Pool>, Error> {
        let ConnectionInner {
            key,
            runtime,
            spec,
            secrets,
            quota,
            ..
        } = &*self.inner;
        let held = secrets.current().await.map_err(Error::Unavailable)?;
        generation
            .pool(runtime, *key, spec, secrets, &held, quota)
            .map_err(Error::InvalidArgument)
    }

    /// An instance for one call, which has the deadline of the host's limits.
    pub(crate) async fn lease(&self, operation: &'static str) -> Result<Lease, Error> {
        let runtime = &self.inner.runtime;
        let deadline = Instant::now() + runtime.call_timeout();
        let generation = self.generation()?;
        let pool = self.pool(&generation).await?;
        Lease::take(runtime, generation, pool, operation, deadline).await
    }
}

impl Drop for ConnectionInner {
    fn drop(&mut self) {
        if let Some(generation) = self.slot.current() {
            generation.forget(self.key);
        }
    }
}
