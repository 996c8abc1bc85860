//! Which hosts a connection may reach: those its operator named and no other.
//!
//! A grant is a scheme, a host and a port, compared literally. It comes from an endpoint
//! in the connection's configuration or from its `allow_hosts`. There are no patterns, and
//! a default of the provider's schema grants nothing beyond this machine.

use std::fmt;
use std::net::IpAddr;

use url::Url;

/// A scheme, host and port that may be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origin {
    scheme: String,
    host: String,
    port: u16,
}

/// Why a text is no origin.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InvalidOrigin {
    #[error("`{0}` is no address: {1} (write it as `https://api.example.com:443`)")]
    Malformed(String, url::ParseError),
    #[error("`{0}`: only http and https can be granted")]
    Scheme(String),
    #[error("`{0}` names no host")]
    NoHost(String),
}

impl Origin {
    pub(crate) fn parse(text: &str) -> Result<Self, InvalidOrigin> {
        let url = Url::parse(text).map_err(|e| InvalidOrigin::Malformed(text.to_owned(), e))?;
        Self::of(&url).ok_or_else(|| match url.scheme() {
            "http" | "https" => InvalidOrigin::NoHost(text.to_owned()),
            _ => InvalidOrigin::Scheme(text.to_owned()),
        })
    }

    /// The origin of an http or https address; `None` for any other.
    pub(crate) fn of(url: &Url) -> Option<Self> {
        if !matches!(url.scheme(), "http" | "https") {
            return None;
        }
        Some(Self {
            scheme: url.scheme().to_owned(),
            host: url.host_str().filter(|host| !host.is_empty())?.to_owned(),
            port: url.port_or_known_default()?,
        })
    }
}

impl Origin {
    /// Whether it is this machine, by the address itself or as `localhost`.
    pub(crate) fn is_loopback(&self) -> bool {
        let address = self.host.trim_start_matches('[').trim_end_matches(']');
        address == "localhost" || address.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}:{}", self.scheme, self.host, self.port)
    }
}

/// Whether two addresses are of one scheme, host and port.
pub(crate) fn same_origin(left: &Url, right: &Url) -> bool {
    let origin = Origin::of(left);
    origin.is_some() && origin == Origin::of(right)
}

/// The grants of one connection.
#[derive(Debug, Clone, Default)]
pub(crate) struct Policy {
    connection: String,
    endpoints: Vec<Origin>,
    extra: Vec<Origin>,
}

impl Policy {
    /// `endpoints` are the backend's own, which credentials are presented to; `extra`
    /// may be reached without them.
    pub(crate) fn new(connection: &str, endpoints: Vec<Origin>, extra: Vec<Origin>) -> Self {
        Self {
            connection: connection.to_owned(),
            endpoints,
            extra,
        }
    }

    /// Whether an address may be reached; if not, a sentence for the operator that says
    /// how to grant it.
    pub(crate) fn check(&self, url: &Url) -> Result<(), String> {
        let Some(origin) = Origin::of(url) else {
            return Err(format!("only http and https can be reached, not `{url}`"));
        };
        if self.endpoints.contains(&origin) || self.extra.contains(&origin) {
            return Ok(());
        }
        let Self { connection, .. } = self;
        Err(format!(
            "the provider may not reach {origin}. To grant it, add to [connections.{connection}] \
             in roost.toml: allow_hosts = [\"{origin}\"]"
        ))
    }

    /// Whether credentials may be presented to this address.
    pub(crate) fn is_endpoint(&self, url: &Url) -> bool {
        Origin::of(url).is_some_and(|origin| self.endpoints.contains(&origin))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn only_what_was_named_may_be_reached() {
        let endpoint = Origin::parse("http://localhost:6006").unwrap();
        let extra = Origin::parse("https://cdn.example.com").unwrap();
        let policy = Policy::new("default", vec![endpoint], vec![extra]);
        let cases = [
            ("http://localhost:6006/v1/spans?x=1", true, true),
            ("HTTP://LOCALHOST:6006/", true, true),
            ("https://cdn.example.com:443/file", true, false),
            ("http://localhost/", false, false),
            ("https://localhost:6006/", false, false),
            ("http://127.0.0.1:6006/", false, false),
            ("http://localhost.:6006/", false, false),
            ("http://localhost:6006@evil.example/", false, false),
            ("http://evil.example:6006/localhost:6006", false, false),
            ("https://cdn.example.com.evil.example/", false, false),
            ("ftp://localhost:6006/", false, false),
        ];
        for (address, reached, credentials) in cases {
            let url = Url::parse(address).unwrap();
            assert_eq!(policy.check(&url).is_ok(), reached, "{address}");
            assert_eq!(policy.is_endpoint(&url), credentials, "{address}");
        }
    }

    #[test]
    fn this_machine_is_told_from_others() {
        for (address, loopback) in [
            ("http://localhost:6006", true),
            ("http://127.0.0.1:1", true),
            ("http://127.8.9.1:1", true),
            ("http://[::1]:1", true),
            ("http://localhost.evil.example", false),
            ("http://10.0.0.1:1", false),
            ("http://[::2]:1", false),
        ] {
            let origin = Origin::parse(address).unwrap();
            assert_eq!(origin.is_loopback(), loopback, "{address}");
        }
    }

    #[test]
    fn a_refusal_says_how_to_grant() {
        let policy = Policy::new("eu", Vec::new(), Vec::new());
        let refusal = policy
            .check(&Url::parse("https://api.example.com/v1").unwrap())
            .unwrap_err();
        assert_eq!(
            refusal,
            "the provider may not reach https://api.example.com:443. To grant it, add to \
             [connections.eu] in roost.toml: allow_hosts = [\"https://api.example.com:443\"]"
        );
    }
}
