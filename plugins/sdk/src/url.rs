//! The parts of an address that a client puts together, percent-encoded.

use std::fmt::Write as _;

use crate::{Error, error};

/// Where a backend is: `http://host:port/prefix`, taken apart once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Base {
    /// Whether it is `https`.
    pub(crate) secure: bool,
    /// Host and port.
    pub(crate) authority: String,
    /// The path in front of every other, without a slash at its end; often empty.
    pub(crate) prefix: String,
}

impl Base {
    /// Take `url` apart. Refused are other schemes, a user or password, a query and a
    /// fragment.
    pub(crate) fn parse(url: &str) -> Result<Self, Error> {
        let refuse = |why: &str| {
            error::invalid_argument(format!(
                "`{url}` is no address of a backend: {why}; write it like `http://localhost:6006`"
            ))
        };
        let (scheme, rest) = url
            .split_once("://")
            .ok_or_else(|| refuse("it has no scheme"))?;
        let secure = match scheme {
            "http" => false,
            "https" => true,
            _ => return Err(refuse("its scheme is neither http nor https")),
        };
        let (authority, path) = match rest.find('/') {
            Some(slash) => rest.split_at(slash),
            None => (rest, ""),
        };
        if rest.contains(['?', '#']) {
            return Err(refuse("it has a query or a fragment"));
        }
        if authority.contains('@') {
            return Err(refuse(
                "it has a user or a password, which belong into the secrets",
            ));
        }
        if authority.is_empty() || authority.contains(char::is_whitespace) {
            return Err(refuse("it names no host"));
        }
        Ok(Self {
            secure,
            authority: authority.to_owned(),
            prefix: path.trim_end_matches('/').to_owned(),
        })
    }
}

/// Append `/segment`, so that it stays one segment whatever it holds.
///
/// A segment `.` or `..` cannot be written down: every server takes its encoded form for
/// the plain one. A caller that has such names must name things otherwise.
pub(crate) fn push_segment(path: &mut String, segment: &str) {
    path.push('/');
    push_encoded(path, segment);
}

/// Append `?key=value` or `&key=value`.
pub(crate) fn push_query(path: &mut String, key: &str, value: &str) {
    path.push(if path.contains('?') { '&' } else { '?' });
    push_encoded(path, key);
    path.push('=');
    push_encoded(path, value);
}

/// Append `text` with everything encoded that RFC 3986 does not call unreserved: also the
/// `+`, which servers read as a space.
fn push_encoded(out: &mut String, text: &str) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            // Writing to a `String` cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn an_address_is_taken_apart() {
        let base = Base::parse("https://px.example:8443/phoenix/").unwrap();
        assert!(base.secure);
        assert_eq!(base.authority, "px.example:8443");
        assert_eq!(base.prefix, "/phoenix");
        assert_eq!(
            Base::parse("http://[::1]:6006").unwrap().authority,
            "[::1]:6006"
        );
    }

    #[test]
    fn an_address_that_cannot_be_one_is_refused_with_the_reason() {
        for (url, reason) in [
            ("localhost:6006", "no scheme"),
            ("ftp://h", "neither http nor https"),
            ("http://", "no host"),
            ("http://u:p@h", "user or a password"),
            ("http://h/?a=b", "query"),
        ] {
            let Err(Error::InvalidArgument(message)) = Base::parse(url) else {
                unreachable!("{url} was taken");
            };
            assert!(message.contains(reason), "{message}");
        }
    }

    #[test]
    fn whatever_a_name_holds_it_stays_one_segment_and_one_value() {
        let mut path = String::from("/v1");
        push_segment(&mut path, "a/b?c#d e");
        push_query(&mut path, "start", "2026-01-01T00:00:00+00:00");
        push_query(&mut path, "q", "ü&=");
        assert_eq!(
            path,
            "/v1/a%2Fb%3Fc%23d%20e?start=2026-01-01T00%3A00%3A00%2B00%3A00&q=%C3%BC%26%3D"
        );
    }
}
