use chrono::DateTime;
use contracts::{
    ChainId, CommitSha,
    change::{Change, ChangeClosed, ChangeCommanded, ChangeProposed, Command, Paths},
};

use super::*;
use crate::memory::{Commanded, Wish};

const HEAD: &str = "c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00";

fn change(commit: &str) -> Change {
    Change {
        repository: "acme/infra".to_owned(),
        branch: "main".to_owned(),
        commit: CommitSha::from(commit),
        previous: None,
        author: "ada".to_owned(),
        authors: Vec::new(),
        title: String::new(),
        url: None,
        pull_request: Some(7),
    }
}

fn proposed(commit: &str) -> ChangeProposed {
    ChangeProposed { change: change(commit), paths: Paths::Unknown, fork: false, updated_at: None }
}

fn chain() -> ChainId {
    ChainId(Uuid::from_u128(5))
}

fn planned() -> Plan {
    Plan::Planned(ChainPlanned {
        chain: chain(),
        kind: ChainKind::Preview,
        change: change(HEAD),
        steps: Vec::new(),
        edges: contracts::chain::PlannedEdges::default(),
        graph_version: 1,
        action: contracts::Action::default(),
        options: contracts::chain::ChainOptions::default(),
        files: None,
    })
}

fn validated(wish: Wish, failures: usize) -> Validated {
    let look = mirror::Call {
        repository: "acme/infra".to_owned(),
        branch: "main".to_owned(),
        commit: Some(CommitSha::from(HEAD)),
        previous: None,
        pull_request: Some(7),
        on_head: false,
        before: crate::memory::Before::default(),
        speculative: true,
    };
    let waiting = Waiting {
        event: Uuid::from_u128(1),
        correlation: Uuid::from_u128(2),
        trace: None,
        since: DateTime::UNIX_EPOCH,
        looks: 0,
        missing: 0,
        wish,
    };
    let found = (0..failures).map(|_| about_all(Stage::Security, "r", "open".to_owned())).collect();
    let report = Report::new(vec!["net".to_owned()], found);
    Validated { call: Call { look, waiting, plan: planned() }, report }
}

fn told(validated: &Validated, memory: &mut Memory) -> Vec<(String, String)> {
    let answers = validated.answers(memory);
    let code = |answer: &Outgoing| {
        let code = answer.body["reason"]["code"].as_str().unwrap_or_default();
        (answer.kind.to_owned(), code.to_owned())
    };
    answers.iter().map(code).collect()
}

fn pairs(all: &[(&str, &str)]) -> Vec<(String, String)> {
    all.iter().map(|(kind, code)| ((*kind).to_owned(), (*code).to_owned())).collect()
}

#[test]
fn what_is_rejected_gets_no_preview_and_what_is_not_gets_one() {
    let wish = || Wish::Proposed(proposed(HEAD));
    let mut memory = Memory::default();
    let rejected = told(&validated(wish(), 1), &mut memory);
    let code = "validation_rejected";
    assert_eq!(rejected, pairs(&[("change.validated", code), ("chain.refused", code)]));

    let passed = told(&validated(wish(), 0), &mut memory);
    let expected = pairs(&[("change.validated", "validation_passed"), ("chain.planned", "")]);
    assert_eq!(passed, expected);
    // The same head validated twice is planned once.
    let again = told(&validated(wish(), 0), &mut memory);
    assert_eq!(again[1], pairs(&[("chain.ignored", "already_planned")])[0]);
}

#[test]
fn a_head_that_was_replaced_meanwhile_is_told_of_and_not_planned() {
    let mut memory = Memory::default();
    memory.note_open(&proposed(&"1".repeat(40)), DateTime::UNIX_EPOCH);
    let all = told(&validated(Wish::Proposed(proposed(HEAD)), 0), &mut memory);
    assert_eq!(all[1], pairs(&[("chain.ignored", "superseded")])[0]);
}

#[test]
fn a_pull_request_that_closed_meanwhile_is_told_of_and_not_planned() {
    let mut memory = Memory::default();
    memory.note_open(&proposed(HEAD), DateTime::UNIX_EPOCH);
    let ChangeProposed { change, fork, .. } = proposed(HEAD);
    let closed = ChangeClosed { change, merged: false, merged_as: None, fork, updated_at: None };
    assert!(memory.note_closed(&closed, DateTime::UNIX_EPOCH).is_empty(), "nothing was planned");
    let all = told(&validated(Wish::Proposed(proposed(HEAD)), 0), &mut memory);
    assert_eq!(all[1], pairs(&[("chain.ignored", "pull_request_closed")])[0]);
}

#[test]
fn who_asked_for_a_plan_is_told_why_there_is_none() {
    let said = ChangeCommanded {
        repository: "acme/infra".to_owned(),
        pull_request: Some(7),
        commit: None,
        command: Command::Plan,
        arguments: Vec::new(),
        by: "grace".to_owned(),
        url: None,
    };
    let wish = Wish::Commanded(Box::new(Commanded { proposed: proposed(HEAD), said }));
    let all = told(&validated(wish, 1), &mut Memory::default());
    assert_eq!(all[2], pairs(&[("change.answered", "validation_rejected")])[0]);
}

#[test]
fn what_is_to_be_validated_can_be_kept_and_read_again() {
    let call = validated(Wish::Proposed(proposed(HEAD)), 0).call;
    let effect = effect(Uuid::from_u128(9), &call);
    assert_eq!(serde_json::from_value::<Call>(effect.body).unwrap(), call);
    assert_eq!((effect.kind, effect.correlation), (KIND, Uuid::from_u128(2)));
}
