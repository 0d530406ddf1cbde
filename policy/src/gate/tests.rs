use chrono::TimeDelta;
use contracts::{RunId, chain::ChainKind, run::Delta};
use uuid::Uuid;

use super::*;
use crate::{
    document,
    fixtures::{at, noon, policies, prod, review},
};

const GUARDED: &str = r#"
policy "night" {
  schedule { allowed_hours = ["22-6"] }
}
policy "people" {
  approval {
    min_approvers    = 2
    allowed_users    = ["alice", "bob", "dora"]
    no_self_approval = true
  }
}
"#;

fn gate(text: &str) -> (PolicySet, Gate) {
    let set = policies(text);
    let gate = Gate::open(&set, prod(Moment::BeforeApply), noon());
    (set, gate)
}

fn refused(gate: &mut Gate, set: &PolicySet, review: Review) -> String {
    let before = gate.clone();
    let refusal = gate.review(set, review, noon()).unwrap_err();
    assert_eq!(*gate, before, "a refused review changes nothing");
    format!("{}: {refusal}", refusal.code())
}

#[test]
fn a_first_answer_has_the_first_revision_and_the_digest_of_its_policies() {
    let (set, gate) = gate(GUARDED);
    let announced = gate.announcement();
    assert_eq!(announced.revision, 1);
    assert_eq!(announced.policy_digest, set.digest);
    assert_eq!(announced.stack.unwrap().as_str(), "net-prod");
    assert_eq!(gate.hold_until(), Some(at("2026-11-20T22:00:00Z")));
}

#[test]
fn a_gate_before_a_chain_names_no_stack() {
    let gate = Gate::open(&policies(""), prod(Moment::BeforeChain), noon());
    assert_eq!(gate.announcement().stack, None);
}

#[test]
fn approvals_can_be_given_while_the_window_is_closed() {
    let (set, mut gate) = gate(GUARDED);
    assert_eq!(gate.review(&set, review(1, "alice", true), noon()), Ok(true));
    assert_eq!(gate.revision, 2);
    assert_eq!(gate.review(&set, review(2, "bob", true), noon()), Ok(true));
    assert!(matches!(gate.outcome, Outcome::HoldUntil { .. }));
    let opening = gate.hold_until().unwrap();
    assert!(gate.reconsider(&set, opening));
    assert_eq!((gate.outcome.clone(), gate.revision), (Outcome::Pass, 4));
    assert_eq!(gate.hold_until(), None);
}

#[test]
fn a_gate_that_passed_is_decided_again_if_who_asked_had_to_wait() {
    let (set, mut gate) = gate(GUARDED);
    gate.review(&set, review(1, "alice", true), noon()).unwrap();
    gate.review(&set, review(2, "bob", true), noon()).unwrap();
    let opening = gate.hold_until().unwrap();
    gate.reconsider(&set, opening);
    assert_eq!((gate.outcome.clone(), gate.revision), (Outcome::Pass, 4));

    let mut request = gate.request.clone();
    assert!(!gate.notes_asked_again(&request, opening), "only its answer was lost");
    request.again = 1;
    let later = opening + TimeDelta::hours(1);
    assert!(gate.notes_asked_again(&request, later));
    gate.decide_again(&set, Vec::new(), later);
    assert_eq!((gate.outcome.clone(), gate.revision), (Outcome::Pass, 5), "the same, told again");

    request.again = 2;
    let morning = opening + TimeDelta::hours(10);
    assert!(gate.notes_asked_again(&request, morning));
    assert!(!gate.notes_asked_again(&request, morning), "it was asked twice by one message");
    gate.decide_again(&set, Vec::new(), morning);
    let next = opening + TimeDelta::days(1);
    assert_eq!((gate.hold_until(), gate.revision), (Some(next), 6), "its window has closed");
    assert!(gate.reconsider(&set, next));
    assert_eq!(gate.outcome, Outcome::Pass, "nobody approves it again");
}

