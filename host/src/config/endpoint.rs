//! Endpoints: what is a URL, and what a host that may be reached.

use url::Url;

/// Why a text is no endpoint. The text itself is not in the message: it may hold a
/// password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidEndpoint {
    /// It is no URL.
    #[error("must be a URL such as `http://localhost:6006`")]
    Url,
    /// It is neither `host:port` nor a URL.
    #[error("must be `host:port`, such as `localhost:4317`, or a URL with `http` or `https`")]
    HostPort,
    /// It carries a user or a password.
    #[error("must not carry a user or a password; put them under `secrets`")]
    Credentials,
    /// It says `http` where TLS is asked for.
    #[error(
        "says `http`, but `otlp_use_tls` is true; write `https`, or set `otlp_use_tls = false`"
    )]
    NotTls,
    /// It names more than a host.
    #[error("must be a scheme, a host and a port alone, such as `https://example.com:443`")]
    MoreThanHost,
    /// It has a `*` where none can be.
    #[error(
        "may have `*.` before a name of two labels or more and nowhere else, as \
         `https://*.example.com` has"
    )]
    Wildcard,
}

/// An `http` or `https` URL without credentials.
pub(super) fn url(text: &str) -> Result<Url, InvalidEndpoint> {
    let url = Url::parse(text).map_err(|_| InvalidEndpoint::Url)?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(InvalidEndpoint::Url);
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(InvalidEndpoint::Credentials);
    }
    Ok(url)
}

/// A host with its scheme and port and nothing after it.
fn host(text: &str) -> Result<Url, InvalidEndpoint> {
    let url = url(text).map_err(|fault| match fault {
        InvalidEndpoint::Url => InvalidEndpoint::MoreThanHost,
        other => other,
    })?;
    match (url.path(), url.query(), url.fragment()) {
        ("/", None, None) => Ok(url),
        _ => Err(InvalidEndpoint::MoreThanHost),
    }
}

/// Where spans go. The default of `otlp_use_tls` is false, so `https` needs no second word;
/// `http` against an explicit wish for TLS is refused rather than sent in the clear.
pub(crate) fn otlp(text: &str, use_tls: bool) -> Result<Url, InvalidEndpoint> {
    if text.contains("://") {
        let url = url(text).map_err(|fault| match fault {
            InvalidEndpoint::Url => InvalidEndpoint::HostPort,
            other => other,
        })?;
        return match (url.scheme(), use_tls) {
            ("http", true) => Err(InvalidEndpoint::NotTls),
            _ => Ok(url),
        };
    }
    let (_, port) = text.rsplit_once(':').ok_or(InvalidEndpoint::HostPort)?;
    if !port.parse::<u16>().is_ok_and(|port| port > 0) {
        return Err(InvalidEndpoint::HostPort);
    }
    let scheme = if use_tls { "https" } else { "http" };
    host(&format!("{scheme}://{text}")).map_err(|fault| match fault {
        InvalidEndpoint::MoreThanHost => InvalidEndpoint::HostPort,
        other => other,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(answer: Result<Url, InvalidEndpoint>) -> Result<String, InvalidEndpoint> {
        answer.map(String::from)
    }

    #[test]
    fn an_otlp_endpoint_is_a_host_and_port_or_a_url() {
        let table = [
            ("localhost:4317", false, Ok("http://localhost:4317/")),
            ("localhost:4317", true, Ok("https://localhost:4317/")),
            ("[::1]:4317", false, Ok("http://[::1]:4317/")),
            (
                "https://x.example/otlp",
                false,
                Ok("https://x.example/otlp"),
            ),
            ("http://x.example", false, Ok("http://x.example/")),
            ("http://x.example", true, Err(InvalidEndpoint::NotTls)),
            ("localhost", false, Err(InvalidEndpoint::HostPort)),
            ("localhost:0", false, Err(InvalidEndpoint::HostPort)),
            ("localhost:70000", false, Err(InvalidEndpoint::HostPort)),
            ("", false, Err(InvalidEndpoint::HostPort)),
            ("ftp://x.example", false, Err(InvalidEndpoint::HostPort)),
            ("localhost/x:1", false, Err(InvalidEndpoint::HostPort)),
            (
                "https://u:p@x.example",
                false,
                Err(InvalidEndpoint::Credentials),
            ),
            ("u:p@x.example:1", false, Err(InvalidEndpoint::Credentials)),
        ];
        for (text, tls, expected) in table {
            assert_eq!(
                shown(otlp(text, tls)),
                expected.map(str::to_owned),
                "{text:?}"
            );
        }
    }
}
