//! Limits, and what is matched by the size of a plan: also where nobody knows it.

use contracts::{Action, chain::ChainKind, gate::GateStack, run::Delta};

use super::*;
use crate::fixtures::{request, stack};

const WINDOW_AND_LIMIT: &str = r#"
policy "guarded" {
  schedule { allowed_hours = ["9-17"] }
  limits { max_deleted = 0 }
  action { midway = "MIDWAY" }
  approval { min_approvers = 1 }
}
"#;

fn deleting(deleted: i64) -> GateRequested {
    let delta = Some(Delta { deleted, ..Delta::default() });
    GateRequested { delta, ..prod(Moment::BeforeApply) }
}

#[track_caller]
fn fault(text: &str) -> String {
    let file = File { name: "a.hcl".to_owned(), text: text.to_owned() };
    read(&[file]).unwrap_err().to_string()
}

#[test]
fn what_becomes_of_a_chain_caught_half_way_moves_its_window_and_nothing_else() {
    for midway in ["hold", "finish_step", "roll_on"] {
        let set = policies(&WINDOW_AND_LIMIT.replace("MIDWAY", midway));
        let many = decide(&set, &deleting(50), &[], noon());
        assert_eq!(many.outcome, Outcome::Deny, "{midway}");
        assert_eq!(many.reasons[0].code, Code::LimitExceeded, "{midway}");
        let none = decide(&set, &deleting(0), &[], noon());
        let asked = Outcome::HoldForApprovals { given: 0, needed: 1 };
        assert_eq!(none.outcome, asked, "{midway}");
    }
    let night = at("2026-11-20T20:00:00Z");
    let set = policies(&WINDOW_AND_LIMIT.replace("MIDWAY", "finish_step"));
    let plan = decide(&set, &prod(Moment::BeforePlan), &[], night);
    assert_eq!(codes(&plan), [Code::WindowClosed]);
    let apply = decide(&set, &deleting(0), &[], night);
    assert_eq!(codes(&apply), [Code::ApprovalNeeded]);
}

#[test]
fn midway_without_a_window_is_refused() {
    let said = fault(
        "policy \"p\" {\n limits { max_deleted = 0 }\n action { midway = \"finish_step\" }\n}",
    );
    assert!(said.contains("`midway` says which gates a `schedule` holds"), "{said}");
}

#[test]
fn limits_on_a_plan_at_gates_that_see_none_are_refused() {
    for (moment, limit) in [
        ("\"before_plan\"", "max_deleted = 0"),
        ("[\"before_chain\", \"before_plan\"]", "protected_types = [\"aws_db_*\"]"),
        ("\"before_plan\"", "max_plan_age = \"4h\""),
    ] {
        let text =
            format!("policy \"p\" {{\n match {{ moment = {moment} }}\n limits {{ {limit} }}\n}}");
        let said = fault(&text);
        assert!(said.contains("known before the apply alone"), "{said}");
    }
    let both = "[\"before_plan\", \"before_apply\"]";
    let text = |moment: &str, limit: &str| {
        format!("policy \"p\" {{\n match {{ moment = {moment} }}\n limits {{ {limit} }}\n}}")
    };
    policies(&text(both, "max_deleted = 0"));
    policies(&text("\"before_plan\"", "max_stacks = 3"));
}

const LIMITS: [&str; 2] = ["max_deleted = 5", "protected_types = [\"aws_db_*\"]"];

fn limited(limit: &str) -> PolicySet {
    policies(&format!("policy \"keep\" {{\n environment = \"prod\"\n limits {{ {limit} }}\n}}"))
}

#[test]
fn what_applies_without_showing_a_plan_is_beyond_every_limit_on_plans() {
    let itself = GateStack { autodeploy: true, ..stack("net-prod", &["env:prod"]) };
    let by_itself = request(Moment::BeforePlan, &[itself]);
    let destroying = |action| GateRequested { action, ..prod(Moment::BeforePlan) };
    for limit in LIMITS {
        let set = limited(limit);
        let gates =
            [by_itself.clone(), destroying(Action::Destroy), destroying(Action::Deregister)];
        for gate in gates {
            let verdict = decide(&set, &gate, &[], noon());
            assert_eq!(verdict.outcome, Outcome::Deny, "{limit}: {gate:?}");
            assert_eq!(verdict.reasons[0].code, Code::LimitExceeded, "{limit}");
        }
    }
    let count = limited("max_stacks = 5");
    assert_eq!(decide(&count, &by_itself, &[], noon()).outcome, Outcome::Pass);
}

