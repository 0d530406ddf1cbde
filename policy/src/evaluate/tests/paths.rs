//! Every way a gate can be talked to, and that none passes what another denies.

use std::collections::BTreeMap;

use contracts::{Action, gate::GateStack, run::Delta};
use proptest::sample::select;

use super::*;
use crate::{
    call::{Answer, Call},
    fixtures::{request, stack},
    gate::Gate,
};

const GUARDED: &str = r#"
policy "hours" {
  schedule { allowed_hours = ["9-17"] }
}
policy "people" {
  approval {
    min_approvers    = 2
    allowed_groups   = ["admins"]
    no_self_approval = true
    expires          = "6h"
  }
}
group "admins" { members = ["alice", "bob", "carol", "dora"] }
person "bob" { also = ["UB0B"] }
person "dora" { also = ["UD0RA"] }
break_glass "oncall" {
  allowed_users = ["olga", "otto", "dora"]
  second_person = true
  expires       = "2h"
}
"#;

fn broken(number: u128, by: &str, minutes: i64) -> Review {
    let word = Word::Override { until: noon() + TimeDelta::minutes(minutes), whole_chain: false };
    Review { word, note: Some("it burns".to_owned()), ..review(number, by, true) }
}

#[test]
fn a_broken_glass_passes_over_what_holds_and_names_it() {
    let set = policies(&GUARDED.replace("second_person = true", "second_person = false"));
    let night = at("2026-11-20T20:00:00Z");
    let mut given = broken(1, "Olga", 600);
    given.at = night;
    let verdict = decide(&set, &prod(Moment::BeforeApply), &[given], night);
    assert_eq!(verdict.outcome, Outcome::Pass);
    assert_eq!(verdict.glass, Broken::Yes);
    assert_eq!(codes(&verdict), [Code::Overridden, Code::WindowClosed, Code::ApprovalNeeded]);
    assert_eq!(verdict.reasons[0].text, "Olga broke the glass: it burns");
}

#[test]
fn where_two_must_break_the_glass_one_is_not_enough_and_twice_the_same_is_one() {
    let set = policies(GUARDED);
    let ask = |reviews: &[Review]| decide(&set, &prod(Moment::BeforeApply), reviews, noon());
    let one = ask(&[broken(1, "olga", 60), broken(2, "@Olga", 60)]);
    assert_eq!(one.glass, Broken::WantsSecond);
    assert_eq!(one.outcome, Outcome::HoldForApprovals { given: 0, needed: 2 });
    assert!(one.reasons.iter().any(|reason| reason.text.contains("a second person must")));
    let two = ask(&[broken(1, "olga", 60), broken(2, "otto", 60)]);
    assert_eq!((two.outcome, two.glass), (Outcome::Pass, Broken::Yes));
    let late = [broken(1, "olga", 60), broken(2, "otto", 60)];
    let later = decide(&set, &prod(Moment::BeforeApply), &late, noon() + TimeDelta::minutes(60));
    assert_eq!(later.glass, Broken::No, "it has grown whole again");
    let stranger = ask(&[broken(1, "mallory", 60), broken(2, "alice", 60)]);
    assert_eq!(stranger.glass, Broken::No);
}

#[test]
fn nobody_passes_over_a_flat_no() {
    let set = policies(
        &[GUARDED, &DENY.replace("labels = [\"frozen:true\"]", "moment = \"before_apply\"")]
            .concat(),
    );
    let reviews = [broken(1, "olga", 60), broken(2, "otto", 60)];
    let verdict = decide(&set, &prod(Moment::BeforeApply), &reviews, noon());
    assert_eq!(verdict.outcome, Outcome::Deny);
    let rejected = [review(9, "carol", false), reviews[0].clone(), reviews[1].clone()];
    let verdict = decide(&policies(GUARDED), &prod(Moment::BeforeApply), &rejected, noon());
    assert_eq!(verdict.outcome, Outcome::Deny);
}

#[test]
fn a_glass_stays_broken_no_longer_than_a_block_allows_that_counts_it() {
    let set = policies(&format!(
        "{GUARDED}\nbreak_glass \"alone\" {{\n allowed_users = [\"olga\"]\n expires = \"30m\"\n}}"
    ));
    // What she may break with another for two hours, she may break alone for half an hour.
    let glass = |reviews: &[Review], minutes| {
        let now = noon() + TimeDelta::minutes(minutes);
        decide(&set, &prod(Moment::BeforeApply), reviews, now).glass
    };
    let olga = broken(1, "olga", 120);
    assert_eq!(glass(std::slice::from_ref(&olga), 29), Broken::Yes);
    assert_eq!(glass(std::slice::from_ref(&olga), 30), Broken::WantsSecond);
    let both = [olga, broken(2, "otto", 600)];
    assert_eq!((glass(&both, 119), glass(&both, 120)), (Broken::Yes, Broken::No));
}

