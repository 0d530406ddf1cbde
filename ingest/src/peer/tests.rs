use super::*;

fn headers(lines: &[&str]) -> HeaderMap {
    let name = axum::http::HeaderName::from_static("x-forwarded-for");
    lines.iter().map(|line| (name.clone(), line.parse().unwrap())).collect()
}

fn client(trusted: &[&str], peer: &str, lines: &[&str]) -> String {
    let trusted: Vec<_> = trusted.iter().map(|text| (*text).to_owned()).collect();
    let proxies = Proxies::read(&trusted).unwrap();
    proxies.client(Peer(peer.parse().unwrap()), &headers(lines)).to_string()
}

#[test]
fn only_a_trusted_proxy_is_believed_and_only_what_it_wrote_itself() {
    assert_eq!(client(&[], "203.0.113.9", &["1.2.3.4"]), "203.0.113.9");
    let proxy = &["10.0.0.0/8"][..];
    assert_eq!(client(proxy, "203.0.113.9", &["1.2.3.4"]), "203.0.113.9");
    assert_eq!(client(proxy, "10.1.1.1", &["1.2.3.4"]), "1.2.3.4");
    assert_eq!(client(proxy, "10.1.1.1", &["9.9.9.9, 1.2.3.4, 10.2.2.2"]), "1.2.3.4");
    assert_eq!(client(proxy, "10.1.1.1", &["9.9.9.9", "1.2.3.4"]), "1.2.3.4");
    assert_eq!(client(proxy, "10.1.1.1", &["9.9.9.9, 1.2.3.4:52044, 10.2.2.2:443"]), "1.2.3.4");
    assert_eq!(client(proxy, "10.1.1.1", &["[2001:db8::1]:52044"]), "2001:db8::1");
    assert_eq!(client(proxy, "10.1.1.1", &["9.9.9.9, [2001:db8::1], 10.2.2.2"]), "2001:db8::1");
    assert_eq!(client(proxy, "10.1.1.1", &["::ffff:1.2.3.4"]), "1.2.3.4");
    assert_eq!(client(proxy, "10.1.1.1", &["[1.2.3.4]"]), "10.1.1.1");
    assert_eq!(client(proxy, "10.1.1.1", &["nonsense"]), "10.1.1.1");
    assert_eq!(client(proxy, "10.1.1.1", &[]), "10.1.1.1");
    assert_eq!(client(&["10.1.1.1"], "::ffff:10.1.1.1", &["1.2.3.4"]), "1.2.3.4");
    Proxies::read(&["everybody".to_owned()]).unwrap_err();
}
