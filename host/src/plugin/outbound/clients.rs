//! The native clients that send the requests of all guests.

use std::sync::Arc;
use std::time::Duration;

use super::super::policy::Reach;
use super::super::resolver::{Lookup, Resolver};

/// How long a connection may take to open.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The clients that all guests of a host share, each with connections of its own: what was
/// opened towards a private network is never used for a request that may not go there.
#[derive(Clone)]
pub(crate) struct Clients {
    named: reqwest::Client,
    below: reqwest::Client,
}

impl Clients {
    /// `lookup` says what names resolve to.
    pub(crate) fn new(lookup: &Arc<dyn Lookup>) -> reqwest::Result<Self> {
        let client = |reach| {
            reqwest::Client::builder()
                .user_agent(concat!("roost/", env!("CARGO_PKG_VERSION")))
                .connect_timeout(CONNECT_TIMEOUT)
                // The guest sees a redirect, and the policy sees the request that follows it.
                .redirect(reqwest::redirect::Policy::none())
                .dns_resolver(Resolver::new(Arc::clone(lookup), reach))
                .tcp_nodelay(true)
                .build()
        };
        Ok(Self {
            named: client(Reach::Named)?,
            below: client(Reach::Below)?,
        })
    }

    pub(super) fn get(&self, reach: Reach) -> &reqwest::Client {
        match reach {
            Reach::Named => &self.named,
            Reach::Below => &self.below,
        }
    }
}
