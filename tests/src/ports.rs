//! Free ports for servers.

use std::net::{Ipv4Addr, Ipv6Addr, TcpListener};

use anyhow::{Result, bail};

/// Below the range that systems take ports for outgoing connections from, so that a
/// server that is restarted finds its port still free.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

/// Two ports that nobody listens on at this moment. Another process may take one before
/// the server does; whoever starts a server tries again then.
pub(crate) fn free_pair() -> Result<(u16, u16)> {
    let mut free = candidates().filter(|port| is_free(*port));
    match (free.next(), free.next()) {
        (Some(first), Some(second)) => Ok((first, second)),
        _ => bail!(
            "no two free ports between {FIRST} and {}",
            u32::from(FIRST) + u32::from(COUNT)
        ),
    }
}

/// The whole range, from a place that differs between tests that run at once.
fn candidates() -> impl Iterator<Item = u16> {
    let (start, _) = uuid::Uuid::new_v4().as_u64_pair();
    let start = u16::try_from(start % u64::from(COUNT)).unwrap_or_default();
    (0..COUNT).map(move |step| FIRST + (start + step) % COUNT)
}

/// Phoenix binds its gRPC port on every address, so a port must be free on all of them.
fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
        && TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)).map_or_else(
            |_| TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok(),
            |_| true,
        )
}
