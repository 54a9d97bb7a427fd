//! [`Network`]: whose addresses count as one.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// What one customer of a network has: an IPv4 address, also behind NAT64 (RFC 6052), or a /64 of
/// IPv6. On a link it is an address of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Network {
    address: IpAddr,
    /// Which link it is on, where the address does not tell.
    scope: u32,
}

impl Network {
    /// The address that it is known by.
    pub(crate) fn address(&self) -> IpAddr {
        self.address
    }
}

impl From<SocketAddr> for Network {
    fn from(peer: SocketAddr) -> Self {
        let link = match peer {
            SocketAddr::V6(peer) => peer.scope_id(),
            SocketAddr::V4(_) => 0,
        };
        let (address, scope) = match peer.ip().to_canonical() {
            IpAddr::V6(address) if address.is_unicast_link_local() => (address.into(), link),
            IpAddr::V6(address) => match translated(address) {
                Some(address) => (address.into(), 0),
                None => (
                    Ipv6Addr::from_bits(address.to_bits() & (!0 << 64)).into(),
                    0,
                ),
            },
            address @ IpAddr::V4(_) => (address, 0),
        };
        Self { address, scope }
    }
}

/// The IPv4 address within an address of the prefix that every NAT64 may use.
fn translated(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let [0x64, 0xff9b, 0, 0, 0, 0, high, low] = address.segments() else {
        return None;
    };
    Some(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on shall fail")]
mod tests {
    use super::*;

    fn network(peer: &str) -> Network {
        Network::from(peer.parse::<SocketAddr>().unwrap())
    }

    #[test]
    fn addresses_of_one_customer_are_one() {
        for (one, other) in [
            ("192.0.2.1:1", "192.0.2.1:2"),
            ("192.0.2.1:1", "[::ffff:192.0.2.1]:1"),
            ("192.0.2.1:1", "[64:ff9b::192.0.2.1]:1"),
            ("[2001:db8::1]:1", "[2001:db8::ffff:0:0:1]:2"),
            ("[fe80::1%3]:1", "[fe80::1%3]:2"),
        ] {
            assert_eq!(network(one), network(other), "{one} {other}");
        }
    }

    #[test]
    fn those_of_others_are_not() {
        for (one, other) in [
            ("192.0.2.1:1", "192.0.2.2:1"),
            ("[64:ff9b::192.0.2.1]:1", "[64:ff9b::192.0.2.2]:1"),
            ("[64:ff9b:0:1::c000:201]:1", "192.0.2.1:1"),
            ("[2001:db8::1]:1", "[2001:db8:0:1::1]:1"),
            ("[fe80::1%3]:1", "[fe80::2%3]:1"),
            ("[fe80::1%3]:1", "[fe80::1%4]:1"),
        ] {
            assert_ne!(network(one), network(other), "{one} {other}");
        }
    }
}