#[test]
fn nobody_passes_over_the_no_of_a_hook_that_came_while_something_else_held() {
    let set = policies(&format!("{GUARDED}{HOOKS}"));
    let gate = prod(Moment::BeforeApply);
    let judged = |calls: &[Call]| {
        let reviews = [broken(1, "olga", 60), broken(2, "otto", 60)];
        judge(&set, &Case { calls, reviews: &reviews, ..Case::new(&gate, noon()) })
    };
    assert_eq!(judged(&[call("first", None, Silence::Deny)]).outcome, Outcome::Pass);
    assert_eq!(judged(&[call("first", Some(true), Silence::Deny)]).outcome, Outcome::Pass);
    let denied = judged(&[call("first", Some(false), Silence::Deny)]);
    assert_eq!(denied.outcome, Outcome::Deny);
    assert!(denied.reasons[0].text.ends_with("CHG1 (by desk)"), "{}", denied.reasons[0]);
}

const HOOKS: &str = r#"
hook "second" {
  on_silence = "pass"
  priority   = 20
  timeout    = "10s"
}
hook "first" {
  on_silence = "deny"
  priority   = 10
  timeout    = "30s"
}
"#;

fn call(hook: &str, answer: Option<bool>, silence: Silence) -> Call {
    let seconds = if hook == "first" { 30 } else { 10 };
    Call {
        hook: hook.to_owned(),
        asked_at: noon(),
        deadline: noon() + TimeDelta::seconds(seconds),
        on_silence: silence,
        answer: answer.map(|pass| Answer {
            cost_delta: None,
            pass,
            by: "desk".to_owned(),
            text: Some("CHG1".to_owned()),
            at: noon(),
        }),
    }
}

#[test]
fn hooks_are_asked_one_after_the_other_and_silence_means_what_is_stated() {
    let set = policies(HOOKS);
    let gate = prod(Moment::BeforeApply);
    let ask = |calls: &[Call], seconds: i64| {
        let now = noon() + TimeDelta::seconds(seconds);
        judge(&set, &Case { calls, asked_at: noon(), ..Case::new(&gate, now) })
    };
    let asked = ask(&[], 0);
    assert_eq!(asked.ask.unwrap().hook, "first");
    assert_eq!(asked.outcome, Outcome::HoldUntil { until: noon() + TimeDelta::seconds(30) });
    assert_eq!(asked.reasons[0].code, Code::WaitingForHook);
    let no = ask(&[call("first", Some(false), Silence::Deny)], 1);
    assert_eq!(no.outcome, Outcome::Deny);
    assert!(no.reasons[0].text.contains("CHG1 (by desk)"), "{}", no.reasons[0]);
    let next = ask(&[call("first", Some(true), Silence::Deny)], 1);
    assert_eq!(next.ask.unwrap().hook, "second");
    assert_eq!(next.reasons[0].code, Code::WaitingForHook, "what is missing says most");
    let silent = ask(&[call("first", None, Silence::Deny)], 30);
    assert_eq!(silent.outcome, Outcome::Deny);
    let both = [call("first", Some(true), Silence::Deny), call("second", None, Silence::Pass)];
    assert!(matches!(ask(&both, 9).outcome, Outcome::HoldUntil { .. }));
    assert_eq!(ask(&both, 10).outcome, Outcome::Pass);
}

#[test]
fn to_explain_a_gate_asks_no_hook() {
    let set = policies(&format!("{HOOKS}{APPROVAL}"));
    let gate = prod(Moment::BeforeApply);
    let told = |calls: &[Call]| {
        let case = Case { calls, asked_at: noon(), ..Case::new(&gate, noon()) };
        let lines = explain(&set, &case);
        lines.into_iter().find(|line| line.policy == "hook first").unwrap().text
    };
    let text = told(&[]);
    assert!(text.contains("once nothing else holds it; silence means deny"), "{text}");
    let text = told(&[call("first", None, Silence::Deny)]);
    assert!(text.contains("was asked about"), "{text}");
}

