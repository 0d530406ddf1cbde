//! Freezes, stops, limits, and approvals that ask for more than a number.

use contracts::{
    chain::ChainKind,
    change::TouchedFiles,
    gate::{GateRequested, GateStack, PlannedChange},
    run::Delta,
};

use super::*;
use crate::fixtures::{request, stack};

const FREEZE: &str = r#"
freeze "christmas" {
  match { environment = "prod" }
  dates    = ["12-20..01-02"]
  timezone = "Europe/Berlin"
  reason   = "nobody is there"
  except { labels = ["urgent"] }
}
"#;

fn plan(delta: Delta) -> GateRequested {
    GateRequested { delta: Some(delta), ..prod(Moment::BeforeApply) }
}

#[test]
fn a_freeze_holds_until_it_is_over_and_says_why() {
    let christmas = at("2026-12-24T12:00:00Z");
    let set = policies(FREEZE);
    let held = decide(&set, &prod(Moment::BeforeApply), &[], christmas);
    assert_eq!(held.outcome, Outcome::HoldUntil { until: at("2027-01-02T23:00:00Z") });
    assert_eq!(codes(&held), [Code::Frozen]);
    assert!(held.reasons[0].text.contains("nobody is there"), "{}", held.reasons[0]);
    assert_eq!(held.recheck, Some(at("2027-01-02T23:00:00Z")));
    let after = decide(&set, &prod(Moment::BeforeApply), &[], at("2027-01-02T23:00:00Z"));
    assert_eq!(after.outcome, Outcome::Pass);
    let urgent = request(Moment::BeforeApply, &[stack("a", &["env:prod", "urgent"])]);
    assert_eq!(decide(&set, &urgent, &[], christmas).outcome, Outcome::Pass);
    let dev = request(Moment::BeforeApply, &[stack("a", &["env:dev"])]);
    assert_eq!(decide(&set, &dev, &[], christmas).outcome, Outcome::Pass);
}

#[test]
fn what_is_held_goes_on_by_itself_when_it_begins_to_be_left_out() {
    let except =
        "except {\n labels = [\"urgent\"]\n from = \"2026-12-27\"\n timezone = \"UTC\"\n }";
    let set = policies(&FREEZE.replace("except { labels = [\"urgent\"] }", except));
    let urgent = request(Moment::BeforeApply, &[stack("a", &["env:prod", "urgent"])]);
    let held = decide(&set, &urgent, &[], at("2026-12-24T12:00:00Z"));
    assert_eq!(held.outcome, Outcome::HoldUntil { until: at("2027-01-02T23:00:00Z") });
    assert_eq!(held.recheck, Some(at("2026-12-27T00:00:00Z")));
    assert_eq!(decide(&set, &urgent, &[], at("2026-12-27T00:00:00Z")).outcome, Outcome::Pass);
}

#[test]
fn a_chain_caught_half_way_holds_finishes_its_step_or_rolls_on_as_stated() {
    use Moment::{BeforeApply, BeforeChain, BeforePlan};
    let christmas = at("2026-12-24T12:00:00Z");
    for (midway, held) in [
        ("", vec![BeforePlan, BeforeApply]),
        ("midway = \"hold\"", vec![BeforePlan, BeforeApply]),
        ("midway = \"finish_step\"", vec![BeforePlan]),
        ("midway = \"roll_on\"", vec![BeforeChain]),
    ] {
        let set = policies(&FREEZE.replace("  reason", &format!("  {midway}\n  reason")));
        for moment in [BeforeChain, BeforePlan, BeforeApply] {
            let verdict = decide(&set, &prod(moment), &[], christmas);
            let is_held = matches!(verdict.outcome, Outcome::HoldUntil { .. });
            assert_eq!(is_held, held.contains(&moment), "{midway:?} at {moment}");
        }
    }
}

#[test]
fn a_window_that_opens_inside_a_freeze_waits_for_the_first_after_it() {
    let set = policies(&[OFFICE, FREEZE].concat());
    let verdict = decide(&set, &prod(Moment::BeforeApply), &[], at("2026-12-21T03:00:00Z"));
    // The 3rd of January 2027 is a Sunday.
    assert_eq!(verdict.outcome, Outcome::HoldUntil { until: at("2027-01-04T08:00:00Z") });
}

