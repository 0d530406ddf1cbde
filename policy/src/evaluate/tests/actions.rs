//! Gates of what chains are there for, budgets of failures, and the age of plans.

use contracts::{Action, gate::RecentFailure};

use super::*;
use crate::fixtures::{request, stack};

fn asked(action: Action, moment: Moment) -> GateRequested {
    GateRequested { action, ..prod(moment) }
}

/// What is said so many minutes after it was asked at noon.
fn decide_later(set: &PolicySet, request: &GateRequested, minutes: i64) -> Verdict {
    let case = Case::new(request, noon() + TimeDelta::minutes(minutes));
    judge(set, &Case { asked_at: noon(), ..case })
}

const CLEAN_UP: &str = "policy \"lab\" {\n match { environment = \"prod\" }\n deregistration { \
                        on_code_gone = \"destroy\" }\n}\n";

#[test]
fn a_policy_may_be_about_what_a_chain_is_there_for() {
    let set = policies(
        "policy \"a\" {\n match {\n action = [\"fix_drift\", \"destroy\"]\n }\n deny { reason = \
         \"ask us\" }\n}\n",
    );
    for action in [Action::FixDrift, Action::Destroy] {
        let verdict = decide(&set, &asked(action, Moment::BeforePlan), &[], noon());
        assert_eq!(verdict.outcome, Outcome::Deny, "{action}");
    }
    for action in [Action::Deliver, Action::Deregister] {
        let verdict = decide(&set, &asked(action, Moment::BeforePlan), &[], noon());
        assert_eq!(verdict.outcome, Outcome::Pass, "{action}");
    }
    let case = asked(Action::Deliver, Moment::BeforePlan);
    let case = Case::new(&case, noon());
    let text = &explain(&set, &case)[0].text;
    assert!(text.starts_with("action does not fit (action deliver"), "{text}");
}

#[test]
fn without_a_word_what_lost_its_code_stays_and_with_one_for_each_it_is_destroyed() {
    let chain = asked(Action::Deregister, Moment::BeforeChain);
    let verdict = decide(&policies(""), &chain, &[], noon());
    assert_eq!(codes(&verdict), [Code::StaysLoose]);
    assert_eq!(verdict.outcome, Outcome::Deny);
    let verdict = decide_later(&policies(CLEAN_UP), &chain, 15);
    assert_eq!(verdict.outcome, Outcome::Pass);

    let both = [stack("net-prod", &["env:prod"]), stack("net-lab", &["env:lab"])];
    let mixed = GateRequested { action: Action::Deregister, ..request(Moment::BeforeChain, &both) };
    let verdict = decide(&policies(CLEAN_UP), &mixed, &[], noon());
    assert_eq!(verdict.outcome, Outcome::Deny);
    assert!(verdict.reasons[0].text.contains("what net-lab made"), "{}", verdict.reasons[0]);

    let kept = format!(
        "{CLEAN_UP}policy \"keep\" {{\n deregistration {{ on_code_gone = \"loosen\" }}\n}}\n"
    );
    let verdict = decide(&policies(&kept), &chain, &[], noon());
    assert_eq!(verdict.outcome, Outcome::Deny, "the strictest wins");
    assert!(verdict.reasons[0].text.contains("policy keep leaves"), "{}", verdict.reasons[0]);
}

/// A folder that moves to another repository is gone from the old one until that is pushed, too.
#[test]
fn what_lost_its_code_is_destroyed_only_when_that_has_not_come_back_for_a_while() {
    let chain = asked(Action::Deregister, Moment::BeforeChain);
    let until = noon() + TimeDelta::minutes(15);
    for minutes in [0, 14] {
        let verdict = decide_later(&policies(CLEAN_UP), &chain, minutes);
        assert_eq!(verdict.outcome, Outcome::HoldUntil { until });
        assert_eq!((codes(&verdict), verdict.recheck), (vec![Code::CodeGone], Some(until)));
        let text = &verdict.reasons[0].text;
        assert!(text.contains("unless its code comes back before"), "{text}");
    }
    let longer = "policy \"lab\" {\n match { environment = \"prod\" }\n deregistration {\n \
                  on_code_gone = \"destroy\"\n after = \"2h\"\n}\n}\n";
    let verdict = decide_later(&policies(longer), &chain, 119);
    assert_eq!(verdict.outcome, Outcome::HoldUntil { until: noon() + TimeDelta::hours(2) });
    assert_eq!(decide_later(&policies(longer), &chain, 120).outcome, Outcome::Pass);
    // What ends after all time has not begun to pass at once.
    let beyond = longer.replace("2h", "1000000y");
    let verdict = decide_later(&policies(&beyond), &chain, 120);
    assert_eq!(verdict.outcome, Outcome::HoldUntil { until: never() });
}

