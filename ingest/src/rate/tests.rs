use super::*;

fn addresses(address_per_second: u32) -> Addresses {
    Addresses::new(&config::Rate {
        source_per_second: 0,
        address_per_second,
        account_per_second: 0,
        unproven_per_minute: 0,
    })
}

const ONE: &str = "203.0.113.9";
const OTHER: &str = "203.0.113.10";

fn enters(addresses: &Addresses, address: &str) -> Option<u16> {
    addresses.enter(address.parse().unwrap()).err().and_then(|answer| answer.retry_after)
}

fn is_shut(guesses: &Guesses, address: &str) -> Option<u16> {
    guesses.enter(address.parse().unwrap()).err().and_then(|answer| answer.retry_after)
}

#[test]
fn zero_is_no_limit() {
    let (lane, addresses, guesses) = (Lane::new(0), addresses(0), Guesses::new(0));
    for _ in 0..10_000 {
        lane.enter().unwrap();
        assert_eq!(enters(&addresses, ONE), None);
        guesses.note_unproven(ONE.parse().unwrap());
        assert_eq!(is_shut(&guesses, ONE), None);
    }
}

#[test]
fn who_knocks_too_often_is_told_when_to_come_back_and_others_are_not() {
    let lane = Lane::new(5);
    let refused = (0..20).filter(|_| lane.enter().is_err()).count();
    assert!(refused >= 14, "{refused}");

    let addresses = addresses(3);
    let told: Vec<_> = (0..10).filter_map(|_| enters(&addresses, ONE)).collect();
    assert!(told.len() >= 6 && told.iter().all(|seconds| *seconds >= 1), "{told:?}");
    assert_eq!(enters(&addresses, OTHER), None);
}

#[test]
fn an_account_that_sends_too_often_is_told_so_and_others_are_not() {
    let accounts = Accounts::new(3);
    let (github, gitlab): (Arc<str>, Arc<str>) = ("github".into(), "gitlab".into());
    let refused: Vec<_> =
        (0..10).filter_map(|_| accounts.enter(&github, Some("acme")).err()).collect();
    assert!(refused.len() >= 6, "{refused:?}");
    assert!(refused.iter().all(|answer| answer.code == "account_rate_limited"));
    assert!(refused.iter().all(|answer| answer.retry_after.is_some()));
    for (source, account) in [(&gitlab, Some("acme")), (&github, Some("other")), (&github, None)] {
        accounts.enter(source, account).unwrap();
    }
    assert!((0..100).all(|_| Accounts::new(0).enter(&github, Some("acme")).is_ok()));
}

#[test]
fn who_fails_to_prove_themselves_too_often_is_not_listened_to_for_a_minute() {
    let guesses = Guesses::new(5);
    for _ in 0..6 {
        assert_eq!(is_shut(&guesses, ONE), None);
        guesses.note_unproven(ONE.parse().unwrap());
    }
    assert!(is_shut(&guesses, ONE).is_some_and(|seconds| (55..=60).contains(&seconds)));
    assert_eq!(is_shut(&guesses, OTHER), None);
    guesses.forget();
    assert!(is_shut(&guesses, ONE).is_some(), "a minute has not passed");
}

#[test]
fn where_somebody_proved_themselves_others_of_the_same_host_are_known() {
    let guesses = Guesses::new(5);
    let is_known = |address: &str| guesses.known(address.parse().unwrap()) == [2];
    assert!(!is_known(ONE));
    guesses.note_proven(ONE.parse().unwrap(), 2);
    guesses.forget();
    assert!(is_known(ONE) && is_known(OTHER) && is_known("::ffff:203.0.113.11"));
    assert!(!is_known("203.0.114.9"));
    guesses.note_proven("2001:db8:1:2::1".parse().unwrap(), 2);
    assert!(is_known("2001:db8:1:2:3::3") && !is_known("2001:db8:1:3::1"));
}

#[test]
fn the_addresses_of_one_ipv6_network_are_one() {
    let guesses = Guesses::new(1);
    guesses.note_unproven("2001:db8:1:2::1".parse().unwrap());
    guesses.note_unproven("2001:db8:1:2:ffff::2".parse().unwrap());
    assert!(is_shut(&guesses, "2001:db8:1:2:3::3").is_some());
    assert_eq!(is_shut(&guesses, "2001:db8:1:3::1"), None);
}
