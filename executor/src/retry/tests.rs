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
    for (class, most) in [
        (Class::Throttling, 4),
        (Class::Quota, 1),
        (Class::Lock, 5),
        (Class::Network, 3),
        (Class::Policy, 1),
        (Class::Code, 1),
    ] {
        assert_eq!(attempts(class, &[]), most, "{class:?}");
    }
}

#[test]
fn a_label_of_the_stack_lowers_the_number_of_attempts_and_never_raises_it() {
    let labels = |text: &str| vec![Text::from("env:prod"), text.into()];
    assert_eq!(attempts(Class::Lock, &labels("stackly:attempts=2")), 2);
    assert_eq!(attempts(Class::Lock, &labels("stackly:attempts=0")), 1);
    assert_eq!(attempts(Class::Code, &labels("stackly:attempts=9")), 1);
    assert_eq!(attempts(Class::Lock, &labels("stackly:attempts=many")), 5);
}

#[test]
fn each_wait_is_twice_the_one_before_and_bounded() {
    let seconds = |attempt| wait(Class::Network, attempt).as_secs();
    assert_eq!([seconds(1), seconds(2), seconds(3)], [30, 60, 120]);
    assert_eq!(seconds(40), seconds(7));
}
