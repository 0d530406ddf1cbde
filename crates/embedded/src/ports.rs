//! Free ports that stay free while a server is down.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::Mutex;

use rand::Rng;

use crate::Error;

/// Below the range from which the kernel takes ports for outgoing connections (32768 on Linux, 49152
/// on macOS). A port of that range could go to any connection while a killed server is down, and the
/// server could then not come back on it.
const RANGE: std::ops::Range<u16> = 15_000..32_000;

/// Ports this process has handed out: two callers must not get the same one before either listens.
static HANDED_OUT: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

/// A port of 127.0.0.1 on which nobody listens. Another process may still take it before its use, so
/// whoever listens on it must be ready to ask for another.
pub fn free_port() -> Result<u16, Error> {
    for _ in 0..500 {
        let port = rand::rng().random_range(RANGE);
        if is_free(port) && hand_out(port) {
            return Ok(port);
        }
    }
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(Error::NoFreePort)?;
    let address = listener.local_addr().map_err(Error::NoFreePort)?;
    Ok(address.port())
}

/// Whether one could listen on `port` now.
pub(crate) fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

fn hand_out(port: u16) -> bool {
    let mut handed_out = HANDED_OUT.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    handed_out.insert(port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_in_use_is_not_free_and_none_is_handed_out_twice() {
        let port = free_port().unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
        assert!(!is_free(port));
        drop(listener);
        assert!(is_free(port));
        let others: BTreeSet<u16> = (0..100).map(|_| free_port().unwrap()).collect();
        assert_eq!(others.len(), 100);
        assert!(!others.contains(&port));
    }
}
