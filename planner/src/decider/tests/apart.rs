//! What is no push of a branch stays apart from its heads: tags, and what a merge queue proposes.

use contracts::chain::ChainKind;

use super::{
    Arc, Change, ChangeProposed, ChangePushed, CommitSha, Envelope, Input, Memory, Paths, Planner,
    answers, change, decide, event, knowing, learn, planned_by, push_of, stack, wake,
};
use crate::{
    memory::Before,
    mirror::{Call, Reading},
};

fn v1(commit: &str) -> Change {
    let previous = Some(CommitSha::from("zero"));
    Change { branch: "v1".to_owned(), previous, ..change("acme/infra", commit) }
}

fn tag(n: u128, commit: &str) -> Envelope<Input> {
    let (change, paths) = (v1(commit), Paths::Unknown);
    let pushed = ChangePushed { change, paths, deleted: false, tag: true, forced: false };
    event(n, 10, Input::Pushed(pushed))
}

#[test]
fn a_tag_is_told_apart_from_a_branch_of_its_name() {
    let on_tag = stack("b").label("stackly:on-tag=v*");
    let planner = knowing(vec![stack("a").made_from("acme/infra", "v1"), on_tag], 100);
    let mut memory = Memory::default();
    let told = |memory: &mut Memory, input: &Envelope<Input>| {
        answers(&decide(&planner, memory, input)).join(", ")
    };
    assert_eq!(told(&mut memory, &push_of(1, 10, v1("one"))), planned_by(1));
    let before = memory.before(ChainKind::Deploy, &v1("two"));

    assert_eq!(told(&mut memory, &tag(2, "one")), planned_by(2), "the branch had that commit");
    assert_eq!(told(&mut memory, &tag(3, "two")), planned_by(3));
    assert_eq!(told(&mut memory, &tag(4, "two")), "chain.ignored already_planned");

    assert_eq!(memory.before(ChainKind::Deploy, &v1("two")), before, "the branch stands there");
    assert_eq!(told(&mut memory, &push_of(5, 10, v1("two"))), planned_by(5));
}

#[test]
fn a_tag_for_a_stack_that_was_labelled_a_moment_ago_waits_until_the_account_is_read() {
    let planner = knowing(vec![stack("a")], 5);
    let mut memory = Memory::default();
    assert!(answers(&decide(&planner, &mut memory, &tag(1, "one"))).is_empty());
    learn(&planner, vec![stack("a"), stack("b").label("stackly:on-tag=v*")], 15);
    assert_eq!(answers(&decide(&planner, &mut memory, &wake(20))), [planned_by(1)]);

    // What still goes by no tag is told then.
    let mut memory = Memory::default();
    learn(&planner, vec![stack("a")], 5);
    assert!(answers(&decide(&planner, &mut memory, &tag(2, "one"))).is_empty());
    learn(&planner, vec![stack("a")], 15);
    assert_eq!(answers(&decide(&planner, &mut memory, &wake(20))), ["chain.ignored tag_pushed"]);
}

#[test]
fn a_tag_that_was_deleted_and_is_pushed_again_at_the_same_commit_is_news() {
    let planner = knowing(vec![stack("b").label("stackly:on-tag=v*")], 100);
    let mut memory = Memory::default();
    assert_eq!(answers(&decide(&planner, &mut memory, &tag(1, "one"))), [planned_by(1)]);
    let gone = Change { previous: Some(CommitSha::from("one")), ..v1(&"0".repeat(40)) };
    let paths = Paths::Unknown;
    let gone = ChangePushed { change: gone, paths, deleted: true, tag: true, forced: false };
    let gone = event(2, 10, Input::Pushed(gone));
    assert_eq!(answers(&decide(&planner, &mut memory, &gone)), ["chain.ignored ref_deleted"]);
    assert_eq!(answers(&decide(&planner, &mut memory, &tag(3, "one"))), [planned_by(3)]);
}

