use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use contracts::{
    ChainId, CommitSha, Envelope, Inbound, Message, Trace,
    catalogue::AccountAudited,
    change::{Change, ChangeClosed, ChangeCommanded, ChangeProposed, ChangePushed, Command, Paths},
};
use store::{Decider, Decision, Refusal};
use uuid::Uuid;

use super::{Input, Planner};
use crate::{
    catalogue::{Stack, tests::stack},
    known::{Known, Shelf, Snapshot},
    memory::{self, Memory},
};

mod apart;
mod closed;
mod readings;

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
}

fn planner() -> Planner {
    Planner {
        shelf: Arc::new(Shelf::default()),
        previews_from_forks: false,
        reads_code: false,
        validates: false,
        reports: Arc::default(),
    }
}

/// A planner that read these stacks at a time.
fn knowing(stacks: Vec<Stack>, as_of: i64) -> Planner {
    let planner = planner();
    learn(&planner, stacks, as_of);
    planner
}

fn learn(planner: &Planner, stacks: Vec<Stack>, as_of: i64) {
    let known = Arc::new(Known::new(1, stacks));
    planner.shelf.put(Snapshot { known, as_of: at(as_of) });
}

fn change(repository: &str, commit: &str) -> Change {
    Change {
        repository: repository.to_owned(),
        branch: "main".to_owned(),
        commit: CommitSha::from(commit),
        previous: None,
        author: "ada".to_owned(),
        authors: Vec::new(),
        title: String::new(),
        url: None,
        pull_request: None,
    }
}

/// The `n`-th event, sent at a time.
fn event(n: u128, sent: i64, body: Input) -> Envelope<Input> {
    let (id, named) = (Uuid::from_u128(n), (ChangePushed::TYPE, "acme/infra"));
    Envelope::first("ingest", id, named, at(sent), body)
        .within(Uuid::from_u128(1_000 + n), Some(Trace(format!("trace {n}"))))
}

fn push_of(n: u128, sent: i64, change: Change) -> Envelope<Input> {
    let paths = Paths::All(vec!["a/main.tf".to_owned()]);
    let pushed = ChangePushed { change, paths, deleted: false, tag: false, forced: false };
    event(n, sent, Input::Pushed(pushed))
}

fn push(n: u128, sent: i64) -> Envelope<Input> {
    push_of(n, sent, change("acme/infra", "c0ffee"))
}

fn wake(sent: i64) -> Envelope<Input> {
    event(99, sent, Input::Woken(memory::key("acme/infra")))
}

fn decide(planner: &Planner, memory: &mut Memory, input: &Envelope<Input>) -> Decision {
    planner.decide(memory, input, input.time).unwrap()
}

/// `type code` of each answer; a chain's code is its id.
fn answers(decision: &Decision) -> Vec<String> {
    assert!(decision.effects.is_empty());
    decision
        .answers
        .iter()
        .map(|answer| {
            let code = answer.body["reason"]["code"].as_str();
            let code = code.unwrap_or_else(|| answer.body["chain"].as_str().unwrap());
            format!("{} {code}", answer.kind)
        })
        .collect()
}

fn planned_by(n: u128) -> String {
    format!("chain.planned {}", ChainId::derived(&Uuid::from_u128(n), "chain"))
}

fn proposal(n: u128, commit: &str) -> Envelope<Input> {
    let change = Change { pull_request: Some(7), ..change("acme/infra", commit) };
    let proposed = ChangeProposed { change, paths: Paths::Unknown, fork: false, updated_at: None };
    event(n, 10, Input::Proposed(proposed))
}

fn said(n: u128, command: Command) -> Envelope<Input> {
    let said = ChangeCommanded {
        repository: "acme/infra".to_owned(),
        pull_request: Some(7),
        commit: None,
        command,
        arguments: Vec::new(),
        by: "grace".to_owned(),
        url: None,
    };
    event(n, 20, Input::Commanded(said))
}