#[test]
fn a_yes_from_yesterday_is_asked_for_anew_and_a_no_stays() {
    let set = policies(HOOKS);
    let gate = prod(Moment::BeforeApply);
    let judged = |calls: &[Call], hours: i64| {
        let now = noon() + TimeDelta::hours(hours);
        judge(&set, &Case { calls, asked_at: noon(), ..Case::new(&gate, now) })
    };
    let yes = call("first", Some(true), Silence::Deny);
    let both = [yes.clone(), call("second", Some(true), Silence::Pass)];
    assert_eq!(judged(&both, 0).outcome, Outcome::Pass);
    assert_eq!(judged(&both, 16).ask.unwrap().hook, "first");
    let again = |hook: &str, answer| {
        let at = noon() + TimeDelta::hours(16);
        let mut call = call(hook, answer, Silence::Deny);
        (call.asked_at, call.deadline) = (at, at + TimeDelta::minutes(1));
        call.answer.iter_mut().for_each(|answer| answer.at = at);
        call
    };
    let [first, second] = both;
    let mut calls = vec![first, second, again("first", None)];
    assert!(matches!(judged(&calls, 16).outcome, Outcome::HoldUntil { .. }), "it was asked");
    calls[2] = again("first", Some(true));
    assert_eq!(judged(&calls, 16).ask.unwrap().hook, "second", "and so is the other");
    calls.push(again("second", Some(true)));
    assert_eq!(judged(&calls, 16).outcome, Outcome::Pass);
    assert_eq!(judged(&[call("first", Some(false), Silence::Deny)], 16).outcome, Outcome::Deny);

    let patient = HOOKS.replace("  priority   = 10", "  expires    = \"24h\"\n  priority   = 10");
    let patient = policies(&patient);
    let now = noon() + TimeDelta::hours(16);
    let later = judge(&patient, &Case { calls: &[yes], ..Case::new(&gate, now) });
    assert_eq!(later.ask.unwrap().hook, "second");
}

#[test]
fn hooks_are_asked_when_nothing_else_holds_it() {
    let set = policies(&[HOOKS, APPROVAL].concat());
    let gate = prod(Moment::BeforeApply);
    assert_eq!(decide(&set, &gate, &[], noon()).ask, None);
    let reviews = [review(1, "alice", true), review(2, "bob", true)];
    assert!(decide(&set, &gate, &reviews, noon()).ask.is_some());
}

fn some_words() -> impl Strategy<Value = Vec<(&'static str, Word, i64)>> {
    let until = noon() + TimeDelta::minutes(90);
    let word = select(vec![
        Word::Approve,
        Word::Approve,
        Word::Approve,
        Word::Reject,
        Word::Withdraw,
        Word::Override { until, whole_chain: false },
    ]);
    let by = select(vec!["alice", "bob", "UB0B", "@Carol", "Dora", "UD0RA", "eve", "olga", "otto"]);
    prop::collection::vec((by, word, 0i64..40), 0..9)
}

/// What must be true of whatever passes, said another way.
fn may_pass(reviews: &[Review], now: DateTime<Utc>) -> bool {
    let who = |name: &str| match name.trim_start_matches('@').to_lowercase().as_str() {
        "ub0b" => "bob".to_owned(),
        "ud0ra" => "dora".to_owned(),
        name => name.to_owned(),
    };
    let mut last: BTreeMap<String, &Review> = BTreeMap::new();
    let mut glass = std::collections::BTreeSet::new();
    for review in reviews {
        match review.word {
            // Until when they say, and for no longer than the block lets them.
            Word::Override { until, .. } if now < until.min(review.at + TimeDelta::hours(2)) => {
                glass.insert(who(&review.by));
            }
            Word::Override { .. } => {}
            _ => {
                last.insert(who(&review.by), review);
            }
        }
    }
    let rejected = last.values().any(|review| review.word == Word::Reject);
    let approvals = ["alice", "bob", "carol"].iter().filter(|name| {
        last.get(**name).is_some_and(|review| {
            review.word == Word::Approve && now < review.at + TimeDelta::hours(6)
        })
    });
    let hour = now.time().format("%H").to_string().parse::<u32>().unwrap();
    let is_open = (9..17).contains(&hour);
    let is_broken =
        ["olga", "otto", "dora"].iter().filter(|name| glass.contains(**name)).count() > 1;
    !rejected && ((approvals.count() >= 2 && is_open) || is_broken)
}

