use chrono::TimeDelta;
use contracts::{Code, GateId, gate::Moment};
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::{
    document::{File, read},
    fixtures::{at, noon, policies, prod, review},
    model::Rule,
    review::Word,
    window::{Calendar, Window},
};

mod actions;
mod claims;
mod clearance;
mod costs;
mod crowd;
mod limits;
mod paths;
mod programs;
mod rules;
mod year;

fn codes(verdict: &Verdict) -> Vec<Code> {
    verdict.reasons.iter().map(|reason| reason.code).collect()
}

const OFFICE: &str = r#"
policy "office_hours" {
  match { environment = "prod" }
  schedule {
    allowed_hours = ["9-17"]
    allowed_days  = ["MON-FRI"]
    timezone      = "Europe/Berlin"
  }
}
"#;
const APPROVAL: &str = r#"
policy "production_approval" {
  environment = "prod"
  approval {
    min_approvers    = 2
    no_self_approval = true
  }
}
"#;
const DENY: &str = r#"
policy "no_touch" {
  match { labels = ["frozen:true"] }
  deny { reason = "the migration is under way; ask Ann" }
}
"#;

#[test]
fn without_policies_everything_passes_and_says_so() {
    let verdict = decide(&policies(""), &prod(Moment::BeforeApply), &[], noon());
    assert_eq!(verdict.outcome, Outcome::Pass);
    assert_eq!(verdict.reasons, [Reason::new(Code::Allowed, "no policy matches")]);
}

#[test]
fn a_policy_that_has_nothing_against_it_is_named() {
    let verdict = decide(&policies(OFFICE), &prod(Moment::BeforeApply), &[], noon());
    assert_eq!(verdict.outcome, Outcome::Pass);
    assert_eq!(verdict.reasons[0].text, "policy office_hours has nothing against it");
}

#[test]
fn a_closed_window_holds_until_it_opens() {
    let night = at("2026-11-20T20:00:00Z");
    let verdict = decide(&policies(OFFICE), &prod(Moment::BeforeApply), &[], night);
    assert_eq!(verdict.outcome, Outcome::HoldUntil { until: at("2026-11-23T08:00:00Z") });
    assert_eq!(
        verdict.reasons,
        [Reason::new(
            Code::WindowClosed,
            "policy office_hours holds net-prod until Mon 2026-11-23 09:00 CET (open 9-17 on \
             MON-FRI, Europe/Berlin); nothing to do, it is decided anew by itself then",
        )]
    );
}

#[test]
fn a_window_may_deny_or_warn_instead() {
    let night = at("2026-11-20T20:00:00Z");
    let with = |what: &str| {
        OFFICE.replace(
            "  schedule {",
            &format!("  action {{ on_violation = \"{what}\" }}\n  schedule {{"),
        )
    };
    let denied = decide(&policies(&with("deny")), &prod(Moment::BeforeApply), &[], night);
    assert_eq!(denied.outcome, Outcome::Deny);
    assert_eq!(
        denied.reasons[0].text,
        "policy office_hours denies net-prod outside of 9-17 on MON-FRI, Europe/Berlin; push again \
         from Mon 2026-11-23 09:00 CET on"
    );
    let warned = decide(&policies(&with("warn")), &prod(Moment::BeforeApply), &[], night);
    assert_eq!(warned.outcome, Outcome::Pass);
    assert_eq!(codes(&warned), [Code::Allowed, Code::PolicyWarning]);
    for what in ["deny", "warn"] {
        let inside = decide(&policies(&with(what)), &prod(Moment::BeforeApply), &[], noon());
        assert_eq!(codes(&inside), [Code::Allowed], "{what}");
    }
}