#[test]
fn a_stopped_line_goes_on_when_the_stop_is_taken_away() {
    let stop = "stop \"incident\" {\n match { labels = [\"env:prod\"] }\n reason = \"4711\"\n}";
    let verdict = decide(&policies(stop), &prod(Moment::BeforePlan), &[], noon());
    assert_eq!(verdict.outcome, Outcome::HoldUntil { until: never() });
    assert_eq!(codes(&verdict), [Code::LineStopped]);
    assert_eq!(
        verdict.reasons[0].text,
        "stop incident holds net-prod: 4711; it goes on when the stop is taken away"
    );
    assert_eq!(verdict.recheck, None, "time alone does not change it");
    let off = stop.replace("reason", "engaged = false\n reason");
    let verdict = decide(&policies(&off), &prod(Moment::BeforePlan), &[], noon());
    assert_eq!(verdict.outcome, Outcome::Pass);
}

#[test]
fn what_is_beyond_a_limit_is_denied_or_said() {
    let limits = |more: &str| {
        policies(&format!(
            "policy \"blast\" {{\n limits {{\n max_deleted = 2\n max_resources = 10\n max_stacks = 3\n }}\n {more}\n}}"
        ))
    };
    let deleted = |deleted| plan(Delta { deleted, ..Delta::default() });
    assert_eq!(decide(&limits(""), &deleted(2), &[], noon()).outcome, Outcome::Pass);
    let denied = decide(&limits(""), &deleted(3), &[], noon());
    assert_eq!((&denied.outcome, codes(&denied)), (&Outcome::Deny, vec![Code::LimitExceeded]));
    assert_eq!(
        denied.reasons[0].text,
        "policy blast on net-prod: 3 resources deleted, and 2 are allowed"
    );
    let warned = decide(&limits("action { on_violation = \"warn\" }"), &deleted(3), &[], noon());
    assert_eq!(warned.outcome, Outcome::Pass);
    assert_eq!(codes(&warned), [Code::Allowed, Code::PolicyWarning]);
    let unknown = decide(&limits(""), &prod(Moment::BeforeApply), &[], noon());
    assert_eq!(unknown.outcome, Outcome::Deny, "what nobody knows is not below a limit");
    let many: Vec<GateStack> = ["a", "b", "c", "d"].map(|name| stack(name, &[])).into();
    let chain = decide(&limits(""), &request(Moment::BeforeChain, &many), &[], noon());
    assert!(chain.reasons[0].text.contains("4 stacks in the chain"), "{}", chain.reasons[0]);
}

#[test]
fn what_is_protected_is_not_deleted_and_what_is_unknown_may_be_protected() {
    let set = policies("policy \"keep\" {\n limits { protected_types = [\"aws_db_*\"] }\n}");
    let change = |kind: &str| PlannedChange {
        address: format!("{kind}.main"),
        resource_type: kind.to_owned(),
        action: "deleted".to_owned(),
        stack: None,
    };
    let gate = |changes: Option<Vec<PlannedChange>>| GateRequested {
        changes,
        ..plan(Delta { deleted: 1, ..Delta::default() })
    };
    let other = decide(&set, &gate(Some(vec![change("aws_subnet")])), &[], noon());
    assert_eq!(other.outcome, Outcome::Pass);
    let lost = decide(&set, &gate(Some(vec![change("aws_db_instance")])), &[], noon());
    assert!(lost.reasons[0].text.contains("aws_db_instance.main"), "{}", lost.reasons[0]);
    assert_eq!(decide(&set, &gate(None), &[], noon()).outcome, Outcome::Deny);
    // A list that names fewer than are counted may have left out what matters.
    let two = GateRequested {
        delta: Some(Delta { deleted: 2, ..Delta::default() }),
        ..gate(Some(vec![change("aws_subnet")]))
    };
    let doubted = decide(&set, &two, &[], noon());
    assert_eq!(doubted.outcome, Outcome::Deny);
    assert!(doubted.reasons[0].text.contains("of which 1 are named"), "{}", doubted.reasons[0]);
}