#[test]
fn what_a_merge_queue_proposes_is_validated_before_it_is_planned() {
    let planner = Planner { reads_code: true, validates: true, ..knowing(vec![stack("a")], 100) };
    let mut memory = Memory::default();
    let change = Change { previous: Some(CommitSha::from("zero")), ..change("acme/infra", "one") };
    let proposed = ChangeProposed { change, paths: Paths::Unknown, fork: false, updated_at: None };
    let decision = decide(&planner, &mut memory, &event(1, 10, Input::Proposed(proposed)));
    let call: Call = serde_json::from_value(decision.effects[0].body.clone()).unwrap();
    let known = planner.shelf.snapshot().map(|snapshot| snapshot.known);
    let paths = Paths::All(vec!["a/main.tf".to_owned()]);
    let nothing = contracts::Reason::new(contracts::Code::GitUnavailable, "nothing");
    let reading = Reading { trouble: None, paths, known, ..Reading::failed(call, nothing) };

    let decision = decide(&planner, &mut memory, &event(2, 10, Input::Read(Arc::new(reading))));

    assert!(decision.answers.is_empty(), "not before it is validated");
    assert_eq!(decision.effects[0].kind, crate::validate::KIND);
}

#[test]
fn groups_of_a_merge_queue_that_could_not_be_read_are_each_looked_at_again() {
    let planner = Planner { reads_code: true, ..knowing(vec![stack("a")], 100) };
    let mut memory = Memory::default();
    for (number, previous, commit) in [(1, "zero", "one"), (3, "one", "two")] {
        let previous = Some(CommitSha::from(previous));
        let change = Change { previous, ..change("acme/infra", commit) };
        let paths = Paths::All(vec!["elsewhere".to_owned()]);
        let proposed = ChangeProposed { change, paths, fork: false, updated_at: None };
        let decision = decide(&planner, &mut memory, &event(number, 10, Input::Proposed(proposed)));
        let call: Call = serde_json::from_value(decision.effects[0].body.clone()).unwrap();
        let nothing = contracts::Reason::new(contracts::Code::GitUnavailable, "nothing");
        let reading = Arc::new(Reading::failed(call, nothing));
        decide(&planner, &mut memory, &event(number + 1, 10, Input::Read(reading)));
    }

    memory.read_anew();

    assert_eq!(memory.waiting(), 2);
}

#[test]
fn what_a_merge_queue_proposes_is_no_head_of_the_branch() {
    let planner = Planner { reads_code: true, ..knowing(vec![stack("a")], 100) };
    let mut memory = Memory::default();
    let previous = Some(CommitSha::from("zero"));
    let on_main =
        |commit: &str| Change { previous: previous.clone(), ..change("acme/infra", commit) };
    let proposed = ChangeProposed {
        change: on_main("one"),
        paths: Paths::Unknown,
        fork: false,
        updated_at: None,
    };
    let decision = decide(&planner, &mut memory, &event(1, 10, Input::Proposed(proposed)));
    let call: Call = serde_json::from_value(decision.effects[0].body.clone()).unwrap();
    assert!(call.is_proposal());
    let known = planner.shelf.snapshot().map(|snapshot| snapshot.known);
    let paths = Paths::All(vec!["a/main.tf".to_owned()]);
    let nothing = contracts::Reason::new(contracts::Code::GitUnavailable, "nothing");
    let reading = Reading { trouble: None, paths, known, ..Reading::failed(call, nothing) };

    let decision = decide(&planner, &mut memory, &event(2, 10, Input::Read(Arc::new(reading))));

    assert_eq!(decision.answers[0].kind, "chain.planned");
    assert_eq!(decision.answers[0].body["kind"], "preview");
    assert_eq!(memory.rewritten, None);
    assert_eq!(memory.before(ChainKind::Deploy, &on_main("two")), Before::default());
    // Once it is merged, it is a push like others.
    let decision = decide(&planner, &mut memory, &push_of(3, 10, on_main("one")));
    let call: Call = serde_json::from_value(decision.effects[0].body.clone()).unwrap();
    assert!(!call.is_proposal() && call.before == Before::default());
}
