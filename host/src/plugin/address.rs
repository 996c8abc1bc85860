//! Addresses that a name may not lead to.
//!
//! Whoever owns a name says what it resolves to, and may say something else each time. A
//! grant by name is therefore no grant of this machine, of the services that clouds put on
//! link-local addresses, or of what is no host at all; docs/security.md has the table for
//! operators. An address that the operator wrote down as such is never looked at here.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// What an address is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// On the internet.
    Public,
    /// In somebody's own network.
    Private,
    /// This machine.
    Loopback,
    /// Nothing that a name may lead to; holds what it is.
    Forbidden(&'static str),
}

/// Ranges that are not public, the narrower before the wider.
const RANGES: &[(IpNet, Kind)] = &[
    (v4([0, 0, 0, 0], 8), Kind::Forbidden("no host's")),
    (v4([127, 0, 0, 0], 8), Kind::Loopback),
    (v4([169, 254, 0, 0], 16), LINK_LOCAL),
    (v4([100, 100, 100, 200], 32), METADATA),
    (v4([168, 63, 129, 16], 32), METADATA),
    (v4([192, 0, 0, 0], 24), Kind::Forbidden("a protocol's own")),
    (v4([192, 0, 2, 0], 24), DOCUMENTATION),
    (v4([198, 51, 100, 0], 24), DOCUMENTATION),
    (v4([203, 0, 113, 0], 24), DOCUMENTATION),
    (v4([224, 0, 0, 0], 4), MULTICAST),
    (v4([240, 0, 0, 0], 4), Kind::Forbidden("reserved")),
    (v4([10, 0, 0, 0], 8), Kind::Private),
    (v4([172, 16, 0, 0], 12), Kind::Private),
    (v4([192, 168, 0, 0], 16), Kind::Private),
    (v4([100, 64, 0, 0], 10), Kind::Private),
    (v4([198, 18, 0, 0], 15), Kind::Private),
    (v6([0, 0, 0, 0, 0, 0, 0, 1], 128), Kind::Loopback),
    (v6([0; 8], 128), Kind::Forbidden("no host's")),
    (v6([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0], 32), METADATA),
    (v6([0xfd20, 0xce, 0, 0, 0, 0, 0, 0], 32), METADATA),
    (v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10), LINK_LOCAL),
    (v6([0xff00, 0, 0, 0, 0, 0, 0, 0], 8), MULTICAST),
    (v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32), DOCUMENTATION),
    (v6([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20), DOCUMENTATION),
    (v6([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48), TRANSLATED),
    (v6([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7), Kind::Private),
    (v6([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10), Kind::Private),
];

const LINK_LOCAL: Kind = Kind::Forbidden("link-local, where clouds keep credentials");
const METADATA: Kind = Kind::Forbidden("a cloud's metadata service");
const MULTICAST: Kind = Kind::Forbidden("multicast");
const DOCUMENTATION: Kind = Kind::Forbidden("for documentation");
const TRANSLATED: Kind = Kind::Forbidden("translated to another that cannot be told");

const fn v4([a, b, c, d]: [u8; 4], prefix: u8) -> IpNet {
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix))
}

const fn v6([a, b, c, d, e, f, g, h]: [u16; 8], prefix: u8) -> IpNet {
    let address = Ipv6Addr::new(a, b, c, d, e, f, g, h);
    IpNet::V6(Ipv6Net::new_assert(address, prefix))
}

/// What an address is; one that carries another is the worse of the two.
pub(super) fn kind(address: IpAddr) -> Kind {
    let own = RANGES
        .iter()
        .find(|(range, _)| range.contains(&address))
        .map_or(Kind::Public, |(_, kind)| *kind);
    let IpAddr::V6(address) = address else {
        return own;
    };
    let carried = carried(address).into_iter().flatten();
    carried
        .map(|address| kind(IpAddr::V4(address)))
        .fold(own, Ord::max)
}

/// The IPv4 addresses in an IPv6 address, to which a router, a tunnel or the system itself
/// takes what is sent there.
fn carried(address: Ipv6Addr) -> [Option<Ipv4Addr>; 2] {
    let [a, b, c, d, e, f, g, h] = address.segments();
    let last = pair(g, h);
    match [a, b, c, d, e, f] {
        // Compatible (but for `::` and `::1`), mapped, and NAT64.
        [0, 0, 0, 0, 0, 0] if g != 0 => [Some(last), None],
        [0, 0, 0, 0, 0, 0xffff] | [0x64, 0xff9b, 0, 0, 0, 0] => [Some(last), None],
        // 6to4.
        [0x2002, ..] => [Some(pair(b, c)), None],
        // Teredo: the server, and the client with its bits flipped.
        [0x2001, 0, ..] => [Some(pair(c, d)), Some(pair(!g, !h))],
        _ => [None, None],
    }
}

fn pair(high: u16, low: u16) -> Ipv4Addr {
    Ipv4Addr::from((u32::from(high) << 16) | u32::from(low))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn named(address: &str) -> &'static str {
        match kind(address.parse().unwrap()) {
            Kind::Public => "public",
            Kind::Private => "private",
            Kind::Loopback => "loopback",
            Kind::Forbidden(what) => what,
        }
    }

    #[test]
    fn an_address_is_what_it_or_what_it_carries_is() {
        for (address, expected) in [
            ("1.1.1.1", "public"),
            ("172.32.0.1", "public"),
            ("100.128.0.1", "public"),
            ("2606:4700:4700::1111", "public"),
            ("10.1.2.3", "private"),
            ("172.31.255.255", "private"),
            ("192.168.0.1", "private"),
            ("100.64.0.1", "private"),
            ("fd12::1", "private"),
            ("fec0::1", "private"),
            ("127.0.0.1", "loopback"),
            ("127.255.255.254", "loopback"),
            ("::1", "loopback"),
            ("0.0.0.0", "no host's"),
            ("::", "no host's"),
            (
                "169.254.169.254",
                "link-local, where clouds keep credentials",
            ),
            ("169.254.170.2", "link-local, where clouds keep credentials"),
            ("fe80::1", "link-local, where clouds keep credentials"),
            ("100.100.100.200", "a cloud's metadata service"),
            ("168.63.129.16", "a cloud's metadata service"),
            ("fd00:ec2::254", "a cloud's metadata service"),
            ("fd20:ce::254", "a cloud's metadata service"),
            ("255.255.255.255", "reserved"),
            ("224.0.0.1", "multicast"),
            ("ff02::1", "multicast"),
            ("203.0.113.9", "for documentation"),
            // Mapped, compatible, NAT64, 6to4, Teredo: around this machine and others.
            ("::ffff:127.0.0.1", "loopback"),
            ("::ffff:8.8.8.8", "public"),
            ("::ffff:10.0.0.1", "private"),
            ("::127.0.0.1", "loopback"),
            ("64:ff9b::127.0.0.1", "loopback"),
            (
                "64:ff9b::169.254.169.254",
                "link-local, where clouds keep credentials",
            ),
            ("64:ff9b::8.8.8.8", "public"),
            (
                "64:ff9b:1::8.8.8.8",
                "translated to another that cannot be told",
            ),
            ("2002:7f00:1::", "loopback"),
            (
                "2002:a9fe:a9fe::1",
                "link-local, where clouds keep credentials",
            ),
            ("2002:808:808::1", "public"),
            ("2001:0:808:808::80ff:fffe", "loopback"),
            ("2001:0:7f00:1::f7f7:f7f7", "loopback"),
            ("2001:0:808:808::f7f7:f7f7", "public"),
        ] {
            assert_eq!(named(address), expected, "{address}");
        }
    }

    /// Operators read there what is refused, and it is all of it.
    #[test]
    fn the_page_for_operators_has_every_range() {
        let page = include_str!("../../../docs/security.md");
        for (range, _) in RANGES {
            assert!(page.contains(&format!("`{range}`")), "{range}");
        }
    }
}