#[test]
fn who_looks_at_resources_that_could_not_be_read_says_so_with_a_reason_of_its_own() {
    let set = policies("policy \"keep\" {\n limits { protected_types = [\"aws_db_*\"] }\n}");
    let spacelift = Reason::new(Code::PlanUnread, "spacelift is not available");
    let unread = GateRequested { unread: Some(spacelift), ..plan(Delta::default()) };
    let said = decide(&set, &unread, &[], noon());
    assert_eq!(said.outcome, Outcome::Pass, "nothing is deleted");
    let reason = said.reasons.iter().find(|reason| reason.code == Code::PlanUnread).unwrap();
    assert!(reason.text.contains("spacelift is not available"), "{reason}");
    let part =
        GateRequested { changes: Some(Vec::new()), changes_more: 3, ..plan(Delta::default()) };
    let said = decide(&set, &part, &[], noon());
    assert!(said.reasons.iter().any(|reason| reason.text.contains("0 of 3")), "{said:?}");
    let whole = GateRequested { changes_more: 0, ..part };
    assert!(decide(&set, &whole, &[], noon()).reasons.iter().all(|it| it.code != Code::PlanUnread));
}

#[test]
fn files_match_a_change_that_touches_one_of_them_and_in_doubt_they_hold_and_free_nobody() {
    let set = policies(
        "policy \"p\" {\n match { files = [\"modules/*\"] }\n deny { reason = \"no\" }\n}",
    );
    let gate = |files: Option<TouchedFiles>| GateRequested { files, ..prod(Moment::BeforePlan) };
    let outcome = |set: &PolicySet, files| decide(set, &gate(files), &[], noon()).outcome;
    let of = |path: &str| Some(TouchedFiles::of([path]));
    assert_eq!(outcome(&set, of("modules/net/main.tf")), Outcome::Deny);
    assert_eq!(outcome(&set, of("stacks/a/main.tf")), Outcome::Pass);
    assert_eq!(outcome(&set, None), Outcome::Deny, "nobody knows");
    let many: Vec<String> = (0..300).map(|number| format!("a/{number}.tf")).collect();
    let cut = Some(TouchedFiles::of(many));
    assert_eq!(cut.as_ref().map(|files| (files.paths.len(), files.more)), Some((200, 100)));
    assert_eq!(outcome(&set, cut.clone()), Outcome::Deny, "it may be among the others");
    let spared =
        policies("policy \"p\" {\n except { files = [\"docs/*\"] }\n deny { reason = \"no\" }\n}");
    assert_eq!(outcome(&spared, of("docs/a.md")), Outcome::Pass);
    assert_eq!(outcome(&spared, cut), Outcome::Deny);
}

#[test]
fn approvals_may_be_asked_for_by_what_the_plan_does() {
    let set = policies(
        "policy \"p\" {\n match {\n min_deleted = 1\n }\n approval { min_approvers = 1 }\n}",
    );
    let harmless = decide(&set, &plan(Delta { added: 5, ..Delta::default() }), &[], noon());
    assert_eq!(harmless.outcome, Outcome::Pass);
    let harm = decide(&set, &plan(Delta { deleted: 1, ..Delta::default() }), &[], noon());
    assert_eq!(harm.outcome, Outcome::HoldForApprovals { given: 0, needed: 1 });
}

const PEOPLE: &str = r#"
policy "people" {
  approval {
    all_of           = ["security"]
    no_self_approval = true
    n_of {
      count  = 2
      groups = ["net", "db"]
    }
  }
}
group "security" { members = ["sam", "alice"] }
group "net" { members = ["alice", "bob"] }
group "db" { members = ["carol", "dora"] }
person "alice" { also = ["U0A1", "alice@acme.example"] }
delegate "sam" {
  to    = ["tess"]
  from  = "2026-11-20"
  until = "2026-11-21"
}
"#;

fn asked_of_people(reviews: &[Review]) -> Verdict {
    decide(&policies(PEOPLE), &prod(Moment::BeforeApply), reviews, noon())
}

