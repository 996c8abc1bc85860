//! Providers from elsewhere: fetched from a registry of OCI artifacts, an address or a path,
//! tried, and put into the plugins folder; and the other way, into a registry.
//!
//! Four steps, and only the last one touches the folder:
//!
//! 1. [`Fetcher::fetch`] gets the content a [`Source`] stands for, whole and in memory, within
//!    bounds of size and time, and holds it against the digest that the source pins.
//! 2. [`Fetched::try_out`] loads it as the host would, in a folder of its own: what is no
//!    provider, or is not signed as the configuration asks, ends here.
//! 3. [`LockFile`](crate::plugin::LockFile) is told its digest and where it came from.
//! 4. The file is renamed into place, so that nobody ever sees half of it.

mod artifact;
mod credentials;
mod error;
mod fetch;
mod folder;
mod registry;
mod search;
mod source;
mod web;

pub use error::DistributionError;
pub use fetch::{Fetched, Fetcher};
pub use folder::{Placed, file_of, place, remove};
pub use oci_client::Reference;
pub use registry::Pushed;
pub use search::{Found, Offer, Place};
pub use source::Source;

use std::time::Duration;

/// The largest provider that is fetched, in bytes. One in Python has 18 MB, with its interpreter.
pub const MAX_BYTES: usize = 256 << 20;

/// How long a server may take to be connected to.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a server may say nothing.
const READ_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a small answer may take: a manifest, a list, a token.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a content may take, to come or to go.
const CONTENT_TIMEOUT: Duration = Duration::from_secs(15 * 60);

/// Whether a host is this machine, as it is written: nothing is looked up.
fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::is_loopback;

    #[test]
    fn a_name_that_only_looks_like_this_machine_is_another_one() {
        for (host, is_local) in [
            ("localhost", true),
            ("127.0.0.1", true),
            ("127.8.9.10", true),
            ("[::1]", true),
            ("localhost.example.com", false),
            ("127.0.0.1.example.com", false),
            ("10.0.0.1", false),
            ("", false),
        ] {
            assert_eq!(is_loopback(host), is_local, "{host}");
        }
    }
}
