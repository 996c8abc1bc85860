//! Hosts a provider may reach: a scheme, a host and a port.
//!
//! ```text
//! pattern = scheme "://" host [ ":" port ]
//! scheme  = "http" | "https"
//! host    = name | "*." name | IPv4 address | "[" IPv6 address "]"
//! port    = 1 to 65535; left out, the scheme's own
//! ```
//!
//! `*.` stands for one label or more, and only at the beginning; the name after it has two
//! labels or more, so that nobody grants a whole top-level domain. The host is written as
//! browsers read it (the URL standard): in either case, in Unicode or punycode, with a dot
//! at its end or without, an address in any of its spellings. So is the host of a request,
//! and then the two are compared literally. A name never stands for an address, nor an
//! address for a name.

use std::fmt;
use std::net::IpAddr;

use url::{Host, Url};

use super::InvalidEndpoint;

/// Hosts that may be reached: one, or all below a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPattern {
    scheme: Scheme,
    /// Whether it is what is below `host` instead of `host` itself.
    below: bool,
    host: Host<String>,
    port: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scheme {
    Http,
    Https,
}

impl HostPattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// [`InvalidEndpoint::Credentials`] where it carries a user or a password, and
    /// [`InvalidEndpoint::Wildcard`] or [`InvalidEndpoint::MoreThanHost`] where it does not
    /// keep to the grammar.
    pub fn parse(text: &str) -> Result<Self, InvalidEndpoint> {
        const WRONG: InvalidEndpoint = InvalidEndpoint::MoreThanHost;
        // The URL standard reads over these, and takes a backslash for a slash.
        let is_odd = |c: char| c.is_whitespace() || c.is_control() || c == '\\';
        let (scheme, rest) = text.split_once("://").ok_or(WRONG)?;
        if text.contains(is_odd) || rest.starts_with('/') {
            return Err(WRONG);
        }
        let (below, rest) = match rest.strip_prefix("*.") {
            Some(name) => (true, name),
            None => (false, rest),
        };
        if rest.contains('*') {
            return Err(InvalidEndpoint::Wildcard);
        }
        let url = Url::parse(&format!("{scheme}://{rest}")).map_err(|_| WRONG)?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(InvalidEndpoint::Credentials);
        }
        if (url.path(), url.query(), url.fragment()) != ("/", None, None) {
            return Err(WRONG);
        }
        let exact = Self::of(&url).ok_or(WRONG)?;
        let has_suffix = matches!(&exact.host, Host::Domain(name) if name.contains('.'));
        if below && !has_suffix {
            return Err(InvalidEndpoint::Wildcard);
        }
        Ok(Self { below, ..exact })
    }

    /// The one host that an `http` or `https` address names; none where it names none that
    /// could be granted.
    #[must_use]
    pub fn of(url: &Url) -> Option<Self> {
        let host = match url.host()? {
            Host::Domain(name) => Host::Domain(canonical(name)?.to_owned()),
            Host::Ipv4(address) => Host::Ipv4(address),
            Host::Ipv6(address) => Host::Ipv6(address),
        };
        Some(Self {
            scheme: match url.scheme() {
                "http" => Scheme::Http,
                "https" => Scheme::Https,
                _ => return None,
            },
            below: false,
            host,
            port: url.port_or_known_default().filter(|port| *port > 0)?,
        })
    }

    /// Whether `asked`, which is one host, is among these.
    #[must_use]
    pub fn covers(&self, asked: &Self) -> bool {
        if !self.below {
            return self == asked;
        }
        let is_below = match (&self.host, &asked.host) {
            (Host::Domain(suffix), Host::Domain(name)) => name
                .strip_suffix(suffix.as_str())
                .is_some_and(|rest| rest.len() > 1 && rest.ends_with('.')),
            _ => false,
        };
        is_below && !asked.below && (self.scheme, self.port) == (asked.scheme, asked.port)
    }

    /// Whether it stands for more than one host.
    #[must_use]
    pub fn is_wildcard(&self) -> bool {
        self.below
    }

    /// Whether it is this machine, by a loopback address or as `localhost`.
    #[must_use]
    pub fn is_this_machine(&self) -> bool {
        match &self.host {
            Host::Domain(name) => !self.below && name == "localhost",
            Host::Ipv4(address) => address.is_loopback(),
            Host::Ipv6(address) => IpAddr::V6(*address).to_canonical().is_loopback(),
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.scheme {
            Scheme::Http => "http",
            Scheme::Https => "https",
        };
        let below = if self.below { "*." } else { "" };
        write!(f, "{scheme}://{below}{}:{}", self.host, self.port)
    }
}

