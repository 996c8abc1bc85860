//! Who says which addresses the name of an endpoint leads to.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use reqwest::dns::{Addrs, Resolve};
use tower_service::Service;

use super::client::CONNECT_TIMEOUT;

/// Looks up the names of endpoints that a provider chose; where there is none, the system does.
/// Clients are shared only by those who ask the same.
#[derive(Clone)]
pub(crate) struct Names(pub(crate) Arc<dyn Resolve>);

impl Names {
    /// Opens connections to the addresses that these names lead to.
    pub(super) fn connector(&self) -> HttpConnector<Self> {
        let mut connector = HttpConnector::new_with_resolver(self.clone());
        connector.enforce_http(false);
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        connector
    }
}

impl Service<Name> for Names {
    type Response = Addrs;
    type Error = Box<dyn std::error::Error + Send + Sync>;
    type Future = BoxFuture<'static, Result<Addrs, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let found = name.as_str().parse().map(|name| self.0.resolve(name));
        Box::pin(async move { found?.await })
    }
}

impl PartialEq for Names {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Names {}

impl Hash for Names {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.0).cast::<()>().hash(state);
    }
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Names")
    }
}
