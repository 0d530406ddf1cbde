use super::*;

fn http(url: &str) -> Check {
    Check { http: Some(url.to_owned()), ..Check::default() }
}

fn query() -> Check {
    Check {
        prometheus: Some("http://prometheus:9090".to_owned()),
        query: Some("sum(up)".to_owned()),
        min: Some(1.0),
        ..Check::default()
    }
}

#[test]
fn a_check_asks_an_address_or_a_prometheus() {
    let url = "https://shop.example.com/health";
    assert_eq!(http(url).asks(), Ok(Asks::Http { url, status: None }));
    let asks = query();
    let Ok(Asks::Prometheus { query, min, max, .. }) = asks.asks() else { panic!("{asks:?}") };
    assert_eq!((query, min, max), ("sum(up)", Some(1.0), None));
}

#[test]
fn what_cannot_be_asked_is_told_before_the_service_starts() {
    let named = [
        ("nothing", Check::default()),
        ("both", Check { http: Some("http://a".to_owned()), ..query() }),
        ("mixed", Check { max: Some(1.0), ..http("http://a") }),
        ("elsewhere", http("ftp://a/b")),
        ("boundless", Check { min: None, ..query() }),
        ("questionless", Check { query: None, ..query() }),
        ("sound", query()),
    ];
    let named = named.map(|(name, check)| (name.to_owned(), check));
    let (timeout, pause) = (Duration::from_secs(5), Duration::ZERO);
    let checks = Checks { timeout, attempts: 0, pause, named: named.into() };
    let faults = checks.faults(Duration::from_secs(8));
    let about: Vec<&str> = faults.iter().map(|fault| fault.split(' ').next().unwrap()).collect();
    assert_eq!(
        about,
        [
            "checks.timeout",
            "checks.attempts",
            "checks.named.\"both\"",
            "checks.named.\"boundless\"",
            "checks.named.\"elsewhere\"",
            "checks.named.\"mixed\"",
            "checks.named.\"nothing\"",
            "checks.named.\"questionless\"",
        ]
    );
}
