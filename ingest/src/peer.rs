//! Whose request it is: the address at the other end, or what a trusted proxy says.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use anyhow::Context;
use axum::http::HeaderMap;
use ipnet::IpNet;

/// The address at the other end of a connection; the server puts it into each request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Peer(pub(crate) IpAddr);

impl Default for Peer {
    /// Of a request that came over no connection.
    fn default() -> Self {
        Self(Ipv4Addr::UNSPECIFIED.into())
    }
}

/// The proxies that are believed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Proxies(Vec<IpNet>);

impl Proxies {
    /// Addresses or networks.
    pub(crate) fn read(texts: &[String]) -> anyhow::Result<Self> {
        let network = |text: &String| {
            let alone = text.parse::<IpAddr>().map(IpNet::from);
            alone.or_else(|_| text.parse()).with_context(|| {
                format!("http.trusted_proxies: `{text}` is neither an address nor a network")
            })
        };
        texts.iter().map(network).collect::<Result<_, _>>().map(Self)
    }

    pub(crate) fn trust(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }

    /// Who really asks. Read from the right: what stands further left anybody could have written.
    pub(crate) fn client(&self, Peer(peer): Peer, headers: &HeaderMap) -> IpAddr {
        if !self.trust(peer) {
            return peer;
        }
        let lines = headers.get_all("x-forwarded-for").iter().rev();
        let hops = lines.filter_map(|line| line.to_str().ok()).flat_map(|line| line.rsplit(','));
        let mut client = peer;
        for hop in hops {
            let Some(address) = address(hop.trim()) else { break };
            client = address.to_canonical();
            if !self.trust(address) {
                break;
            }
        }
        client
    }
}

/// An address, which some proxies write with the port it came from, or in brackets as before one.
fn address(hop: &str) -> Option<IpAddr> {
    let with_port = || hop.parse::<SocketAddr>().ok().map(|socket| socket.ip());
    let in_brackets = || {
        let inside = hop.strip_prefix('[')?.strip_suffix(']')?;
        inside.parse().ok().map(IpAddr::V6)
    };
    hop.parse().ok().or_else(with_port).or_else(in_brackets)
}

#[cfg(test)]
mod tests;