/// What guards whatever a chain is there for.
const EVERYWHERE: &str = r#"
policy "people" {
  match { action = ["deliver", "fix_drift", "destroy", "deregister"] }
  approval { min_approvers = 1 }
}
policy "calm" {
  budget {
    max_failures = 1
    within       = "1h"
  }
}
policy "fresh" {
  limits { max_plan_age = "4h" }
}
policy "small" {
  match { labels = ["small"] }
  limits { max_deleted = 2 }
}
policy "lab" {
  match { labels = ["env:lab"] }
  deregistration { on_code_gone = "destroy" }
}
policy "bar" {
  match {
    action = ["destroy", "deregister"]
    labels = ["keep"]
  }
  deny { reason = "it is kept" }
}
"#;

/// A chain on its way: what it is there for, and what its one stack is like.
#[derive(Debug, Clone)]
struct Way {
    action: Action,
    labels: Vec<&'static str>,
    autodeploy: bool,
    /// Every step is planned before any is applied, and asked about at once.
    plan_all: bool,
    deleted: i64,
    failures: Vec<i64>,
    approved: bool,
    /// How long each gate is held before anybody looks.
    minutes: [i64; 3],
}

fn some_ways() -> impl Strategy<Value = Way> {
    let action =
        select(vec![Action::Deliver, Action::FixDrift, Action::Destroy, Action::Deregister]);
    let labels = prop::collection::vec(select(vec!["env:lab", "keep", "env:prod", "small"]), 0..3);
    let failures = prop::collection::vec(0i64..90, 0..4);
    let minutes = prop::array::uniform3(0i64..300);
    let planned = (any::<bool>(), any::<bool>(), 0i64..5);
    (action, labels, planned, failures, any::<bool>(), minutes).prop_map(
        |(action, labels, (autodeploy, plan_all, deleted), failures, approved, minutes)| {
            // Whoever destroys is planned as one that shows no plan.
            let autodeploy = autodeploy || action.destroys();
            // What applies by itself cannot be held to a plan.
            let plan_all = plan_all && !autodeploy;
            Way { action, labels, autodeploy, plan_all, deleted, failures, approved, minutes }
        },
    )
}

impl Way {
    /// What must be true of whatever gets through all its gates, said another way.
    fn may_end(&self, asked_at: DateTime<Utc>, now: DateTime<Utc>) -> bool {
        let has = |label: &str| self.labels.contains(&label);
        let is_barred = self.action.destroys() && has("keep");
        let stays = self.action == Action::Deregister && !has("env:lab");
        let recent = self.failures.iter().filter(|minutes| {
            let at = noon() - TimeDelta::minutes(**minutes);
            now < at + TimeDelta::hours(1)
        });
        // What is planned as a whole is planned anew before it is applied.
        let is_old = !self.autodeploy && !self.plan_all && now - asked_at >= TimeDelta::hours(4);
        // Nobody knows what is deleted where no plan is shown.
        let is_large = has("small") && (self.autodeploy || self.deleted > 2);
        let is_held = is_barred || stays || is_large || is_old;
        !is_held && recent.count() <= 1 && self.approved
    }

    fn request(&self, moment: Moment) -> GateRequested {
        let failed = |minutes: &i64| contracts::gate::RecentFailure {
            chain: contracts::ChainId(Uuid::from_u128(5)),
            stack: "other".into(),
            space: "s".into(),
            labels: Vec::new(),
            path: None,
            at: noon() - TimeDelta::minutes(*minutes),
        };
        let stack = GateStack { autodeploy: self.autodeploy, ..stack("net", &self.labels) };
        let delta = Delta { added: 0, changed: 0, deleted: self.deleted };
        let delta = (moment == Moment::BeforeApply).then_some(delta);
        let plan = contracts::gate::StackPlan {
            stack: stack.stack.clone(),
            run: None,
            delta,
            unknown: None,
        };
        let with_all = self.plan_all && delta.is_some();
        GateRequested {
            action: self.action,
            delta,
            plans: with_all.then_some(plan).into_iter().collect(),
            failures: self.failures.iter().map(failed).collect(),
            ..request(moment, &[stack])
        }
    }