#[test]
fn a_wake_up_that_changes_nothing_announces_nothing() {
    let (set, mut gate) = gate(GUARDED);
    let before = gate.clone();
    assert!(!gate.reconsider(&set, noon() + TimeDelta::minutes(1)));
    assert_eq!(gate, before);
}

#[test]
fn the_same_review_sent_twice_counts_once() {
    let (set, mut gate) = gate(GUARDED);
    gate.review(&set, review(1, "alice", true), noon()).unwrap();
    assert_eq!(gate.review(&set, review(1, "alice", true), noon()), Ok(false));
    assert_eq!(gate.reviews.len(), 1);
    let again = gate.review(&set, review(2, "Alice", true), noon());
    assert_eq!(again, Ok(true), "the name is shown as written last");
    assert!(gate.reasons[1].text.contains("1 given (Alice)"), "{:?}", gate.reasons);
}

#[test]
fn what_was_said_before_and_comes_later_does_not_count_any_more() {
    let (set, mut gate) = gate(GUARDED);
    let said = |number: u128, word: Word, minutes: i64| {
        let at = noon() + TimeDelta::minutes(minutes);
        Review { word, at, ..review(number, "alice", true) }
    };
    gate.review(&set, said(1, Word::Approve, 2), noon()).unwrap();
    let late = "said_since: alice has said something else about gate_";
    for word in [Word::Approve, Word::Reject, Word::Withdraw] {
        let told = refused(&mut gate, &set, said(2, word, 1));
        assert!(told.starts_with(late), "{told}");
    }
    let other = Review { at: noon(), ..review(3, "bob", true) };
    gate.review(&set, other, noon()).unwrap();
    assert!(gate.review(&set, said(4, Word::Withdraw, 2), noon()).is_ok(), "at the same time");
    assert!(!gate.took_nothing_back(&set.people, Uuid::from_u128(4)));
}

#[test]
fn who_may_not_is_told_who_may() {
    let (set, mut gate) = gate(GUARDED);
    assert_eq!(
        refused(&mut gate, &set, review(1, "mallory", true)),
        "not_an_approver: policy people gives mallory no say in this; ask alice, bob"
    );
    assert_eq!(
        refused(&mut gate, &set, review(1, "mallory", false)),
        "not_an_approver: policy people gives mallory no say in this; ask alice, bob"
    );
    assert_eq!(
        refused(&mut gate, &set, review(1, "dora", true)),
        "self_approval: dora made this change, and policy people wants others to approve it; ask \
         alice, bob"
    );
    assert_eq!(
        refused(&mut gate, &set, review(1, " ", true)),
        "reviewer_missing: a review needs a name; say who you are with --as"
    );
}

#[test]
fn the_author_may_take_the_change_back() {
    let (set, mut gate) = gate(GUARDED);
    assert_eq!(gate.review(&set, review(1, "dora", false), noon()), Ok(true));
    assert_eq!(gate.outcome, Outcome::Deny);
}

const NIGHT: &str = "policy \"night\" {\n schedule { allowed_hours = [\"22-6\"] }\n}\n";

#[test]
fn a_window_asks_for_no_approval_but_who_made_the_change_may_take_it_back() {
    let (set, mut gate) = gate(NIGHT);
    assert!(refused(&mut gate, &set, review(1, "alice", true)).starts_with(
        "approval_not_asked: gate_00000000000000000000000007 asks for no approval: held, because \
         policy night holds net-prod until"
    ));
    assert_eq!(gate.review(&set, review(1, "dora", false), noon()), Ok(true));
    assert_eq!(gate.outcome, Outcome::Deny);
}

