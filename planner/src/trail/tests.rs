use chrono::{DateTime, TimeDelta};
use spacelift::TrailEntry;

use super::{Mark, Touched, touched};

fn entry(id: &str, second: i64, action: &str, entity: &str) -> TrailEntry {
    TrailEntry {
        id: id.to_owned(),
        action: action.to_owned(),
        at: DateTime::UNIX_EPOCH + TimeDelta::seconds(second),
        entity: Some(entity.to_owned()).filter(|it| !it.is_empty()),
    }
}

fn stacks(ids: &[&str]) -> Touched {
    Touched::Stacks(ids.iter().map(|id| (*id).into()).collect())
}

#[test]
fn what_says_nothing_of_stacks_has_nothing_read_and_what_may_say_something_the_account() {
    for (action, entity, wanted) in [
        ("stack.update", Some("dns"), stacks(&["dns"])),
        ("stack.create", None, Touched::Account),
        ("stack.create", Some(""), Touched::Account),
        ("stack_dependency.create", Some("01K7"), Touched::Account),
        ("stack_dependencies.set", None, Touched::Account),
        ("worker_pool.update", Some("01POOL"), Touched::Account),
        ("space.update", Some("prod"), Touched::Account),
        ("blueprint.create_stack", Some("b"), Touched::Account),
        ("aws_integration.attach", None, Touched::Account),
        ("run.trigger", Some("01RUN"), stacks(&[])),
        ("policy.update", Some("p"), stacks(&[])),
        ("named_webhooks_integration.update", Some("w"), stacks(&[])),
        ("audit_trail_webhook.set", None, stacks(&[])),
        ("api_key.create", None, stacks(&[])),
    ] {
        assert_eq!(touched(action, entity), wanted, "{action}");
    }
}

#[test]
fn an_entry_counts_once_also_if_it_comes_late_behind_newer_ones() {
    let old = entry("1", 100, "stack.update", "app");
    let mark = Mark::default().then(std::slice::from_ref(&old));
    assert_eq!(mark.touched(std::slice::from_ref(&old)), stacks(&[]));
    let new = [entry("3", 140, "stack.update", "dns"), entry("2", 100, "stack.lock", "net"), old];
    assert_eq!(mark.touched(&new), stacks(&["dns", "net"]), "both are of the same second");

    let mark = mark.then(&new);
    let late = entry("4", 115, "stack.update", "late");
    let passed = entry("0", 100, "stack.update", "app");
    let again = [new[0].clone(), late, passed];
    assert_eq!(mark.touched(&again), stacks(&["late"]), "older than that is behind us");
    let mark = mark.then(&again);
    assert_eq!(mark.touched(&again), stacks(&[]));
    assert_eq!(mark.then(&[]).at, mark.at, "a trail that shows nothing takes nothing back");
}