#[test]
fn who_breaks_the_glass_does_not_destroy_what_stays() {
    let set = policies("break_glass \"b\" { allowed_users = [\"olga\"] }\n");
    let word = Word::Override { until: noon() + TimeDelta::hours(1), whole_chain: false };
    let given = Review { word, note: Some("now".to_owned()), ..review(1, "olga", true) };
    let verdict = decide(&set, &asked(Action::Deregister, Moment::BeforeChain), &[given], noon());
    assert_eq!(verdict.outcome, Outcome::Deny);
}

#[test]
fn a_run_that_destroys_shows_no_plan_so_rules_for_the_apply_speak_before_it() {
    let set = policies("policy \"p\" {\n approval { min_approvers = 1 }\n}\n");
    let held = Outcome::HoldForApprovals { given: 0, needed: 1 };
    for action in [Action::Destroy, Action::Deregister] {
        let verdict = decide(&set, &asked(action, Moment::BeforePlan), &[], noon());
        assert_eq!(verdict.outcome, held, "{action}");
    }
    for action in [Action::Deliver, Action::FixDrift] {
        let verdict = decide(&set, &asked(action, Moment::BeforePlan), &[], noon());
        assert_eq!(verdict.outcome, Outcome::Pass, "{action}");
        let verdict = decide(&set, &asked(action, Moment::BeforeApply), &[], noon());
        assert_eq!(verdict.outcome, held, "{action}");
    }
}

fn failed(stack: &str, label: &str, minutes_ago: i64) -> RecentFailure {
    RecentFailure {
        chain: contracts::ChainId(Uuid::from_u128(99)),
        stack: stack.into(),
        space: "platform".into(),
        labels: vec![label.to_owned()],
        path: None,
        at: noon() - TimeDelta::minutes(minutes_ago),
    }
}

fn budget(more: &str) -> PolicySet {
    policies(&format!(
        "policy \"calm\" {{\n match {{ labels = [\"env:prod\"] }}\n budget {{\n max_failures = 1\n \
         within = \"1h\"\n{more} }}\n}}\n"
    ))
}

#[test]
fn a_spent_budget_holds_until_enough_of_it_is_long_ago() {
    let set = budget("");
    let failures = vec![
        failed("a", "env:prod", 10),
        failed("b", "env:prod", 50),
        failed("c", "env:prod", 61),
        failed("d", "env:lab", 1),
    ];
    let gate = GateRequested { failures, ..prod(Moment::BeforePlan) };
    let verdict = decide(&set, &gate, &[], noon());
    let until = noon() + TimeDelta::minutes(10);
    assert_eq!(verdict.outcome, Outcome::HoldUntil { until });
    assert_eq!(verdict.reasons[0].code, Code::BudgetSpent);
    let text = &verdict.reasons[0].text;
    assert!(text.contains("2 steps ended badly within 1h (a, b), and 1 are allowed"), "{text}");
    assert_eq!(verdict.recheck, Some(until));
    assert_eq!(decide(&set, &gate, &[], until).outcome, Outcome::Pass);
    let calm = GateRequested { failures: vec![failed("a", "env:prod", 1)], ..gate.clone() };
    assert_eq!(decide(&set, &calm, &[], noon()).outcome, Outcome::Pass);
    assert_eq!(decide(&budget("of_chain = true\n"), &gate, &[], noon()).outcome, Outcome::Pass);
}

