//! The native clients that send the requests of all guests.

use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::Resolve;

use super::super::policy::Reach;
use super::super::resolver::{Lookup, Resolver};

/// How long a connection may take to open.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The clients that all guests of a host share, each with connections of its own: what was
/// opened towards a private network is never used for a request that may not go there.
#[derive(Clone)]
pub(crate) struct Clients {
    named: Way,
    below: Way,
}

/// How to reach what is granted in one way.
#[derive(Clone)]
struct Way {
    client: reqwest::Client,
    names: Arc<dyn Resolve>,
}

impl Clients {
    /// `lookup` says what names resolve to.
    pub(crate) fn new(lookup: &Arc<dyn Lookup>) -> reqwest::Result<Self> {
        let way = |reach| {
            let names: Arc<dyn Resolve> = Arc::new(Resolver::new(Arc::clone(lookup), reach));
            let client = reqwest::Client::builder()
                .user_agent(concat!("roost/", env!("CARGO_PKG_VERSION")))
                .connect_timeout(CONNECT_TIMEOUT)
                // The guest sees a redirect, and the policy sees the request that follows it.
                .redirect(reqwest::redirect::Policy::none())
                .dns_resolver(Arc::clone(&names))
                .tcp_nodelay(true)
                .build()?;
            Ok::<_, reqwest::Error>(Way { client, names })
        };
        Ok(Self {
            named: way(Reach::Named)?,
            below: way(Reach::Below)?,
        })
    }

    pub(super) fn get(&self, reach: Reach) -> &reqwest::Client {
        &self.way(reach).client
    }

    /// Looks up what is granted so.
    pub(crate) fn names(&self, reach: Reach) -> Arc<dyn Resolve> {
        Arc::clone(&self.way(reach).names)
    }

    fn way(&self, reach: Reach) -> &Way {
        match reach {
            Reach::Named => &self.named,
            Reach::Below => &self.below,
        }
    }
}
