//! Pull requests that are merged or closed while something of them is under way.

use contracts::{Envelope, chain::ChainKind};

use super::{
    Arc, Change, ChangeClosed, ChangeProposed, CommitSha, Input, Memory, Paths, Planner, answers,
    at, change, decide, event, knowing, learn, memory, planned_by, planner, proposal, said, stack,
    wake,
};
use crate::mirror::{Call, Reading};

fn of_pull_request(commit: &str) -> Change {
    Change { pull_request: Some(7), ..change("acme/infra", commit) }
}

fn closed(n: u128, sent: i64, merged_as: Option<&str>) -> Envelope<Input> {
    let merged_as = merged_as.map(CommitSha::from);
    let (change, merged) = (of_pull_request("c0ffee"), merged_as.is_some());
    event(
        n,
        sent,
        Input::Closed(ChangeClosed { change, merged, merged_as, fork: false, updated_at: None }),
    )
}

#[test]
fn a_pull_request_that_closes_while_the_account_is_awaited_gets_no_preview() {
    let planner = planner();
    let mut memory = Memory::default();
    assert!(answers(&decide(&planner, &mut memory, &proposal(1, "c0ffee"))).is_empty());
    assert!(answers(&decide(&planner, &mut memory, &closed(2, 20, None))).is_empty());
    learn(&planner, vec![stack("a")], 25);
    let told = decide(&planner, &mut memory, &wake(30));
    assert_eq!(answers(&told), ["chain.ignored pull_request_closed"]);
    assert_eq!(told.answers[0].body["kind"], "preview");
}

#[test]
fn a_pull_request_that_closes_while_the_mirror_is_read_gets_no_preview() {
    let planner = Planner { reads_code: true, ..knowing(vec![stack("a")], 100) };
    let mut memory = Memory::default();
    let decision = decide(&planner, &mut memory, &proposal(1, "c0ffee"));
    let call: Call = serde_json::from_value(decision.effects[0].body.clone()).unwrap();
    decide(&planner, &mut memory, &closed(2, 20, Some("merge")));
    let known = planner.shelf.snapshot().map(|snapshot| snapshot.known);
    let paths = Paths::All(vec!["a/main.tf".to_owned()]);
    let nothing = contracts::Reason::new(contracts::Code::GitUnavailable, "nothing");
    let reading = Reading { trouble: None, paths, known, ..Reading::failed(call, nothing) };
    let told = decide(&planner, &mut memory, &event(3, 30, Input::Read(Arc::new(reading))));
    assert_eq!(answers(&told), ["chain.ignored pull_request_closed"]);
    assert!(told.answers[0].body["reason"]["text"].as_str().unwrap().contains("was merged"));
}

#[test]
fn the_previews_of_a_pull_request_that_closes_are_withdrawn_and_made_anew_if_it_is_reopened() {
    let planner = knowing(vec![stack("a")], 100);
    let mut memory = Memory::default();
    let planned = decide(&planner, &mut memory, &proposal(1, "c0ffee"));
    assert_eq!(answers(&planned), [planned_by(1)]);
    let other = Change { pull_request: Some(8), ..change("acme/infra", "c0ffee") };
    let proposed =
        ChangeProposed { change: other, paths: Paths::Unknown, fork: false, updated_at: None };
    decide(&planner, &mut memory, &event(2, 10, Input::Proposed(proposed)));

    let told = decide(&planner, &mut memory, &closed(3, 20, None));
    assert_eq!(answers(&told), ["chain.withdrawn pull_request_closed"], "and not of the other");
    assert_eq!(told.answers[0].body["chain"], planned.answers[0].body["chain"]);
    assert!(decide(&planner, &mut memory, &closed(4, 21, None)).answers.is_empty(), "once");
    let asked = decide(&planner, &mut memory, &said(5, contracts::change::Command::Plan));
    assert_eq!(answers(&asked), ["change.answered command_refused"]);

    // What was told before it closed and comes after that says nothing new.
    let late = decide(&planner, &mut memory, &proposal(6, "before"));
    assert_eq!(answers(&late), ["chain.ignored pull_request_closed"]);
    let change = of_pull_request("c0ffee");
    let reopened = ChangeProposed { change, paths: Paths::Unknown, fork: false, updated_at: None };
    let anew = decide(&planner, &mut memory, &event(7, 30, Input::Proposed(reopened)));
    assert_eq!(answers(&anew), [planned_by(7)]);
    let head = of_pull_request("c0ffee");
    assert!(memory.planned_already(ChainKind::Preview, &head).is_some());
}

#[test]
fn what_is_remembered_of_before_it_was_known_which_are_closed_can_be_read() {
    let before =
        serde_json::json!({ "number": 7, "head": "c0ffee", "since": "2026-11-20T12:00:00Z" });
    let known: memory::Proposal = serde_json::from_value(before).unwrap();
    assert_eq!(known.closed_at, None);
}

