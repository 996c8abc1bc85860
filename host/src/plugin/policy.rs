//! Which hosts a connection may reach: those its operator named and no other.
//!
//! A grant comes from an endpoint in the connection's configuration or from its
//! `allow_hosts`; a default of the provider's schema grants nothing beyond this machine.
//! [`HostPattern`] says how grants are compared, and [`resolver`](super::resolver) where a
//! granted name may lead.

use url::Url;

use crate::config::HostPattern;

/// By what an address was granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// The operator named this host.
    Named,
    /// The operator named what it is below.
    Below,
}

/// Whether two addresses are of one scheme, host and port.
pub(crate) fn same_origin(left: &Url, right: &Url) -> bool {
    let origin = HostPattern::of(left);
    origin.is_some() && origin == HostPattern::of(right)
}

/// The grants of one connection.
#[derive(Debug, Clone, Default)]
pub(crate) struct Policy {
    connection: String,
    endpoints: Vec<HostPattern>,
    extra: Vec<HostPattern>,
}

impl Policy {
    /// `endpoints` are the backend's own, which credentials are presented to; `extra`
    /// may be reached without them.
    pub(crate) fn new(
        connection: &str,
        endpoints: Vec<HostPattern>,
        extra: Vec<HostPattern>,
    ) -> Self {
        Self {
            connection: connection.to_owned(),
            endpoints,
            extra,
        }
    }

    /// The connection's name in `roost.toml`.
    pub(crate) fn connection(&self) -> &str {
        &self.connection
    }

    /// By what an address may be reached; if it may not, a sentence for the operator that
    /// says how to grant it.
    pub(crate) fn check(&self, url: &Url) -> Result<Reach, String> {
        if !url.username().is_empty() || url.password().is_some() {
            return Err("an address with a user or a password is not reached".to_owned());
        }
        let Some(asked) = HostPattern::of(url) else {
            return Err(format!(
                "only http and https to a host can be reached, not `{url}`"
            ));
        };
        let grants = || self.endpoints.iter().chain(&self.extra);
        if grants().any(|grant| *grant == asked) {
            return Ok(Reach::Named);
        }
        if grants().any(|grant| grant.covers(&asked)) {
            return Ok(Reach::Below);
        }
        let Self { connection, .. } = self;
        Err(format!(
            "the provider may not reach {asked}. To grant it, add to [connections.{connection}] \
             in roost.toml: allow_hosts = [\"{asked}\"]"
        ))
    }

    /// Whether credentials may be presented to this address.
    pub(crate) fn is_endpoint(&self, url: &Url) -> bool {
        HostPattern::of(url).is_some_and(|asked| self.endpoints.contains(&asked))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn only_what_was_named_may_be_reached() {
        let grant = |text| HostPattern::parse(text).unwrap();
        let policy = Policy::new(
            "default",
            vec![grant("http://localhost:6006"), grant("http://127.0.0.1:1")],
            vec![
                grant("https://cdn.example.com"),
                grant("https://*.example.org"),
            ],
        );
        let (named, below) = (Some(Reach::Named), Some(Reach::Below));
        let cases = [
            ("http://localhost:6006/v1/spans?x=1", named, true),
            ("HTTP://LOCALHOST:6006/", named, true),
            ("http://localhost.:6006/", named, true),
            ("http://0x7f.1:1/", named, true),
            ("https://cdn.example.com:443/file", named, false),
            ("https://a.b.example.org/", below, false),
            ("https://example.org/", None, false),
            ("http://localhost/", None, false),
            ("https://localhost:6006/", None, false),
            ("http://127.0.0.1:6006/", None, false),
            ("http://[::ffff:127.0.0.1]:1/", None, false),
            ("http://[::1]:6006/", None, false),
            ("http://localhost:6006@evil.example/", None, false),
            ("http://u:p@localhost:6006/", None, true),
            ("http://evil.example:6006/localhost:6006", None, false),
            ("https://cdn.example.com.evil.example/", None, false),
            ("ftp://localhost:6006/", None, false),
        ];
        for (address, reached, credentials) in cases {
            let url = Url::parse(address).unwrap();
            assert_eq!(policy.check(&url).ok(), reached, "{address}");
            assert_eq!(policy.is_endpoint(&url), credentials, "{address}");
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