#[test]
fn what_asks_nobody_is_rejected_only_by_who_has_a_say_in_it() {
    let glass = "break_glass \"oncall\" {\n allowed_users = [\"olga\"]\n}\n";
    let (set, mut held) = gate(&format!("{NIGHT}{glass}"));
    assert_eq!(
        refused(&mut held, &set, review(1, "slack:U1", false)),
        "rejection_refused: gate_00000000000000000000000007 asks nobody, so only who made the \
         change, may approve it elsewhere or may break its glass rejects it, and slack:U1 is none \
         of them; who may end it does with: stackly cancel chain_00000000000000000000000008"
    );
    assert_eq!(held.review(&set, review(2, "Olga", false), noon()), Ok(true));
    assert_eq!(held.outcome, Outcome::Deny);

    // Before the apply alice is asked; she need not wait for that to say no.
    let approval = "policy \"people\" {\n match { environment = \"ENV\" }\n \
                    approval { allowed_users = [\"alice\"] }\n}\n";
    let early = |environment| {
        let frozen = "freeze \"calm\" {\n start = \"2026-11-20\"\n end = \"2026-11-22\"\n \
                      reason = \"moving\"\n}\n";
        let set = policies(&format!("{frozen}{}", approval.replace("ENV", environment)));
        let gate = Gate::open(&set, prod(Moment::BeforePlan), noon());
        assert!(matches!(gate.outcome, Outcome::HoldUntil { .. }), "{:?}", gate.outcome);
        (set, gate)
    };
    let (set, mut held) = early("prod");
    assert!(refused(&mut held, &set, review(3, "bob", false)).starts_with("rejection_refused"));
    assert_eq!(held.review(&set, review(4, "alice", false), noon()), Ok(true));
    let (set, mut held) = early("test");
    assert!(refused(&mut held, &set, review(5, "alice", false)).starts_with("rejection_refused"));
}

#[test]
fn what_is_decided_for_good_stays_so() {
    let (set, mut gate) = gate(GUARDED);
    gate.review(&set, review(1, "alice", false), noon()).unwrap();
    let before = gate.clone();
    assert_eq!(
        refused(&mut gate, &set, review(2, "bob", true)),
        "gate_decided: gate_00000000000000000000000007 is decided: denied, because alice rejected \
         it; push again to ask anew"
    );
    assert!(!gate.reconsider(&policies(""), noon() + TimeDelta::days(300)));
    assert_eq!(gate, before);
    assert_eq!(gate.review(&set, review(1, "alice", false), noon()), Ok(false));
}

#[test]
fn new_policies_decide_what_is_still_held() {
    let (_, mut gate) = gate(GUARDED);
    let relaxed = policies("policy \"people\" {\n approval {}\n}");
    assert!(gate.reconsider(&relaxed, noon()));
    assert_eq!(gate.outcome, Outcome::HoldForApprovals { given: 0, needed: 1 });
    assert_eq!(gate.announcement().policy_digest, relaxed.digest);
    assert_eq!(gate.review(&relaxed, review(1, "mallory", true), noon()), Ok(true));
    assert_eq!(gate.outcome, Outcome::Pass);
}

#[test]
fn policies_that_have_nothing_new_to_say_are_remembered_as_asked() {
    let (set, mut gate) = gate(GUARDED);
    let other = policies(&format!(
        "{GUARDED}\npolicy \"other\" {{\n match {{ stacks = \"db\" }}\n deny {{ reason = \"x\" }}\n}}"
    ));
    assert!(!gate.reconsider(&other, noon()));
    assert_eq!(gate.considered_digest, other.digest);
    assert_eq!(gate.announcement().policy_digest, set.digest);
}

#[test]
fn another_plan_or_commit_is_another_question() {
    let (_, gate) = gate(GUARDED);
    let asked = prod(Moment::BeforeApply);
    assert!(gate.is_about(&asked));
    let mut relabelled = asked.clone();
    relabelled.stacks[0].labels.clear();
    assert!(gate.is_about(&relabelled));
    let different = [
        GateRequested { run: Some(RunId::from("01J")), ..asked.clone() },
        GateRequested { delta: Some(Delta { added: 1, ..Delta::default() }), ..asked.clone() },
        GateRequested { moment: Moment::BeforePlan, ..asked.clone() },
        GateRequested { kind: ChainKind::Preview, ..asked.clone() },
        GateRequested { stacks: Vec::new(), ..asked.clone() },
    ];
    for request in different {
        assert!(!gate.is_about(&request), "{request:?}");
    }
    let mut rebased = asked;
    rebased.change.commit = "another".into();
    assert!(!gate.is_about(&rebased));
}

