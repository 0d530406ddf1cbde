use std::time::Duration;

use chrono::{TimeDelta, Utc};
use tokio::time::Instant;

use super::{Circuit, Health, Leave, Rest, Tolerance};
use crate::Error;

const OF: Tolerance =
    Tolerance { failures: 3, wait: Duration::from_secs(10), call_max: Duration::from_secs(20) };

fn after(start: Instant, seconds: u64) -> Instant {
    start + Duration::from_secs(seconds)
}

/// Opened five seconds after the start.
fn opened(start: Instant) -> Circuit {
    let mut circuit = Circuit::closed();
    for (second, opens) in [(0, false), (1, false), (5, true)] {
        let now = after(start, second);
        assert_eq!(circuit.admit(now, &OF), Ok(Leave::Usual));
        assert_eq!(circuit.heard((Leave::Usual, Health::Bad), "502", now, &OF), opens);
    }
    circuit
}

#[test]
fn many_failures_in_a_row_open_it_and_no_call_is_made_until_the_wait_is_over() {
    let start = Instant::now();
    let mut circuit = opened(start);
    assert_eq!(circuit.admit(after(start, 6), &OF), Err(Duration::from_secs(9)));
    assert_eq!(circuit.admit(after(start, 15), &OF), Ok(Leave::Probe));
    let second = circuit.admit(after(start, 16), &OF);
    assert_eq!(second, Err(Duration::from_secs(19)), "one probe at a time");
}

#[test]
fn an_answer_in_between_or_a_short_run_does_not_open_it() {
    let start = Instant::now();
    let mut circuit = Circuit::closed();
    for second in 0..20 {
        let health = if second % 3 == 2 { Health::Good } else { Health::Bad };
        assert!(!circuit.heard((Leave::Usual, health), "502", after(start, second), &OF));
    }
    let mut burst = Circuit::closed();
    for _ in 0..100 {
        assert!(!burst.heard((Leave::Usual, Health::Bad), "502", start, &OF), "all at once");
    }
    assert!(!burst.heard((Leave::Usual, Health::Unknown), "", after(start, 9), &OF));
    assert_eq!(burst.admit(after(start, 9), &OF), Ok(Leave::Usual));
}

#[test]
fn a_probe_that_succeeds_closes_it_and_one_that_fails_doubles_the_wait() {
    let start = Instant::now();
    let mut circuit = opened(start);
    let mut now = after(start, 15);
    for wait in [20, 40, 80, 160, 160] {
        assert_eq!(circuit.admit(now, &OF), Ok(Leave::Probe));
        assert!(!circuit.heard((Leave::Probe, Health::Bad), "503", now, &OF));
        assert_eq!(circuit.admit(now, &OF), Err(Duration::from_secs(wait)));
        now += Duration::from_secs(wait);
    }
    assert_eq!(circuit.admit(now, &OF), Ok(Leave::Probe));
    assert!(circuit.heard((Leave::Probe, Health::Good), "", now, &OF));
    assert_eq!(circuit, Circuit::closed());
}

#[test]
fn only_the_probe_decides_and_one_that_is_never_heard_of_again_is_given_up() {
    let start = Instant::now();
    let mut circuit = opened(start);
    let late = after(start, 7);
    assert!(!circuit.heard((Leave::Usual, Health::Good), "", late, &OF), "it was under way before");
    assert!(!circuit.heard((Leave::Usual, Health::Bad), "500", late, &OF));
    assert_eq!(circuit.admit(after(start, 15), &OF), Ok(Leave::Probe));
    assert_eq!(circuit.admit(after(start, 36), &OF), Ok(Leave::Probe));
    assert!(!circuit.heard((Leave::Probe, Health::Unknown), "", after(start, 36), &OF));
    assert_eq!(circuit.admit(after(start, 36), &OF), Ok(Leave::Probe), "it told nothing");
}

#[test]
fn what_spacelift_answers_is_good_and_what_it_does_not_is_bad() {
    let health = |error: Error| Health::of(Some(&error));
    assert_eq!(Health::of(None), Health::Good);
    assert_eq!(health(Error::NotFound), Health::Good);
    assert_eq!(health(Error::Refused { reason: "locked".into() }), Health::Good);
    assert_eq!(health(Error::RateLimited { retry_after: None }), Health::Unknown);
    assert_eq!(health(Error::Unauthorized), Health::Bad);
    assert_eq!(health(Error::Uncertain { source: "lost".into() }), Health::Bad);
    assert_eq!(health(Error::Unavailable { source: "502".into() }), Health::Bad);
    assert_eq!(health(Error::Unreachable { source: "refused".into() }), Health::Bad);
}

#[test]
fn what_another_process_has_found_holds_here_until_that_one_has_tried_again() {
    let (start, clock) = (Instant::now(), Utc::now());
    let until = clock + TimeDelta::seconds(10);
    let rest = Rest { since: clock, until, why: "502".to_owned() };
    let mut circuit = Circuit::closed();
    circuit.others_rest(Some(rest.clone()), start, clock);
    assert_eq!(circuit.admit(start, &OF), Err(Duration::from_secs(13)));
    assert_eq!(circuit.admit(after(start, 13), &OF), Ok(Leave::Usual));
    // It is told again and again.
    circuit.others_rest(Some(rest.clone()), after(start, 12), clock + TimeDelta::seconds(12));
    assert_eq!(circuit.admit(after(start, 12), &OF), Err(Duration::from_secs(1)));
    circuit.others_rest(Some(rest.clone()), after(start, 60), clock + TimeDelta::seconds(60));
    assert_eq!(circuit.admit(after(start, 60), &OF), Ok(Leave::Usual));
    circuit.others_rest(Some(rest.clone()), start, clock);
    circuit.others_rest(None, start, clock);
    assert_eq!(circuit.admit(start, &OF), Ok(Leave::Usual), "calls go on");

    // Who has found it, too, tries at its own time.
    let mut both = opened(start);
    both.others_rest(Some(rest), after(start, 14), clock);
    assert_eq!(both.admit(after(start, 15), &OF), Ok(Leave::Probe));
    assert!(both.heard((Leave::Probe, Health::Good), "", after(start, 15), &OF));
    assert_eq!(both, Circuit::closed());
}
