//! From names to addresses, and only to those that a granted name may lead to.
//!
//! The HTTP client connects to what this returns and asks nobody else, so the address that
//! was checked is the address that is connected to, however often a name changes its mind.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use futures_util::future::{BoxFuture, FutureExt};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::Url;

use super::address::{Kind, kind};
use super::policy::Reach;

/// How names become addresses.
///
/// [`SystemLookup`] asks the operating system. Another implementation is for applications
/// with their own way, such as a service mesh. Whatever it answers is checked: a name other
/// than `localhost` never leads to this machine.
pub trait Lookup: Send + Sync + 'static {
    /// The addresses of `host`, which is a name and no address.
    ///
    /// # Errors
    /// Whatever the lookup fails with; the request fails with it.
    fn lookup<'a>(&'a self, host: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>>;
}

/// Asks the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemLookup;

impl Lookup for SystemLookup {
    fn lookup<'a>(&'a self, host: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        async move {
            let found = tokio::net::lookup_host((host, 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        }
        .boxed()
    }
}

/// A name leads nowhere it may lead to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{host} resolves to {address}, which is {what}. {advice}")]
pub(super) struct AddressRefused {
    host: String,
    address: IpAddr,
    what: &'static str,
    advice: &'static str,
}

/// Looks names up for one HTTP client.
pub(super) struct Resolver {
    lookup: Arc<dyn Lookup>,
    reach: Reach,
    proxies: Arc<BTreeSet<String>>,
}

impl Resolver {
    /// For the client of the requests that are granted by `reach`.
    pub(super) fn new(lookup: Arc<dyn Lookup>, reach: Reach) -> Self {
        Self {
            lookup,
            reach,
            proxies: Arc::new(proxies(|name| std::env::var(name).ok())),
        }
    }
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (lookup, reach) = (Arc::clone(&self.lookup), self.reach);
        let proxies = Arc::clone(&self.proxies);
        Box::pin(async move {
            let host = name.as_str();
            let found = lookup.lookup(host).await?;
            // Operators name their proxy, which then looks up the host itself.
            let passes = |address: &IpAddr| {
                proxies.contains(host) || refusal(host, *address, reach).is_none()
            };
            let allowed: Vec<_> = found.iter().copied().filter(passes).collect();
            let refused = found
                .iter()
                .find_map(|address| refusal(host, *address, reach));
            match refused {
                Some(refused) if allowed.is_empty() => return Err(refused.into()),
                Some(refused) => tracing::debug!("{refused}"),
                None => {}
            }
            let addresses = allowed.into_iter().map(|ip| SocketAddr::new(ip, 0));
            Ok(Box::new(addresses) as Addrs)
        })
    }
}

/// Why a granted name may not lead to an address, if it may not.
fn refusal(host: &str, address: IpAddr, reach: Reach) -> Option<AddressRefused> {
    let is_localhost = host.trim_end_matches('.').eq_ignore_ascii_case("localhost");
    let (what, advice) = match (kind(address), reach) {
        (Kind::Public, _) | (Kind::Private, Reach::Named) => return None,
        (Kind::Loopback, Reach::Named) if is_localhost => return None,
        (Kind::Private, Reach::Below) => (
            "in a private network",
            "A pattern reaches public addresses alone: add this name itself to allow_hosts",
        ),
        (Kind::Loopback, _) => (
            "this machine",
            "To reach it, configure and grant `localhost` or the address in place of the name",
        ),
        (Kind::Forbidden(what), _) => (
            what,
            "To reach it, configure and grant the address in place of the name",
        ),
    };
    Some(AddressRefused {
        host: host.to_owned(),
        address,
        what,
        advice,
    })
}

/// The names of the proxies that the environment sets, which the client honours.
fn proxies(env: impl Fn(&str) -> Option<String>) -> BTreeSet<String> {
    let upper = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"];
    let values = upper
        .into_iter()
        .flat_map(|name| [env(name), env(&name.to_lowercase())])
        .flatten();
    let host = |value: String| {
        let url = match value.contains("://") {
            true => Url::parse(&value),
            false => Url::parse(&format!("http://{value}")),
        };
        url.ok()?.host_str().map(str::to_owned)
    };
    values.filter_map(host).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_name_leads_where_its_grant_lets_it() {
        for (host, address, named, below) in [
            ("x.example", "1.1.1.1", true, true),
            ("x.example", "10.0.0.1", true, false),
            ("x.example", "127.0.0.1", false, false),
            ("x.example", "169.254.169.254", false, false),
            ("localhost", "127.0.0.1", true, false),
            ("localhost", "::1", true, false),
            ("localhost", "169.254.169.254", false, false),
            ("localhost.x.example", "127.0.0.1", false, false),
        ] {
            let address = address.parse().unwrap();
            let passes = |reach| refusal(host, address, reach).is_none();
            assert_eq!(
                (passes(Reach::Named), passes(Reach::Below)),
                (named, below),
                "{host} {address}"
            );
        }
    }

    #[test]
    fn proxies_are_those_of_the_environment() {
        let env = |name: &str| match name {
            "HTTPS_PROXY" => Some("http://user:pass@Proxy.Example:3128".to_owned()),
            "http_proxy" => Some("plain:3128".to_owned()),
            "ALL_PROXY" => Some(String::new()),
            _ => None,
        };
        let found = proxies(env);
        assert_eq!(
            found,
            ["plain".to_owned(), "proxy.example".to_owned()].into()
        );
    }
}