#[test]
fn what_a_program_wants_people_for_they_may_say_while_the_window_is_closed() {
    let program =
        "package p\nimport rego.v1\napprove if count(input.reviews.current.approvals) > 0\n";
    let text = &format!("{NIGHT}rego \"people\" {{ file = \"p.rego\" }}\n");
    let file = |name: &str, text: &str| document::File { name: name.into(), text: text.into() };
    let set = document::read(&[file("a.hcl", text), file("p.rego", program)]).unwrap();
    let mut gate = Gate::open(&set, prod(Moment::BeforeApply), noon());
    let opening = at("2026-11-20T22:00:00Z");
    assert_eq!(gate.outcome, Outcome::HoldUntil { until: opening });
    assert!(gate.reasons.iter().any(|reason| reason.text.contains("approve with: stackly")));
    assert_eq!(gate.review(&set, review(1, "alice", true), noon()), Ok(true));
    assert!(gate.reconsider(&set, opening));
    assert_eq!(gate.outcome, Outcome::Pass);

    let night = policies(NIGHT);
    let mut gate = Gate::open(&night, prod(Moment::BeforeApply), noon());
    let refusal = gate.review(&night, review(1, "alice", true), noon()).unwrap_err();
    assert_eq!(refusal.code(), "approval_not_asked");
}

#[test]
fn who_broke_the_glass_takes_it_back_before_it_is_used() {
    let glass =
        "break_glass \"oncall\" {\n allowed_users = [\"olga\", \"otto\"]\n second_person = true\n}";
    let (set, mut gate) = gate(&format!("{NIGHT}{glass}"));
    let broken = |number: u128, by: &str| {
        let until = noon() + TimeDelta::hours(1);
        let word = Word::Override { until, whole_chain: false };
        Review { word, note: Some("it burns".to_owned()), ..review(number, by, true) }
    };
    let back = |number: u128, by: &str| Review { word: Word::Withdraw, ..review(number, by, true) };
    assert_eq!(gate.review(&set, broken(1, "olga"), noon()), Ok(true));
    assert!(!gate.mend(&set.people, &back(2, "otto")), "it is not his");
    let late = Review { at: noon() - TimeDelta::minutes(1), ..back(5, "olga") };
    assert!(!gate.mend(&set.people, &late), "she had not broken it when she said that");
    assert!(gate.mend(&set.people, &back(3, "Olga")));
    assert!(!gate.mend(&set.people, &back(3, "Olga")), "sent again, it is the same");
    assert!(!gate.took_nothing_back(&set.people, Uuid::from_u128(3)));
    assert!(gate.reconsider(&set, noon()));
    gate.review(&set, broken(4, "otto"), noon()).unwrap();
    assert!(matches!(gate.outcome, Outcome::HoldUntil { .. }), "one is not enough");
}

#[test]
fn who_approves_after_taking_back_a_glass_approves_also_if_that_comes_late() {
    let text = "policy \"people\" {\n approval { min_approvers = 2 }\n}\n\
                break_glass \"oncall\" {\n allowed_users = [\"olga\"]\n second_person = true\n}";
    let (set, mut gate) = gate(text);
    let minutes = |minutes| noon() + TimeDelta::minutes(minutes);
    let word = Word::Override { until: minutes(60), whole_chain: false };
    let broken = Review { word, note: Some("it burns".to_owned()), ..review(1, "olga", true) };
    gate.review(&set, broken, noon()).unwrap();
    let approved = Review { at: minutes(6), ..review(2, "olga", true) };
    gate.review(&set, approved, minutes(6)).unwrap();
    let back = Review { word: Word::Withdraw, at: minutes(5), ..review(3, "olga", true) };
    assert!(gate.mend(&set.people, &back));
    gate.reconsider(&set, minutes(7));
    assert_eq!(gate.outcome, Outcome::HoldForApprovals { given: 1, needed: 2 });
}