#[test]
fn approvals_are_counted_per_person() {
    let set = policies(APPROVAL);
    let ask = |reviews: &[Review]| decide(&set, &prod(Moment::BeforeApply), reviews, noon());

    let none = ask(&[]);
    assert_eq!(none.outcome, Outcome::HoldForApprovals { given: 0, needed: 2 });
    let gate = GateId(Uuid::from_u128(7));
    assert_eq!(
        none.reasons[0].to_string(),
        format!(
            "approval_needed: policy production_approval wants 2 approvals, 0 given; approve with: \
             stackly approve {gate} (not from Dora, whose change it is)"
        )
    );
    let twice = ask(&[review(1, "alice", true), review(2, "@Alice", true)]);
    assert_eq!(twice.outcome, Outcome::HoldForApprovals { given: 1, needed: 2 });
    assert!(twice.reasons[0].text.contains("1 given (@Alice)"));
    let own = ask(&[review(1, "alice", true), review(2, "DORA", true)]);
    assert_eq!(own.outcome, Outcome::HoldForApprovals { given: 1, needed: 2 });
    let two = ask(&[review(1, "alice", true), review(2, "bob", true)]);
    assert_eq!(two.outcome, Outcome::Pass);
    assert_eq!(
        two.reasons,
        [Reason::new(
            Code::Approved,
            "policy production_approval has its 2 approvals (alice, bob)"
        )]
    );
}

#[test]
fn only_those_who_may_are_counted_and_they_are_named() {
    let set = policies(
        r#"
        policy "people" {
          approval {
            allowed_users  = ["alice"]
            allowed_groups = ["admins"]
            min_approvers  = 2
          }
        }
        group "admins" { members = ["bob", "carol"] }
        "#,
    );
    let ask = |reviews: &[Review]| decide(&set, &prod(Moment::BeforeApply), reviews, noon());
    let verdict = ask(&[review(1, "mallory", true), review(2, "Bob", true)]);
    assert_eq!(verdict.outcome, Outcome::HoldForApprovals { given: 1, needed: 2 });
    assert!(verdict.reasons[0].text.ends_with("(alice, carol may)"), "{}", verdict.reasons[0]);
}

#[test]
fn a_group_nobody_belongs_to_holds_and_says_what_to_do() {
    let set = policies("policy \"p\" {\n approval { allowed_groups = [\"ghosts\"] }\n}");
    let verdict = decide(&set, &prod(Moment::BeforeApply), &[], noon());
    assert_eq!(verdict.outcome, Outcome::HoldForApprovals { given: 0, needed: 1 });
    assert!(verdict.reasons[0].text.contains("nobody is left who may: allow more people"));
}

#[test]
fn a_rejection_denies_and_names_who_and_why() {
    let mut no = review(2, "bob", false);
    no.note = Some("not on a Friday".to_owned());
    let reviews = [review(1, "alice", true), no];
    let verdict = decide(&policies(APPROVAL), &prod(Moment::BeforeApply), &reviews, noon());
    assert_eq!(verdict.outcome, Outcome::Deny);
    assert_eq!(codes(&verdict), [Code::Rejected, Code::ApprovalNeeded]);
    assert_eq!(
        verdict.reasons[0].text,
        "bob rejected it (not on a Friday); push again to ask anew"
    );
}

#[test]
fn the_weightiest_outcome_wins_and_no_reason_is_lost() {
    let night = at("2026-11-20T20:00:00Z");
    let warn =
        "policy \"note\" {\n match { moment = \"before_apply\" }\n warn { reason = \"look\" }\n}";
    let deny = DENY.replace("labels = [\"frozen:true\"]", "moment = \"before_apply\"");
    let gate = prod(Moment::BeforeApply);

    let all = decide(&policies(&[OFFICE, APPROVAL, &deny, warn].concat()), &gate, &[], night);
    assert_eq!(all.outcome, Outcome::Deny);
    assert_eq!(
        codes(&all),
        [Code::PolicyDenied, Code::WindowClosed, Code::ApprovalNeeded, Code::PolicyWarning]
    );
    let held = decide(&policies(&[OFFICE, APPROVAL, warn].concat()), &gate, &[], night);
    assert!(matches!(held.outcome, Outcome::HoldUntil { .. }));
    let asked = decide(&policies(&[OFFICE, APPROVAL, warn].concat()), &gate, &[], noon());
    assert_eq!(asked.outcome, Outcome::HoldForApprovals { given: 0, needed: 2 });
    let passed = decide(&policies(warn), &gate, &[], noon());
    assert_eq!(passed.outcome, Outcome::Pass);
}

#[test]
fn of_two_approvals_the_one_further_from_done_is_told_first_hand() {
    let set = policies(
        "policy \"a\" {\n approval { min_approvers = 1 }\n}\n\
         policy \"b\" {\n approval { min_approvers = 3 }\n}",
    );
    let gate = prod(Moment::BeforeApply);
    let verdict = decide(&set, &gate, &[review(1, "alice", true)], noon());
    assert_eq!(verdict.outcome, Outcome::HoldForApprovals { given: 1, needed: 3 });
    assert_eq!(codes(&verdict), [Code::ApprovalNeeded, Code::Approved]);
}

