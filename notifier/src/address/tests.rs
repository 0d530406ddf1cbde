use std::net::IpAddr;

use super::{is_public, literal};

const REFUSED: &[&str] = &[
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "10.255.255.255",
    "100.64.0.1",
    "100.127.255.255",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.170",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.7",
    "203.0.113.7",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "::127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:20::1",
    "2001:db8::1",
    "2002:7f00:1::1",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd12:3456::1",
    "fe80::1",
    "febf::1",
    "fec0::1",
    "ff02::1",
];

const PUBLIC: &[&str] = &[
    "1.1.1.1",
    "8.8.8.8",
    "9.255.255.255",
    "11.0.0.1",
    "100.63.255.255",
    "100.128.0.1",
    "126.255.255.255",
    "128.0.0.1",
    "172.15.255.255",
    "172.32.0.1",
    "192.0.1.1",
    "192.167.0.1",
    "198.17.255.255",
    "198.20.0.1",
    "223.255.255.255",
    "2606:4700:4700::1111",
    "2001:4860:4860::8888",
    "2a00:1450::1",
    "::ffff:8.8.8.8",
    "2001:200::1",
];

#[test]
fn only_ordinary_hosts_of_the_public_internet_are_called() {
    for address in REFUSED {
        assert!(!is_public(address.parse().unwrap()), "{address} must be refused");
    }
    for address in PUBLIC {
        assert!(is_public(address.parse().unwrap()), "{address} must be allowed");
    }
}

#[test]
fn an_address_in_a_url_is_recognised_however_it_is_written() {
    let host = |url: &str| reqwest::Url::parse(url).unwrap().host_str().map(str::to_owned);
    let loopback: IpAddr = "127.0.0.1".parse().unwrap();
    for url in [
        "http://127.0.0.1/",
        "http://127.1/",
        "http://2130706433/",
        "http://0x7f000001/",
        "http://0177.0.0.1/",
        "http://127.0.0.1./",
        "http://%31%32%37.0.0.1/",
        "http://①②⑦.0.0.1/",
    ] {
        assert_eq!(host(url).as_deref().and_then(literal), Some(loopback), "{url}");
    }
    for (url, address) in [
        ("http://[::1]:8080/", "::1"),
        ("http://[::ffff:127.0.0.1]/", "::ffff:7f00:1"),
        ("http://[fe80::1]/", "fe80::1"),
    ] {
        assert_eq!(host(url).as_deref().and_then(literal), address.parse().ok(), "{url}");
    }
    assert_eq!(literal("localhost"), None);
    assert_eq!(literal("example.com"), None);
}