#[test]
fn a_pull_request_that_goes_to_another_branch_is_planned_for_that_and_for_the_old_one_no_more() {
    let stacks = vec![stack("a"), stack("b").made_from("acme/infra", "staging")];
    let planner = knowing(stacks, 100);
    let mut memory = Memory::default();
    let going_to = |n: u128, branch: &str| {
        let change = Change { branch: branch.to_owned(), ..of_pull_request("c0ffee") };
        let proposed =
            ChangeProposed { change, paths: Paths::Unknown, fork: false, updated_at: None };
        event(n, 10, Input::Proposed(proposed))
    };
    let first = decide(&planner, &mut memory, &going_to(1, "main"));
    assert_eq!(answers(&first), [planned_by(1)]);
    let moved = decide(&planner, &mut memory, &going_to(2, "staging"));
    assert_eq!(answers(&moved), ["chain.withdrawn retargeted".to_owned(), planned_by(2)]);
    assert_eq!(moved.answers[0].body["chain"], first.answers[0].body["chain"]);
    let text = moved.answers[0].body["reason"]["text"].as_str().unwrap();
    assert!(text.contains("pull request 7 of acme/infra goes to staging now"), "{text}");
    let again = decide(&planner, &mut memory, &going_to(3, "staging"));
    assert_eq!(answers(&again), ["chain.ignored already_planned"]);
    let back = decide(&planner, &mut memory, &going_to(4, "main"));
    assert_eq!(answers(&back), ["chain.withdrawn retargeted".to_owned(), planned_by(4)]);
}

#[test]
fn what_waits_for_the_old_branch_of_a_pull_request_gives_way() {
    let planner = planner();
    let mut memory = Memory::default();
    decide(&planner, &mut memory, &proposal(1, "c0ffee"));
    let change = Change { branch: "staging".to_owned(), ..of_pull_request("c0ffee") };
    let proposed = ChangeProposed { change, paths: Paths::Unknown, fork: false, updated_at: None };
    decide(&planner, &mut memory, &event(2, 11, Input::Proposed(proposed)));
    learn(&planner, vec![stack("a"), stack("b").made_from("acme/infra", "staging")], 25);
    let told = decide(&planner, &mut memory, &wake(30));
    assert_eq!(answers(&told), ["chain.ignored retargeted".to_owned(), planned_by(2)]);
}

/// What a host tells of a pull request that last changed at a second.
fn updated(n: u128, second: i64, branch: &str, commit: &str) -> Envelope<Input> {
    let change = Change { branch: branch.to_owned(), ..of_pull_request(commit) };
    let updated_at = Some(at(second));
    let proposed = ChangeProposed { change, paths: Paths::Unknown, fork: false, updated_at };
    // Found later than it happened, whichever it is.
    event(n, 90, Input::Proposed(proposed))
}

#[test]
fn what_was_told_of_a_pull_request_before_it_changed_and_comes_after_that_changes_nothing() {
    let stacks = vec![stack("a"), stack("b").made_from("acme/infra", "staging")];
    let planner = knowing(stacks, 100);
    let mut memory = Memory::default();
    let moved = decide(&planner, &mut memory, &updated(1, 20, "staging", "two"));
    assert_eq!(answers(&moved), [planned_by(1)]);
    let late = [
        ("main", "two", "chain.ignored retargeted", "goes to staging now"),
        ("staging", "one", "chain.ignored superseded", "its head is two now"),
    ];
    for (n, (branch, commit, said, why)) in (2..).zip(late) {
        let told = decide(&planner, &mut memory, &updated(n, 10, branch, commit));
        assert_eq!(answers(&told), [said]);
        let text = told.answers[0].body["reason"]["text"].as_str().unwrap();
        assert!(text.contains(why), "{text}");
    }
    let open = memory.open(7).unwrap();
    assert_eq!((&*open.change.branch, open.change.commit.as_str()), ("staging", "two"));
    let again = decide(&planner, &mut memory, &updated(4, 20, "staging", "two"));
    assert_eq!(answers(&again), ["chain.ignored already_planned"]);
}

#[test]
fn what_comes_late_neither_opens_nor_closes_a_pull_request() {
    let planner = knowing(vec![stack("a")], 100);
    let mut memory = Memory::default();
    let closed = |n: u128, second: i64| {
        let (change, merged_as) = (of_pull_request("c0ffee"), None);
        let updated_at = Some(at(second));
        let closed = ChangeClosed { change, merged: false, merged_as, fork: false, updated_at };
        event(n, 80, Input::Closed(closed))
    };
    decide(&planner, &mut memory, &closed(1, 20));
    let opened = decide(&planner, &mut memory, &updated(2, 10, "main", "c0ffee"));
    assert_eq!(answers(&opened), ["chain.ignored pull_request_closed"]);
    let reopened = decide(&planner, &mut memory, &updated(3, 30, "main", "c0ffee"));
    assert_eq!(answers(&reopened), [planned_by(3)]);
    assert!(answers(&decide(&planner, &mut memory, &closed(4, 20))).is_empty());
    assert!(memory.open(7).is_some());
}