/// A name as it is compared: without the dot at its end. The URL parser has done the rest,
/// and lets pass what no name has.
fn canonical(name: &str) -> Option<&str> {
    let name = name.strip_suffix('.').unwrap_or(name);
    let is_label = |label: &str| {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        !label.is_empty() && label.chars().all(fits)
    };
    name.split('.').all(is_label).then_some(name)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    fn asked(address: &str) -> Option<HostPattern> {
        HostPattern::of(&Url::parse(address).ok()?)
    }

    #[test]
    fn a_pattern_is_a_scheme_a_host_and_a_port() {
        let table = [
            ("https://x.example", Ok("https://x.example:443")),
            ("HTTPS://X.Example:443/", Ok("https://x.example:443")),
            ("http://x.example.", Ok("http://x.example:80")),
            (
                "https://b\u{fc}cher.example",
                Ok("https://xn--bcher-kva.example:443"),
            ),
            ("http://phoenix:6006", Ok("http://phoenix:6006")),
            ("http://my_service:1", Ok("http://my_service:1")),
            ("http://127.1:1", Ok("http://127.0.0.1:1")),
            ("http://0x7f000001", Ok("http://127.0.0.1:80")),
            ("http://[0:0::1]:1", Ok("http://[::1]:1")),
            ("https://*.x.example", Ok("https://*.x.example:443")),
            ("https://*.X.Example.:8443", Ok("https://*.x.example:8443")),
            ("x.example:443", Err(InvalidEndpoint::MoreThanHost)),
            ("https://x.example/path", Err(InvalidEndpoint::MoreThanHost)),
            ("https://x.example?q", Err(InvalidEndpoint::MoreThanHost)),
            ("https://x.example#f", Err(InvalidEndpoint::MoreThanHost)),
            ("https:///x.example", Err(InvalidEndpoint::MoreThanHost)),
            ("https://x.exa\tmple", Err(InvalidEndpoint::MoreThanHost)),
            (" https://x.example", Err(InvalidEndpoint::MoreThanHost)),
            ("https://x.example\\y", Err(InvalidEndpoint::MoreThanHost)),
            ("https://x..example", Err(InvalidEndpoint::MoreThanHost)),
            ("https://x.example:0", Err(InvalidEndpoint::MoreThanHost)),
            (
                "https://x.example:65536",
                Err(InvalidEndpoint::MoreThanHost),
            ),
            (
                "http://[fe80::1%25eth0]",
                Err(InvalidEndpoint::MoreThanHost),
            ),
            ("ftp://x.example", Err(InvalidEndpoint::MoreThanHost)),
            ("https://", Err(InvalidEndpoint::MoreThanHost)),
            ("https://u:p@x.example", Err(InvalidEndpoint::Credentials)),
            ("https://*", Err(InvalidEndpoint::Wildcard)),
            ("https://*.com", Err(InvalidEndpoint::Wildcard)),
            ("https://*.1.2.3.4", Err(InvalidEndpoint::Wildcard)),
            ("https://*.*.example", Err(InvalidEndpoint::Wildcard)),
            ("https://a*.x.example", Err(InvalidEndpoint::Wildcard)),
            ("https://a.*.example", Err(InvalidEndpoint::Wildcard)),
            ("https://x.example:*", Err(InvalidEndpoint::Wildcard)),
        ];
        for (text, expected) in table {
            let parsed = HostPattern::parse(text).map(|pattern| pattern.to_string());
            assert_eq!(parsed, expected.map(str::to_owned), "{text:?}");
        }
    }

    #[test]
    fn a_wildcard_covers_what_is_below_its_name_and_nothing_beside() {
        let pattern = HostPattern::parse("https://*.x.example").unwrap();
        for (address, covered) in [
            ("https://a.x.example/", true),
            ("https://A.B.X.EXAMPLE.:443/path", true),
            ("https://x.example/", false),
            ("https://ax.example/", false),
            ("https://evil-x.example/", false),
            ("https://a.x.example.evil.example/", false),
            ("https://a.x.example:8443/", false),
            ("http://a.x.example/", false),
            ("https://1.2.3.4/", false),
        ] {
            assert_eq!(
                pattern.covers(&asked(address).unwrap()),
                covered,
                "{address}"
            );
        }
        assert_eq!(asked("https://.x.example/"), None);
        assert_eq!(asked("https://*.x.example/"), None);
    }

    #[test]
    fn this_machine_is_told_from_others() {
        for (address, local) in [
            ("http://localhost:6006", true),
            ("http://LOCALHOST.:6006", true),
            ("http://127.8.9.1:1", true),
            ("http://2130706433:1", true),
            ("http://[::1]:1", true),
            ("http://[::ffff:127.0.0.1]:1", true),
            ("http://localhost.evil.example", false),
            ("http://10.0.0.1:1", false),
            ("http://[::2]:1", false),
        ] {
            assert_eq!(
                asked(address).unwrap().is_this_machine(),
                local,
                "{address}"
            );
        }
    }

    proptest! {
        /// What a refusal prints can be pasted, and grants exactly what was refused.
        #[test]
        fn what_is_shown_is_read_back(text in "https?://[a-zA-Z0-9*._\\[\\]:%-]{1,24}") {
            if let Ok(pattern) = HostPattern::parse(&text) {
                let again = HostPattern::parse(&pattern.to_string());
                prop_assert_eq!(again.as_ref(), Ok(&pattern));
            }
            if let Some(asked) = asked(&text) {
                let grant = HostPattern::parse(&asked.to_string());
                prop_assert!(grant.is_ok_and(|grant| grant.covers(&asked)));
            }
        }
    }
}
