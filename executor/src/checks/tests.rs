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

fn hook(name: &str, within: Option<Duration>) -> Check {
    Check { hook: Some(name.to_owned()), within, ..Check::default() }
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
fn a_check_with_a_hook_is_answered_from_outside_within_a_minute_unless_said_otherwise() {
    let (timeout, pause) = (Duration::from_secs(5), Duration::ZERO);
    let long = Duration::from_secs(600);
    let named = [
        ("errors".to_owned(), query()),
        ("people".to_owned(), hook("desk", Some(long))),
        ("smoke".to_owned(), hook("tests", None)),
    ];
    let checks = Checks { timeout, attempts: 1, pause, named: named.into() };
    let hooks = checks.hooks();
    let asked: Vec<_> =
        hooks.iter().map(|(check, it)| (check.as_str(), it.name.as_str(), it.within)).collect();
    assert_eq!(asked, [("people", "desk", long), ("smoke", "tests", Duration::from_secs(60))]);
}

#[test]
fn what_cannot_be_asked_is_told_before_the_service_starts() {
    let timeout = Duration::from_secs(5);
    let named = [
        ("nothing", Check::default()),
        ("both", Check { http: Some("http://a".to_owned()), ..query() }),
        ("mixed", Check { max: Some(1.0), ..http("http://a") }),
        ("elsewhere", http("ftp://a/b")),
        ("boundless", Check { min: None, ..query() }),
        ("questionless", Check { query: None, ..query() }),
        ("impatient", Check { within: Some(timeout), ..query() }),
        ("shared", Check { http: Some("http://a".to_owned()), ..hook("tests", None) }),
        ("unspeakable", hook("smoke.tests", None)),
        ("hurried", hook("tests", Some(Duration::ZERO))),
        ("sound", query()),
        ("well asked", hook("tests", Some(timeout))),
    ];
    let named = named.map(|(name, check)| (name.to_owned(), check));
    let checks = Checks { timeout, attempts: 0, pause: Duration::ZERO, named: named.into() };
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
            "checks.named.\"hurried\"",
            "checks.named.\"impatient\"",
            "checks.named.\"mixed\"",
            "checks.named.\"nothing\"",
            "checks.named.\"questionless\"",
            "checks.named.\"shared\"",
            "checks.named.\"unspeakable\"",
        ]
    );
}
