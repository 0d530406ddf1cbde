use super::*;

#[test]
fn what_spacelift_says_tells_the_class() {
    for (text, class) in [
        ("Error: ThrottlingException: Rate exceeded", Class::Throttling),
        ("RequestLimitExceeded: Request limit exceeded.", Class::Throttling),
        ("googleapi: Error 403: Quota 'CPUS' exceeded", Class::Quota),
        ("VpcLimitExceeded: The maximum number of VPCs has been reached", Class::Quota),
        ("Error acquiring the state lock", Class::Lock),
        ("dial tcp 10.0.0.1:443: i/o timeout", Class::Network),
        ("read: connection reset by peer", Class::Network),
        ("run was denied by a plan policy", Class::Policy),
        ("Error: Unsupported argument", Class::Code),
        ("run 01RUN failed", Class::Code),
        ("", Class::Code),
    ] {
        assert_eq!(Class::of(text), class, "{text}");
    }
}

#[test]
fn only_what_may_pass_by_itself_is_tried_again_and_never_for_ever() {
    let retries = Retries::default();
    for (class, most) in [
        (Class::Throttling, 4),
        (Class::Quota, 1),
        (Class::Lock, 5),
        (Class::Network, 3),
        (Class::Policy, 1),
        (Class::Code, 1),
    ] {
        assert_eq!(retries.of(class).attempts(&[]), most, "{class:?}");
    }
}

#[test]
fn a_label_of_the_stack_lowers_the_number_of_attempts_and_never_raises_it() {
    let labels = |text: &str| vec![Text::from("env:prod"), text.into()];
    let Retries { lock, code, .. } = Retries::default();
    assert_eq!(lock.attempts(&labels("stackly:attempts=2")), 2);
    assert_eq!(lock.attempts(&labels("stackly:attempts=0")), 1);
    assert_eq!(code.attempts(&labels("stackly:attempts=9")), 1);
    assert_eq!(lock.attempts(&labels("stackly:attempts=many")), 5);
}

#[test]
fn each_wait_is_longer_than_the_one_before_as_configured_and_bounded() {
    let network = Retries::default().network;
    let seconds = |attempt| network.wait(attempt).as_secs();
    assert_eq!([seconds(1), seconds(2), seconds(3)], [30, 60, 120]);
    assert_eq!(seconds(40), seconds(7));
    let even = Limit { factor: 1.0, ..network };
    assert_eq!(even.wait(5).as_secs(), 30);
    let endless = Limit { factor: 100.0, wait: Duration::MAX, ..network };
    assert_eq!(endless.wait(9), Duration::MAX);
}

#[test]
fn limits_that_cannot_be_meant_are_named() {
    let mut retries = Retries::default();
    assert_eq!(retries.faults(), Vec::<String>::new());
    retries.lock.attempts = 0;
    retries.code.factor = 0.5;
    let faults = retries.faults();
    assert!(faults[0].starts_with("retries.lock ") && faults[1].starts_with("retries.code "));
}