    /// Whether it gets through every gate of its way, each decided in steps or at once.
    fn ends(&self, set: &PolicySet, in_steps: bool) -> (bool, DateTime<Utc>, DateTime<Utc>) {
        let mut now = noon();
        let mut asked_at = now;
        let moments = [Moment::BeforeChain, Moment::BeforePlan, Moment::BeforeApply];
        // What applies by itself has no gate before its apply.
        let gates = moments.into_iter().zip(self.minutes);
        for (moment, minutes) in gates.take(if self.autodeploy { 2 } else { 3 }) {
            asked_at = now;
            let request = GateRequested { planned_at: Some(now), ..self.request(moment) };
            let mut gate = Gate::open(set, request.clone(), now);
            now += TimeDelta::minutes(minutes);
            if in_steps {
                gate.reconsider(set, now);
            }
            if self.approved && !gate.outcome.is_final() {
                let given = Review { at: now, ..review(1, "alice", true) };
                gate.reviews.push(given);
            }
            let passes = match gate.outcome.is_final() {
                true => gate.outcome == Outcome::Pass,
                false => judge(set, &gate.case(now)).outcome == Outcome::Pass,
            };
            if !passes {
                return (false, asked_at, now);
            }
        }
        (true, asked_at, now)
    }
}

proptest! {
    /// Whatever a chain is there for, and however its gates are decided: what gets through all of
    /// them was approved, is of a fresh plan, follows no row of failures, and destroys nothing that
    /// stays. No action is a way around what another is denied.
    #[test]
    fn no_action_passes_what_another_is_denied(way in some_ways()) {
        let set = policies(EVERYWHERE);
        for in_steps in [false, true] {
            let (ends, asked_at, now) = way.ends(&set, in_steps);
            if ends {
                prop_assert!(way.may_end(asked_at, now), "{way:?} ended at {now}");
            }
        }
        // The same question about another action is answered no milder where rules do not differ.
        for moment in [Moment::BeforePlan, Moment::BeforeApply] {
            let asked = way.request(moment);
            let here = decide(&set, &asked, &[], noon()).outcome;
            let other = GateRequested { action: Action::Deliver, ..asked };
            let there = decide(&set, &other, &[], noon()).outcome;
            if here == Outcome::Pass {
                prop_assert_eq!(there, Outcome::Pass, "{:?} at {}", way, moment);
            }
        }
    }

    /// Whoever says what, under whichever name, in whichever order, in steps or at once: what
    /// passes was approved by two of the admins who did not make the change, inside the window, or
    /// two of those who may broke the glass.
    #[test]
    fn no_path_passes_what_another_denies(words in some_words(), start in 0i64..1_400) {
        let set = policies(GUARDED);
        let begin = noon() + TimeDelta::minutes(start) - TimeDelta::hours(11);
        let mut gate = Gate::open(&set, prod(Moment::BeforeApply), begin);
        let mut now = begin;
        for (number, (by, word, minutes)) in words.into_iter().enumerate() {
            now += TimeDelta::minutes(minutes);
            gate.reconsider(&set, now);
            let mut given = Review { word, ..review(number as u128, by, true) };
            (given.at, given.note) = (now, Some("because".to_owned()));
            let before = gate.clone();
            if gate.review(&set, given, now).is_err() {
                prop_assert_eq!(&before, &gate, "what is refused changes nothing");
            }
            let may = may_pass(&gate.reviews, now);
            if before.outcome.is_final() {
                prop_assert_eq!(&before.outcome, &gate.outcome, "what is decided stays");
                break;
            }
            prop_assert_eq!(gate.outcome == Outcome::Pass, may, "{:?} at {}", gate.reviews, now);
            // All at once, as a service that starts anew sees it.
            let at_once = judge(&set, &gate.case(now));
            prop_assert_eq!(at_once.outcome.is_like(&gate.outcome), true);
        }
    }
}

#[test]
fn a_hook_is_asked_about_the_stacks_whose_code_names_it() {
    let set = policies(
        "hook \"quotas\" {\n  match {\n    labels = [\"stackly:hook=pre_plan:quotas\"]\n    \
         moment = \"before_plan\"\n  }\n  on_silence = \"deny\"\n}\n",
    );
    let asked = |moment: Moment, labels: &[&str]| {
        let gate = request(moment, &[stack("net-prod", labels)]);
        judge(&set, &Case::new(&gate, noon())).ask.map(|ask| ask.hook)
    };
    let named = ["stackly:hook=pre_plan:quotas"];
    assert_eq!(asked(Moment::BeforePlan, &named).as_deref(), Some("quotas"));
    assert_eq!(asked(Moment::BeforeApply, &named), None);
    assert_eq!(asked(Moment::BeforePlan, &["stackly:hook=pre_apply:quotas"]), None);
}