fn window(name: &str, hours: &str) -> String {
    format!("policy \"{name}\" {{\n schedule {{ allowed_hours = [\"{hours}\"] }}\n}}\n")
}

#[test]
fn two_windows_hold_until_both_are_open() {
    let gate = prod(Moment::BeforeApply);
    let overlapping = policies(&[window("a", "9-12"), window("b", "11-13")].concat());
    let verdict = decide(&overlapping, &gate, &[], at("2026-11-20T08:00:00Z"));
    assert_eq!(verdict.outcome, Outcome::HoldUntil { until: at("2026-11-20T11:00:00Z") });
    // `a` is open at this time, and still `b` must not let it through when `a` is closed.
    let evening = decide(&overlapping, &gate, &[], at("2026-11-20T12:30:00Z"));
    assert_eq!(evening.outcome, Outcome::HoldUntil { until: at("2026-11-21T11:00:00Z") });
}

#[test]
fn windows_that_are_never_open_together_are_told_so() {
    let set = policies(&[window("a", "9-10"), window("b", "11-12")].concat());
    let verdict = decide(&set, &prod(Moment::BeforeApply), &[], at("2026-11-20T08:00:00Z"));
    assert_eq!(verdict.outcome, Outcome::HoldUntil { until: at("2026-11-20T11:00:00Z") });
    let last = verdict.reasons.last().unwrap();
    assert!(
        last.text.contains("policies a, b are not open together in any foreseeable time"),
        "{last}"
    );
}

fn some_reviews() -> impl Strategy<Value = Vec<Review>> {
    let one = (
        prop::sample::select(vec!["alice", "bob", "carol", "Dora", "ALICE", "eve"]),
        any::<bool>(),
    );
    prop::collection::vec(one, 0..6).prop_map(|reviews| {
        let numbered = reviews.into_iter().enumerate();
        numbered.map(|(index, (by, yes))| review(index as u128, by, yes)).collect()
    })
}

proptest! {
    #[test]
    fn no_order_of_policies_or_files_changes_a_decision(
        order in Just(vec![OFFICE, APPROVAL, DENY]).prop_shuffle(),
        reviews in some_reviews(),
        minutes in 0i64..20_000,
    ) {
        let files: Vec<File> = order
            .iter()
            .enumerate()
            .map(|(index, text)| File { name: format!("{index}.hcl"), text: (*text).to_owned() })
            .collect();
        let now = noon() + TimeDelta::minutes(minutes);
        let gate = prod(Moment::BeforeApply);
        let one = decide(&policies(&[OFFICE, APPROVAL, DENY].concat()), &gate, &reviews, now);
        prop_assert_eq!(one, decide(&read(&files).unwrap(), &gate, &reviews, now));
    }

    #[test]
    fn what_passes_is_inside_the_window_and_approved_by_two_others(
        reviews in some_reviews(),
        minutes in 0i64..20_000,
    ) {
        let set = policies(&[OFFICE, APPROVAL].concat());
        let now = noon() + TimeDelta::minutes(minutes);
        let verdict = decide(&set, &prod(Moment::BeforeApply), &reviews, now);

        let mut last = std::collections::HashMap::new();
        for review in &reviews {
            last.insert(review.by.to_lowercase(), review.word == Word::Approve);
        }
        let others = last.iter().filter(|(by, yes)| **yes && *by != "dora").count();
        let rejected = last.values().any(|yes| !yes);
        let Rule::Window { schedule, .. } = &set.policies[0].rules[0] else { panic!() };
        let expected = match (rejected, Calendar::Window(schedule).open(now)) {
            (_, Window::Never) => panic!("office hours come again"),
            (true, _) => Outcome::Deny,
            (false, Window::ClosedUntil(until)) => Outcome::HoldUntil { until },
            (false, Window::Open) if others < 2 => {
                Outcome::HoldForApprovals { given: others, needed: 2 }
            }
            (false, Window::Open) => Outcome::Pass,
        };
        prop_assert_eq!(verdict.outcome, expected);
        prop_assert!(!verdict.reasons.is_empty());
    }
}