#[test]
fn a_spent_budget_may_deny_or_warn() {
    let failures = vec![failed("a", "env:prod", 1), failed("b", "env:prod", 2)];
    let gate = GateRequested { failures, ..prod(Moment::BeforePlan) };
    for (word, outcome) in [("deny", Outcome::Deny), ("warn", Outcome::Pass)] {
        let text = format!(
            "policy \"calm\" {{\n budget {{ max_failures = 1 }}\n action {{ on_violation = \"{word}\" \
             }}\n}}\n"
        );
        let verdict = decide(&policies(&text), &gate, &[], noon());
        assert_eq!(verdict.outcome, outcome);
    }
}

#[test]
fn what_is_cleared_says_how_far_back_is_looked() {
    let chain = prod(Moment::BeforeChain);
    assert_eq!(clearance(&[&budget("")], &chain, noon()).looks_back, Some(3_600));
    assert_eq!(clearance(&[&policies("")], &chain, noon()).looks_back, None);
}

#[test]
fn a_plan_is_too_old_from_its_age_on_and_that_is_known_beforehand() {
    let set = policies("policy \"fresh\" {\n limits { max_plan_age = \"4h\" }\n}\n");
    let gate = GateRequested { planned_at: Some(noon()), ..prod(Moment::BeforeApply) };
    let age = |minutes: i64| decide(&set, &gate, &[], noon() + TimeDelta::minutes(minutes));
    assert_eq!(age(239).outcome, Outcome::Pass);
    let stale = age(240);
    assert_eq!((&stale.outcome, stale.reasons[0].code), (&Outcome::Deny, Code::PlanStale));
    assert!(stale.reasons[0].text.contains("4h old, and 4h are allowed"), "{}", stale.reasons[0]);
    let unknown = GateRequested { planned_at: None, ..gate.clone() };
    assert_eq!(decide(&set, &unknown, &[], noon()).outcome, Outcome::Deny);
    let plan = GateRequested { moment: Moment::BeforePlan, ..unknown };
    assert_eq!(decide(&set, &plan, &[], noon()).outcome, Outcome::Pass);

    let held = policies(
        "policy \"fresh\" {\n limits { max_plan_age = \"4h\" }\n approval { min_approvers = 1 }\n}\n",
    );
    let verdict = decide(&held, &gate, &[], noon());
    assert_eq!(verdict.recheck, Some(noon() + TimeDelta::hours(4)));
    // What else denies it is said first: only what is merely old is planned anew.
    let denied = policies(
        "policy \"a\" {\n match { moment = \"before_apply\" }\n deny { reason = \"no\" }\n}\npolicy \
         \"fresh\" {\n limits { max_plan_age = \"4h\" }\n}\n",
    );
    let verdict = decide(&denied, &gate, &[], noon() + TimeDelta::hours(9));
    assert_eq!(codes(&verdict), [Code::PolicyDenied, Code::PlanStale]);
}

#[test]
fn what_cannot_be_meant_is_refused_with_its_place_and_advice() {
    for (text, what, advice) in [
        ("limits { max_plan_age = \"1m\" }", "made anew for ever", "write \"5m\" or more"),
        ("budget { within = \"1h\" }", "this budget has no end", "max_failures = 3"),
        ("budget {\n max_failures = 1\n within = \"8d\"\n }", "for so long", "\"7d\" or less"),
        ("budget { max_failures = 500 }", "are not counted", "below 200"),
        ("deregistration {}", "whose code is gone", "on_code_gone = \"destroy\""),
        ("deregistration { on_code_gone = \"keep\" }", "keep", "loosen"),
        (
            "deregistration {\n on_code_gone = \"loosen\"\n after = \"1h\"\n}",
            "nothing is destroyed after that",
            "leave `after` out",
        ),
    ] {
        let file =
            File { name: "a.hcl".to_owned(), text: format!("policy \"p\" {{\n {text}\n}}\n") };
        let faults = crate::document::read(&[file]).unwrap_err().to_string();
        assert!(faults.contains(what) && faults.contains(advice), "{text}: {faults}");
    }
}