#[test]
fn whose_plan_is_asked_about_later_or_is_never_applied_passes_the_gate_before_it() {
    for limit in LIMITS {
        let set = policies(&format!(
            "policy \"keep\" {{\n match {{\n kind = [\"deploy\", \"preview\"]\n \
             moment = [\"before_plan\", \"before_apply\"]\n }}\n limits {{ {limit} }}\n}}"
        ));
        let later = prod(Moment::BeforePlan);
        assert_eq!(decide(&set, &later, &[], noon()).outcome, Outcome::Pass, "{limit}");
        let preview = GateRequested { kind: ChainKind::Preview, ..later };
        assert_eq!(decide(&set, &preview, &[], noon()).outcome, Outcome::Pass, "{limit}");
    }
}

#[test]
fn a_plan_of_which_nothing_is_known_may_delete_what_is_protected() {
    let unread = prod(Moment::BeforeApply);
    for limit in LIMITS {
        let verdict = decide(&limited(limit), &unread, &[], noon());
        assert_eq!(verdict.outcome, Outcome::Deny, "{limit}");
    }
}

const BY_SIZE: &str = r#"
policy "deletions" {
  match { min_deleted = 1 }
  approval { min_approvers = 1 }
}
"#;

#[test]
fn who_is_asked_because_of_the_size_is_asked_where_nobody_knows_it() {
    let set = policies(BY_SIZE);
    let asked = Outcome::HoldForApprovals { given: 0, needed: 1 };
    let unknown = prod(Moment::BeforeApply);
    assert_eq!(decide(&set, &unknown, &[], noon()).outcome, asked);
    let itself = GateStack { autodeploy: true, ..stack("net-prod", &[]) };
    let by_itself = request(Moment::BeforePlan, &[itself]);
    assert_eq!(decide(&set, &by_itself, &[], noon()).outcome, asked);
    let later = prod(Moment::BeforePlan);
    let destroyed = GateRequested { action: Action::Destroy, ..later.clone() };
    assert_eq!(decide(&set, &destroyed, &[], noon()).outcome, asked);
    assert_eq!(decide(&set, &later, &[], noon()).outcome, Outcome::Pass, "asked with its plan");
}

#[test]
fn a_no_by_size_is_said_when_the_size_is_known_and_to_no_preview() {
    let set =
        policies("policy \"p\" {\n match { min_deleted = 10 }\n deny { reason = \"too much\" }\n}");
    assert_eq!(decide(&set, &prod(Moment::BeforePlan), &[], noon()).outcome, Outcome::Pass);
    assert_eq!(decide(&set, &deleting(9), &[], noon()).outcome, Outcome::Pass);
    assert_eq!(decide(&set, &deleting(10), &[], noon()).outcome, Outcome::Deny);
    let preview = GateRequested { kind: ChainKind::Preview, ..prod(Moment::BeforePlan) };
    assert_eq!(decide(&set, &preview, &[], noon()).outcome, Outcome::Pass);
    let said = fault(
        "policy \"p\" {\n match {\n min_deleted = 1\n moment = \"before_plan\"\n }\n \
         deny { reason = \"x\" }\n}",
    );
    assert!(said.contains("known before the apply alone"), "{said}");
}

#[test]
fn nobody_is_let_go_by_a_size_that_nobody_knows() {
    let freeze = "freeze \"f\" {\n dates = [\"11-20\"]\n reason = \"x\"\n \
                  except { min_deleted = 1 }\n}";
    let unknown = decide(&policies(freeze), &prod(Moment::BeforeApply), &[], noon());
    assert_eq!(codes(&unknown), [Code::Frozen]);
    let known = decide(&policies(freeze), &deleting(1), &[], noon());
    assert_eq!(known.outcome, Outcome::Pass);
    let glass = "break_glass \"g\" {\n match { min_changed = 1 }\n allowed_users = [\"olga\"]\n}";
    let gate = prod(Moment::BeforeApply);
    assert!(may_break_glass(&policies(glass), &Case::new(&gate, noon()), "olga").is_none());
}