#[test]
fn every_group_that_is_asked_for_must_be_heard() {
    assert_eq!(asked_of_people(&[]).outcome, Outcome::HoldForApprovals { given: 0, needed: 2 });
    let two = asked_of_people(&[review(1, "bob", true), review(2, "carol", true)]);
    assert_eq!(two.outcome, Outcome::HoldForApprovals { given: 2, needed: 3 });
    assert!(two.reasons[0].text.contains("1 more of security"), "{}", two.reasons[0]);
    let three = [review(1, "bob", true), review(2, "carol", true), review(3, "sam", true)];
    assert_eq!(asked_of_people(&three).outcome, Outcome::Pass);
    // Alice belongs to two of the groups.
    let alice = [review(1, "U0A1", true), review(2, "carol", true)];
    assert_eq!(asked_of_people(&alice).outcome, Outcome::Pass);
    let twice = [review(1, "U0A1", true), review(2, "alice@acme.example", true)];
    assert_eq!(
        asked_of_people(&twice).outcome,
        Outcome::HoldForApprovals { given: 1, needed: 2 },
        "by two names she is one person"
    );
    let own = [review(1, "alice", true), review(2, "@Dora", true)];
    assert!(matches!(asked_of_people(&own).outcome, Outcome::HoldForApprovals { .. }));
}

#[test]
fn who_stands_in_counts_as_the_other_while_they_do() {
    let reviews = [review(1, "alice", true), review(2, "bob", true), review(3, "tess", true)];
    let with = |reviews: &[Review]| asked_of_people(reviews).outcome;
    assert_eq!(
        with(&[review(1, "bob", true), review(2, "carol", true), reviews[2].clone()]),
        Outcome::Pass
    );
    let mut late = reviews[2].clone();
    late.at = at("2026-11-21T00:00:00Z");
    let set = policies(PEOPLE);
    let all = [review(1, "bob", true), review(2, "carol", true), late];
    let later = decide(&set, &prod(Moment::BeforeApply), &all, at("2026-11-21T01:00:00Z"));
    assert!(matches!(later.outcome, Outcome::HoldForApprovals { .. }));
}

#[test]
fn approvals_are_taken_back_grow_old_and_come_too_late() {
    let set = policies(
        "policy \"p\" {\n approval {\n min_approvers = 2\n expires = \"4h\"\n deny_after = \"3d\"\n }\n}",
    );
    let gate = prod(Moment::BeforeApply);
    let yes = review(1, "alice", true);
    let back = Review { word: Word::Withdraw, ..review(2, "Alice", true) };
    let verdict = decide(&set, &gate, &[yes.clone(), back], noon());
    assert_eq!(verdict.outcome, Outcome::HoldForApprovals { given: 0, needed: 2 });
    let fresh = decide(&set, &gate, std::slice::from_ref(&yes), noon() + TimeDelta::hours(1));
    assert_eq!(fresh.outcome, Outcome::HoldForApprovals { given: 1, needed: 2 });
    assert_eq!(fresh.recheck, Some(noon() + TimeDelta::hours(4)), "then it does not count");
    let old = decide(&set, &gate, std::slice::from_ref(&yes), noon() + TimeDelta::hours(4));
    assert_eq!(old.outcome, Outcome::HoldForApprovals { given: 0, needed: 2 });
    assert!(old.reasons[0].text.contains("expired: alice"), "{}", old.reasons[0]);
    let now = noon() + TimeDelta::days(3);
    let case = Case { asked_at: noon(), ..Case::new(&gate, now) };
    let overdue = judge(&set, &case);
    assert_eq!(overdue.outcome, Outcome::Deny);
    assert_eq!(overdue.reasons[0].code, Code::ApprovalLapsed);
}

#[test]
fn policies_of_a_time_speak_in_their_time() {
    let set = policies(
        "policy \"p\" {\n match {\n from = \"2026-11-20\"\n until = \"2026-11-21\"\n timezone = \"Europe/Berlin\"\n moment = \"before_apply\"\n }\n deny { reason = \"audit\" }\n}",
    );
    for (now, outcome) in [
        ("2026-11-19T22:59:59Z", Outcome::Pass),
        ("2026-11-19T23:00:00Z", Outcome::Deny),
        ("2026-11-20T22:59:59Z", Outcome::Deny),
        ("2026-11-20T23:00:00Z", Outcome::Pass),
    ] {
        let verdict = decide(&set, &prod(Moment::BeforeApply), &[], at(now));
        assert_eq!(verdict.outcome, outcome, "{now}");
    }
}

