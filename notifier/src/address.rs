//! Which addresses an outgoing webhook may go to.
//!
//! Whoever may configure a webhook must not reach what only this machine can reach: metadata
//! services, databases, other tenants. So everything is refused that is not ordinary unicast of
//! the public internet.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

#[cfg(test)]
mod tests;

/// IPv4 networks that are not the public internet (IANA special-purpose registry).
const REFUSED_V4: &[([u8; 4], u32)] = &[
    ([0, 0, 0, 0], 8),
    ([10, 0, 0, 0], 8),
    ([100, 64, 0, 0], 10),
    ([127, 0, 0, 0], 8),
    ([169, 254, 0, 0], 16),
    ([172, 16, 0, 0], 12),
    ([192, 0, 0, 0], 24),
    ([192, 0, 2, 0], 24),
    ([192, 88, 99, 0], 24),
    ([192, 168, 0, 0], 16),
    ([198, 18, 0, 0], 15),
    ([198, 51, 100, 0], 24),
    ([203, 0, 113, 0], 24),
    ([224, 0, 0, 0], 4),
    ([240, 0, 0, 0], 4),
];

/// The only global unicast space handed out so far. Loopback, link-local, unique-local, multicast,
/// NAT64, discard and segment routing all lie outside.
const GLOBAL_V6: ([u16; 8], u32) = ([0x2000, 0, 0, 0, 0, 0, 0, 0], 3);

/// What lies inside it and is still no public host: Teredo and other IETF protocols,
/// documentation, 6to4 (which would wrap any IPv4 address), documentation again.
const REFUSED_V6: &[([u16; 8], u32)] = &[
    ([0x2001, 0, 0, 0, 0, 0, 0, 0], 23),
    ([0x2001, 0x0db8, 0, 0, 0, 0, 0, 0], 32),
    ([0x2002, 0, 0, 0, 0, 0, 0, 0], 16),
    ([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20),
];

/// Whether the address belongs to an ordinary host of the public internet.
pub(crate) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(mapped) => is_public_v4(mapped),
            None => is_public_v6(address),
        },
    }
}

/// The address in a URL that names one instead of a host; no resolver is ever asked about it.
pub(crate) fn literal(host: &str) -> Option<IpAddr> {
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let bits = address.to_bits();
    !REFUSED_V4.iter().any(|(network, length)| {
        let network = Ipv4Addr::from_octets(*network).to_bits();
        (bits ^ network) >> (32 - length) == 0
    })
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let within = |(network, length): &([u16; 8], u32)| {
        let network = Ipv6Addr::from_segments(*network).to_bits();
        (address.to_bits() ^ network) >> (128 - length) == 0
    };
    within(&GLOBAL_V6) && !REFUSED_V6.iter().any(within)
}
