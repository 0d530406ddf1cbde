//! What follows from what the mirror shows, or cannot show.

use chrono::DateTime;
use contracts::{Code, Reason, change::ChangePushed};

use super::{
    Arc, Change, CommitSha, Decider, Decision, Envelope, Input, Memory, Paths, Planner, change,
    decide, event, knowing, proposal, push_of, stack, wake,
};
use crate::mirror::{Call, Reading};

fn reading_code() -> Planner {
    Planner { reads_code: true, ..knowing(vec![stack("a")], 100) }
}

fn pushed(n: u128, commit: &str, previous: &str) -> Envelope<Input> {
    let previous = Some(CommitSha::from(previous));
    push_of(n, 10, Change { previous, ..change("acme/infra", commit) })
}

/// What is to be looked at because of a decision.
fn call(decision: &Decision) -> Call {
    let [effect] = &*decision.effects else { panic!("{:?}", decision.effects) };
    serde_json::from_value(effect.body.clone()).unwrap()
}

fn codes(decision: &Decision) -> Vec<String> {
    let code =
        |answer: &contracts::Outgoing| answer.body["reason"]["code"].as_str().map(str::to_owned);
    decision
        .answers
        .iter()
        .map(|answer| code(answer).unwrap_or_else(|| answer.kind.to_owned()))
        .collect()
}

#[test]
fn what_cannot_be_decided_upon_is_refused_and_the_next_push_goes_on() {
    let (planner, mut memory) = (reading_code(), Memory::default());
    let first = call(&decide(&planner, &mut memory, &pushed(1, "one", "zero")));
    assert!(decide(&planner, &mut memory, &pushed(2, "two", "one")).effects.is_empty());

    let why = Reason::new(Code::Undecidable, "it is too large");
    let reading = Arc::new(Reading::undecidable(first, why));
    let decision = decide(&planner, &mut memory, &event(3, 10, Input::Read(reading)));

    assert_eq!(codes(&decision), ["undecidable"]);
    assert_eq!(decision.answers[0].kind, "chain.refused");
    let second = call(&decision);
    assert_eq!(second.commit, Some("two".into()));
    assert_eq!(second.before.settled, Some("zero".into()), "with what the first one changed");
}

#[test]
fn a_commit_that_the_host_has_late_is_looked_at_again_without_another_push() {
    let (planner, mut memory) = (reading_code(), Memory::default());
    let push = push_of(1, 10, change("acme/infra", "one"));
    let paths = Paths::All(vec!["modules/vpc/main.tf".to_owned()]);
    let Input::Pushed(pushed) = &push.body else { unreachable!() };
    let pushed = Input::Pushed(ChangePushed { paths, ..pushed.clone() });
    let first = call(&decide(&planner, &mut memory, &Envelope { body: pushed, ..push }));
    let why = Reason::new(Code::GitUnavailable, "the origin does not have it");
    let reading = Arc::new(Reading::failed(first, why));

    let decision = decide(&planner, &mut memory, &event(2, 15, Input::Read(reading)));
    assert_eq!((codes(&decision), decision.effects.len()), (vec!["nothing_touched".to_owned()], 0));

    let due = planner.wake_at(&memory).expect("nobody else would look at it again");
    let decision = planner.decide(&mut memory, &wake(75), due).unwrap();
    assert_eq!(call(&decision).commit, Some("one".into()));
    assert_eq!(planner.wake_at(&memory), None);
}

#[test]
fn a_commit_is_given_up_when_the_origin_never_has_it_and_not_while_the_mirror_is_slow() {
    for (is_missing, is_kept) in [(true, false), (false, true)] {
        let (planner, mut memory) = (reading_code(), Memory::default());
        let push = push_of(1, 10, change("acme/infra", "one"));
        let paths = Paths::All(vec!["modules/vpc/main.tf".to_owned()]);
        let Input::Pushed(pushed) = &push.body else { unreachable!() };
        let pushed = Input::Pushed(ChangePushed { paths, ..pushed.clone() });
        let mut look = call(&decide(&planner, &mut memory, &Envelope { body: pushed, ..push }));
        for n in 2..12 {
            let why = Reason::new(Code::GitUnavailable, "the mirror cannot give it");
            let reading = Reading { is_missing, ..Reading::failed(look.clone(), why) };
            decide(&planner, &mut memory, &event(n, 15, Input::Read(Arc::new(reading))));
            let Some(due) = planner.wake_at(&memory) else { break };
            look = call(&planner.decide(&mut memory, &wake(75), due).unwrap());
        }
        assert_eq!(planner.wake_at(&memory).is_some() || memory.waiting() > 0, is_kept);
    }
}

#[test]
fn what_an_older_reading_of_the_account_says_is_touched_by_nothing_waits_for_a_newer_one() {
    let (planner, mut memory) = (reading_code(), Memory::default());
    let looked_at = call(&decide(&planner, &mut memory, &pushed(1, "one", "zero")));
    let known = planner.shelf.snapshot().map(|snapshot| snapshot.known);
    let nothing = Reason::new(Code::GitUnavailable, "nothing");
    let paths = Paths::All(vec!["new/main.tf".to_owned()]);
    let reading = Reading { trouble: None, paths, known, ..Reading::failed(looked_at, nothing) };
    let as_of = DateTime::from_timestamp(5, 0);
    let older = Arc::new(Reading { as_of, ..reading.clone() });

    let decision = decide(&planner, &mut memory, &event(2, 10, Input::Read(older)));
    assert_eq!((codes(&decision), memory.waiting()), (vec![], 1));

    let mut memory = Memory::default();
    decide(&planner, &mut memory, &pushed(1, "one", "zero"));
    let decision = decide(&planner, &mut memory, &event(2, 10, Input::Read(Arc::new(reading))));
    assert_eq!(codes(&decision), ["nothing_touched"]);
}

#[test]
fn a_pull_request_leaves_the_mark_of_a_rewritten_history() {
    let (planner, mut memory) = (reading_code(), Memory::default());
    let looked_at = call(&decide(&planner, &mut memory, &proposal(1, "one")));
    let known = planner.shelf.snapshot().map(|snapshot| snapshot.known);
    let nothing = Reason::new(Code::GitUnavailable, "nothing");
    let paths = Paths::All(vec!["a/main.tf".to_owned()]);
    let reading = Reading { trouble: None, paths, known, ..Reading::failed(looked_at, nothing) };

    let decision = decide(&planner, &mut memory, &event(2, 10, Input::Read(Arc::new(reading))));

    assert_eq!(decision.answers[0].kind, "chain.planned");
    assert_eq!(memory.rewritten, None);
}