#[test]
fn a_plan_that_is_asked_for_is_made_again_of_the_newest_head_and_answered() {
    let planner = knowing(vec![stack("a")], 0);
    let mut memory = Memory::default();
    decide(&planner, &mut memory, &proposal(1, "old"));
    decide(&planner, &mut memory, &proposal(2, "c0ffee"));

    let decision = decide(&planner, &mut memory, &said(3, Command::Plan));

    let kinds: Vec<_> = decision.answers.iter().map(|answer| answer.kind).collect();
    assert_eq!(kinds, ["chain.planned", "change.answered"]);
    let planned = &decision.answers[0].body;
    assert_eq!(
        (&planned["change"]["commit"], &planned["kind"]),
        (&"c0ffee".into(), &"preview".into())
    );
    let answer = &decision.answers[1].body;
    assert_eq!(answer["chain"], planned["chain"]);
    assert_eq!(answer["event"], Uuid::from_u128(3).to_string());
    assert_eq!(answer["reason"]["code"], "command_taken");
}

#[test]
fn a_plan_that_has_to_wait_is_answered_when_it_is_made() {
    let planner = planner();
    let mut memory = Memory::default();
    decide(&planner, &mut memory, &proposal(1, "c0ffee"));
    assert!(answers(&decide(&planner, &mut memory, &said(2, Command::Plan))).is_empty());
    learn(&planner, vec![stack("a")], 30);
    let decision = decide(&planner, &mut memory, &wake(31));
    let last = decision.answers.last().unwrap();
    assert_eq!((last.kind, &last.body["chain"].is_string()), ("change.answered", &true));
}

#[test]
fn what_is_not_merged_is_never_applied_and_what_is_not_open_is_not_planned() {
    let planner = knowing(vec![stack("a")], 0);
    let mut memory = Memory::default();
    let refused = ["change.answered command_refused"];
    assert_eq!(answers(&decide(&planner, &mut memory, &said(1, Command::Plan))), refused);
    decide(&planner, &mut memory, &proposal(2, "c0ffee"));
    let decision = decide(&planner, &mut memory, &said(3, Command::Apply));
    assert_eq!(answers(&decision), refused);
    let text = decision.answers[0].body["reason"]["text"].as_str().unwrap();
    assert!(text.contains("merge it"), "{text}");

    let change = Change { pull_request: Some(7), ..change("acme/infra", "c0ffee") };
    let closed =
        ChangeClosed { change, merged: true, merged_as: None, fork: false, updated_at: None };
    decide(&planner, &mut memory, &event(4, 30, Input::Closed(closed)));
    for command in [Command::Plan, Command::Apply] {
        assert_eq!(answers(&decide(&planner, &mut memory, &said(5, command))), refused);
    }
}

#[test]
fn a_fork_is_not_planned_because_somebody_asks_for_it() {
    let planner = knowing(vec![stack("a")], 0);
    let mut memory = Memory::default();
    let mut fork = proposal(1, "c0ffee");
    let Input::Proposed(proposed) = &mut fork.body else { unreachable!("it is one") };
    proposed.fork = true;
    decide(&planner, &mut memory, &fork);
    let told = answers(&decide(&planner, &mut memory, &said(2, Command::Plan)));
    assert_eq!(told, ["chain.ignored policy_denied", "change.answered policy_denied"]);
}

#[test]
fn a_push_becomes_a_chain_named_after_its_event() {
    let planner = knowing(vec![stack("a")], 0);
    for _ in 0..2 {
        let decision = decide(&planner, &mut Memory::default(), &push(7, 10));
        assert_eq!(answers(&decision), [planned_by(7)]);
    }
}

#[test]
fn the_same_head_under_another_delivery_names_the_chain_it_has() {
    let planner = knowing(vec![stack("a")], 0);
    let mut memory = Memory::default();
    decide(&planner, &mut memory, &push(7, 10));
    let decision = decide(&planner, &mut memory, &push(8, 11));
    assert_eq!(answers(&decision), ["chain.ignored already_planned"]);
    let text = decision.answers[0].body["reason"]["text"].as_str().unwrap();
    let chain = ChainId::derived(&Uuid::from_u128(7), "chain").to_string();
    assert!(text.contains(&chain), "{text}");
}