#[test]
fn every_policy_is_explained_also_those_that_are_silent() {
    let text = [OFFICE, APPROVAL, DENY, FREEZE].concat();
    let set = policies(&text);
    let gate = prod(Moment::BeforeApply);
    let case = Case::new(&gate, noon());
    let lines = explain(&set, &case);
    let texts: Vec<String> = lines
        .iter()
        .map(|line| format!("{} {}: {}", line.policy, line.speaks, line.text))
        .collect();
    assert_eq!(lines.len(), 5);
    assert!(texts[0].starts_with("freeze christmas true: allowed"), "{texts:#?}");
    assert!(texts[1].starts_with("policy no_touch false: it speaks before_plan"), "{texts:#?}");
    assert!(texts[2].starts_with("policy office_hours true: allowed"), "{texts:#?}");
    assert!(texts[3].contains("approval_needed"), "{texts:#?}");
    assert!(texts[4].contains("together: hold for approvals"), "{texts:#?}");
    let spoke = lines.iter().filter(|line| line.speaks && !line.policy.is_empty()).count();
    let facts = Facts::of(&case);
    assert_eq!(spoke, scope::speaking(&set, &facts).count());
    let preview = GateRequested { kind: ChainKind::Preview, ..gate.clone() };
    let case = Case { request: &preview, ..case };
    assert!(explain(&set, &case)[2].text.contains("it is about deploy chains"));
}

const PATIENT: &str = r#"
policy "slow" {
  approval {
    allowed_groups = ["net"]
    remind_after   = "1h"
    escalate_after = "3h"
    escalate_to    = ["bosses"]
  }
}
group "net" { members = ["bob"] }
group "bosses" { members = ["vera"] }
"#;

#[test]
fn who_does_not_approve_is_reminded_and_later_others_may_as_well() {
    let set = policies(PATIENT);
    let request = prod(Moment::BeforeApply);
    let after = |minutes: i64, reviews: &[Review]| {
        let now = noon() + TimeDelta::minutes(minutes);
        judge(&set, &Case { reviews, asked_at: noon(), ..Case::new(&request, now) })
    };
    assert_eq!(codes(&after(0, &[])), [Code::ApprovalNeeded]);
    assert_eq!(after(0, &[]).recheck, Some(noon() + TimeDelta::hours(1)));
    let late = after(60, &[]);
    assert_eq!(codes(&late), [Code::ApprovalNeeded, Code::ApprovalOverdue]);
    assert!(late.reasons[1].text.contains("(bob may)"), "{}", late.reasons[1]);
    assert_eq!(late.recheck, Some(noon() + TimeDelta::hours(3)));
    let later = after(180, &[]);
    assert_eq!(codes(&later), [Code::ApprovalNeeded, Code::ApprovalEscalated]);
    assert!(later.reasons[1].text.contains("members of bosses"), "{}", later.reasons[1]);
    assert!(later.reasons[0].text.contains("(bob, vera may)"), "{}", later.reasons[0]);
    assert_eq!(later.recheck, None);

    let early = [review(1, "vera", true)];
    assert_ne!(after(60, &early).outcome, Outcome::Pass, "she may not yet");
    let said = [Review { at: noon() + TimeDelta::hours(4), ..review(1, "vera", true) }];
    let passed = after(240, &said);
    assert_eq!((passed.outcome, passed.reasons.len()), (Outcome::Pass, 1));
}

#[test]
fn an_escalation_that_leads_nowhere_is_refused_when_it_is_read() {
    for (lines, fault) in [
        ("allowed_users = [\"a\"]\n escalate_after = \"1h\"", "needs both"),
        ("allowed_users = [\"a\"]\n escalate_to = [\"bosses\"]", "needs both"),
        ("escalate_after = \"1h\"\n escalate_to = [\"bosses\"]", "everybody may approve"),
    ] {
        let text = format!(
            "policy \"p\" {{\n approval {{\n {lines}\n }}\n}}\ngroup \"bosses\" {{ members = [\"v\"] }}"
        );
        let file = File { name: "a.hcl".to_owned(), text };
        let faults = read(&[file]).unwrap_err().to_string();
        assert!(faults.contains(fault), "{faults}");
    }
    // As with every group: it may be filled later, so it is told and not refused.
    let unknown = policies(
        "policy \"p\" {\n approval {\n allowed_users = [\"a\"]\n escalate_after = \"1h\"\n \
         escalate_to = [\"none\"]\n }\n}",
    );
    assert!(unknown.warnings[0].what.contains("\"none\""), "{:?}", unknown.warnings);
}
