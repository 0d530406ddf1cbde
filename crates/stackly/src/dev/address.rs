//! Where ingest listens, and where the senders of webhooks reach it.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs},
};

/// Reads an address to listen on: `host:port`.
pub(crate) fn listen(text: &str) -> Result<SocketAddr, String> {
    let advice = "give a host and a port, such as 127.0.0.1:8080 or 0.0.0.0:8080";
    let mut addresses = text.to_socket_addrs().map_err(|error| match error.kind() {
        io::ErrorKind::InvalidInput => format!("`{text}` is not an address; {advice}"),
        _ => format!("{error}; {advice}"),
    })?;
    addresses.next().ok_or_else(|| format!("there is no such host; {advice}"))
}

/// Reads the address under which something here is known outside: a URL without a path.
pub(super) fn public(text: &str) -> Result<String, String> {
    let url = reqwest::Url::parse(text).map_err(|_| {
        format!(
            "`{text}` is not a URL; give where the outside reaches ingest, such as \
             https://hooks.acme.example"
        )
    })?;
    match url.scheme() {
        "http" | "https" => Ok(text.trim_end_matches('/').to_owned()),
        other => Err(format!("webhooks come by http or https, not by {other}")),
    }
}

/// How a process of this machine reaches what listens on an address.
pub(super) fn from_here(address: SocketAddr) -> SocketAddr {
    let loopback = match address.ip() {
        ip if !ip.is_unspecified() => ip,
        // Whoever listens on every address of version 6 mostly hears version 4, too.
        _ => IpAddr::V4(Ipv4Addr::LOCALHOST),
    };
    SocketAddr::new(loopback, address.port())
}

#[cfg(test)]
mod tests {
    use super::{from_here, listen, public};

    #[test]
    fn an_address_to_listen_on_is_a_host_and_a_port() {
        let any = listen("0.0.0.0:8080").unwrap();
        assert_eq!(any.to_string(), "0.0.0.0:8080");
        assert_eq!(from_here(any).to_string(), "127.0.0.1:8080");
        assert_eq!(from_here(listen("127.0.0.1:9").unwrap()).to_string(), "127.0.0.1:9");
        for wrong in ["8080", "", "127.0.0.1"] {
            let said = listen(wrong).unwrap_err();
            assert!(said.contains("127.0.0.1:8080"), "{said}");
        }
    }

    #[test]
    fn a_public_address_is_a_url_without_a_slash_at_its_end() {
        assert_eq!(public("https://hooks.acme.example/").unwrap(), "https://hooks.acme.example");
        assert!(public("hooks.acme.example").is_err());
        assert!(public("ftp://acme.example").is_err());
    }
}