#[test]
fn before_the_account_was_read_a_push_waits_and_is_then_planned_in_its_own_story() {
    let planner = planner();
    let mut memory = Memory::default();
    assert!(decide(&planner, &mut memory, &push(7, 10)).answers.is_empty());
    assert!(decide(&planner, &mut memory, &push(8, 11)).answers.is_empty());
    assert_eq!(memory.waiting(), 2);
    assert!(planner.wake_at(&memory).unwrap() > at(10));

    // Woken too early, it goes on waiting.
    assert!(decide(&planner, &mut memory, &wake(12)).answers.is_empty());
    assert!(planner.wake_at(&memory).unwrap() > at(12));

    learn(&planner, vec![stack("a")], 13);
    let decision = decide(&planner, &mut memory, &wake(14));
    assert_eq!(answers(&decision), [planned_by(7), "chain.ignored already_planned".to_owned()]);
    assert_eq!(decision.answers[0].correlation, Some(Uuid::from_u128(1_007)));
    assert_eq!(decision.answers[1].trace, Some(Trace("trace 8".to_owned())));
    assert_eq!((memory.waiting(), planner.wake_at(&memory)), (0, None));
}

#[test]
fn a_push_nobody_tracks_is_ignored_only_after_a_reading_from_after_it() {
    for made_meanwhile in [false, true] {
        let planner = knowing(vec![stack("other").made_from("acme/other", "main")], 9);
        let mut memory = Memory::default();
        assert!(decide(&planner, &mut memory, &push(7, 10)).answers.is_empty());

        let new = if made_meanwhile { vec![stack("a")] } else { Vec::new() };
        learn(&planner, new, 10);
        let decision = decide(&planner, &mut memory, &wake(12));

        let expect = if made_meanwhile {
            planned_by(7)
        } else {
            "chain.ignored repository_unknown".to_owned()
        };
        assert_eq!(answers(&decision), [expect]);
    }
}

#[test]
fn a_push_that_touches_nothing_is_ignored_only_after_a_reading_from_after_it() {
    for made_meanwhile in [false, true] {
        let planner = knowing(vec![stack("b")], 9);
        let mut memory = Memory::default();
        assert!(decide(&planner, &mut memory, &push(7, 10)).answers.is_empty());
        assert!(decide(&planner, &mut memory, &wake(11)).answers.is_empty());

        let new = if made_meanwhile { vec![stack("a"), stack("b")] } else { vec![stack("b")] };
        learn(&planner, new, 10);
        let decision = decide(&planner, &mut memory, &wake(12));

        let ignored = || "chain.ignored nothing_touched".to_owned();
        let expect = if made_meanwhile { planned_by(7) } else { ignored() };
        assert_eq!(answers(&decision), [expect]);
        assert_eq!(memory.waiting(), 0);
    }
}

#[test]
fn a_sender_whose_clock_is_ahead_does_not_wait_for_its_own_time() {
    let planner = knowing(vec![stack("a").made_from("acme/infra", "staging")], 10);
    let input = push(7, 99_999);
    let decision = planner.decide(&mut Memory::default(), &input, at(10)).unwrap();
    assert_eq!(answers(&decision), ["chain.ignored branch_not_tracked"]);
}

#[test]
fn what_needs_no_catalogue_does_not_wait_for_one() {
    let fork = ChangeProposed {
        change: Change { pull_request: Some(3), ..change("acme/infra", "c0ffee") },
        paths: Paths::Unknown,
        fork: true,
        updated_at: None,
    };
    let mut planner = planner();
    let input = event(7, 10, Input::Proposed(fork));
    let decision = decide(&planner, &mut Memory::default(), &input);
    assert_eq!(answers(&decision), ["chain.ignored policy_denied"]);

    planner.previews_from_forks = true;
    learn(&planner, vec![stack("a")], 0);
    let decision = decide(&planner, &mut Memory::default(), &input);
    assert_eq!(answers(&decision), [planned_by(7)]);
    assert_eq!(decision.answers[0].body["kind"], "preview");
}

#[test]
fn a_branch_reset_to_an_old_commit_is_planned_again() {
    let planner = knowing(vec![stack("a")], 0);
    let mut memory = Memory::default();
    let mut next = |n: u128, commit: &str, previous: &str| {
        let previous = Some(CommitSha::from(previous));
        let push = push_of(n, 10, Change { previous, ..change("acme/infra", commit) });
        answers(&decide(&planner, &mut memory, &push))
    };
    assert_eq!(next(1, "one", "zero"), [planned_by(1)]);
    assert_eq!(next(2, "two", "one"), [planned_by(2)]);
    assert_eq!(next(3, "one", "zero"), ["chain.ignored already_planned"], "a late double");
    assert_eq!(next(4, "one", "two"), [planned_by(4)]);
}

#[test]
fn a_push_that_comes_after_one_on_top_of_it_is_planned_on_that_one() {
    let planner = knowing(vec![stack("a")], 0);
    let mut memory = Memory::default();
    let mut next = |n: u128, commit: &str, previous: &str, forced: bool| {
        let previous = Some(CommitSha::from(previous));
        let mut push = push_of(n, 10, Change { previous, ..change("acme/infra", commit) });
        let Input::Pushed(pushed) = &mut push.body else { unreachable!("it is one") };
        pushed.forced = forced;
        decide(&planner, &mut memory, &push)
    };
    assert_eq!(answers(&next(1, "two", "one", false)), [planned_by(1)]);

    let late = next(2, "one", "zero", false);
    assert_eq!(answers(&late), [planned_by(2)]);
    let planned = &late.answers[0].body;
    assert_eq!(planned["change"]["commit"], "two", "nothing runs on the older commit");
    let why = planned["steps"][0]["why"]["text"].as_str().unwrap();
    assert!(why.contains("pushed with one, which two contains"), "{why}");

    assert_eq!(answers(&next(3, "one", "zero", false)), ["chain.ignored already_planned"]);
    assert_eq!(answers(&next(4, "two", "one", false)), ["chain.ignored already_planned"]);
    let back = next(5, "one", "two", true);
    assert_eq!(answers(&back), [planned_by(5)]);
    assert_eq!(back.answers[0].body["change"]["commit"], "one");
}

#[test]
fn a_cycle_is_refused_and_planned_once_it_is_mended() {
    let planner = knowing(vec![stack("a").label("depends-on:a")], 0);
    let mut memory = Memory::default();
    let decision = decide(&planner, &mut memory, &push(1, 10));
    assert_eq!(answers(&decision), ["chain.refused cycle"]);
    learn(&planner, vec![stack("a")], 11);
    assert_eq!(answers(&decide(&planner, &mut memory, &push(2, 12))), [planned_by(2)]);
}

#[test]
fn when_too_many_wait_the_stream_keeps_the_rest() {
    let planner = planner();
    let mut memory = Memory::default();
    let refused = (0..1_000).find_map(|n| {
        let input = push_of(n, 10, change("acme/infra", &n.to_string()));
        planner.decide(&mut memory, &input, at(10)).err()
    });
    assert!(matches!(refused, Some(Refusal::Full { .. })), "{refused:?}");
}

#[test]
fn an_audit_entry_asks_nothing_of_any_repository() {
    let audited = AccountAudited {
        account: "acme".to_owned(),
        action: "stack.create".to_owned(),
        actor: "api::01H".to_owned(),
        entity: None,
    };
    let decision =
        decide(&planner(), &mut Memory::default(), &event(1, 10, Input::Audited(audited)));
    assert!(decision.answers.is_empty());
}

#[test]
fn an_entry_has_the_stack_read_that_it_names_and_else_the_account() {
    let heard = |action: &str, entity: Option<&str>| {
        let planner = planner();
        let audited = AccountAudited {
            account: "acme".to_owned(),
            action: action.to_owned(),
            actor: "user::ada".to_owned(),
            entity: entity.map(str::to_owned),
        };
        planner.heard(&audited, at(5));
        let stacks = planner.shelf.take_stacks().iter().map(ToString::to_string).collect();
        (planner.shelf.wants_newer_than(at(4)), stacks)
    };
    let (nothing, whole) = ((false, Vec::<String>::new()), (true, Vec::<String>::new()));
    assert_eq!(heard("stack.update", Some("dns")), (false, vec!["dns".to_owned()]));
    assert_eq!(heard("stack.create", None), whole);
    assert_eq!(heard("stack.create", Some("")), whole);
    assert_eq!(heard("stack_dependency.delete", Some("dns")), whole);
    assert_eq!(heard("stack_dependencies.x", None), whole);
    for action in ["stackset.update", ""] {
        assert_eq!(heard(action, Some("dns")), whole, "{action} may be about anything");
    }
    for action in ["policy.create", "run.trigger"] {
        assert_eq!(heard(action, Some("dns")), nothing, "{action}");
    }
}

#[test]
fn the_card_says_what_is_taken() {
    assert_eq!(crate::CARD.takes, Input::TAKES);
}
