use std::fs;

use chrono::TimeDelta;
use contracts::{
    Message, Trace,
    gate::{GateDecided, GateReminded, Moment, Outcome},
};
use tempfile::TempDir;

use super::*;
use crate::fixtures::{at, noon, prod, review};

const GUARDED: &str = r#"
policy "night" {
  schedule { allowed_hours = ["22-6"] }
}
policy "people" {
  approval { min_approvers = 2 }
}
"#;

/// A decider with one gate, driven without a database.
struct Bench {
    folder: TempDir,
    decider: GateDecider,
    state: Option<StoredGate>,
    now: DateTime<Utc>,
    happened: u128,
}

mod again;
mod paths;

impl Bench {
    fn new(policies: &str) -> Self {
        Self::of(&[("a.hcl", policies)])
    }

    fn of(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let library = Arc::new(Library::open(folder.path(), noon()).unwrap());
        let decider = GateDecider::new(library);
        Self { folder, decider, state: None, now: noon(), happened: 0 }
    }

    fn decide(&mut self, body: Happening) -> Result<Vec<Outgoing>, Refusal> {
        self.happened += 1;
        let trace = Some(Trace(format!("trace-{}", self.happened)));
        let (id, named) = (Uuid::from_u128(self.happened), ("test", "gate"));
        let envelope = Envelope::first("test", id, named, self.now, body)
            .within(Uuid::from_u128(1000 + self.happened), trace);
        Ok(self.decider.decide(&mut self.state, &envelope, self.now)?.answers)
    }

    fn announced(&mut self, body: Happening) -> Option<GateDecided> {
        let woken = matches!(body, Happening::Due(_));
        let mut answers = self.decide(body).unwrap();
        assert!(answers.len() <= 1);
        let answer = answers.pop()?;
        assert_eq!(answer.kind, GateDecided::TYPE);
        assert_eq!(answer.correlation, Some(Uuid::from_u128(1001)), "the story of the question");
        assert_eq!(answer.trace, woken.then(|| Trace("trace-1".to_owned())));
        Some(serde_json::from_value(answer.body).unwrap())
    }

    fn ask(&mut self) -> Option<GateDecided> {
        self.announced(Happening::Requested(prod(Moment::BeforeApply)))
    }

    fn write(&self, text: &str) {
        fs::write(self.folder.path().join("a.hcl"), text).unwrap();
        self.decider.library.look(self.now);
        self.decider.library.look(self.now);
    }

    fn say(&mut self, number: u128, by: &str, approve: bool) -> Option<GateDecided> {
        let gate = prod(Moment::BeforeApply).gate;
        let review = review(number, by, approve);
        self.announced(Happening::Reviewed(Reviewed { gate, review }))
    }

    fn wake(&mut self) -> Option<GateDecided> {
        let due = self.decider.wake(prod(Moment::BeforeApply).gate.0).unwrap();
        self.announced(due)
    }
}

#[test]
fn a_gate_is_held_reviewed_woken_and_passes() {
    let mut bench = Bench::new(GUARDED);
    let held = bench.ask().unwrap();
    let opening = at("2026-11-20T22:00:00Z");
    assert_eq!((held.revision, held.outcome), (1, Outcome::HoldUntil { until: opening }));
    assert_eq!(bench.decider.wake_at(&bench.state), Some(opening));

    assert_eq!(bench.say(1, "alice", true).unwrap().revision, 2);
    bench.now = opening;
    let asks = bench.wake().unwrap();
    assert_eq!(asks.outcome, Outcome::HoldForApprovals { given: 1, needed: 2 });
    assert_eq!(bench.decider.wake_at(&bench.state), None);

    let passed = bench.say(2, "bob", true).unwrap();
    assert_eq!((passed.revision, passed.outcome), (4, Outcome::Pass));
    assert_eq!(bench.wake(), None);
    assert_eq!(bench.say(3, "carol", false), None, "it is decided for good");
}

/// Counts and logs stay true however often a batch is decided until it is committed.
#[test]
fn what_is_counted_and_logged_of_a_decision_waits_until_it_is_committed() {
    let night = "policy \"night\" {\n schedule { allowed_hours = [\"22-6\"] }\n}\n\
                 break_glass \"oncall\" {\n allowed_users = [\"olga\"]\n}";
    let mut bench = Bench::new(night);
    let nothing = tempfile::tempdir().unwrap();
    let on_trial = Arc::new(Library::open(nothing.path(), noon()).unwrap());
    bench.decider = GateDecider::with_shadow(bench.decider.library.clone(), Some(on_trial));
    bench.ask();
    let until = noon() + TimeDelta::hours(1);
    let review = Review {
        word: Word::Override { until, whole_chain: false },
        note: Some("it burns".to_owned()),
        ..review(1, "olga", true)
    };
    let gate = prod(Moment::BeforeApply).gate;
    let told = bench.decide(Happening::Reviewed(Reviewed { gate, review })).unwrap();
    assert_eq!(told.len(), 2, "that it is broken, and that the gate passes");
    let left = &bench.state.as_ref().unwrap().afterwards;
    let [Afterwards::Tried(false), Afterwards::Overridden(broken), Afterwards::Tried(true)] =
        left.as_slice()
    else {
        panic!("{left:?}")
    };
    assert_eq!(broken.by, "olga");
    let state = bench.state.take();
    bench.decider.committed(vec![(gate.0, state, true)]);
}

#[test]
fn a_question_asked_again_gets_the_same_answer_and_decides_nothing() {
    let mut bench = Bench::new(GUARDED);
    let first = bench.ask();
    bench.now += TimeDelta::days(30);
    assert_eq!(bench.ask(), first);
    bench.say(1, "alice", false);
    let denied = bench.ask().unwrap();
    assert_eq!((denied.revision, denied.outcome), (2, Outcome::Deny));
}

#[test]
fn a_gate_asked_about_something_else_is_a_dead_letter() {
    let mut bench = Bench::new(GUARDED);
    bench.ask();
    let mut other = prod(Moment::BeforeApply);
    other.change.commit = "another".into();
    let before = bench.state.clone();
    let refused = bench.decide(Happening::Requested(other)).unwrap_err();
    assert!(matches!(refused, Refusal::Never { text, .. } if text.contains("another commit")));
    assert_eq!(bench.state, before);
}

#[test]
fn reviews_and_wake_ups_of_unknown_gates_do_nothing() {
    let mut bench = Bench::new(GUARDED);
    assert_eq!(bench.say(1, "alice", true), None);
    assert_eq!(bench.wake(), None);
    assert_eq!(bench.state, None);
}

#[test]
fn what_waits_is_decided_by_new_policies_and_what_is_decided_is_not() {
    let mut bench = Bench::new(GUARDED);
    bench.ask();
    bench.write("policy \"people\" {\n  approval {}\n}\n");
    let asked = bench.wake().unwrap();
    assert_eq!(asked.outcome, Outcome::HoldForApprovals { given: 0, needed: 1 });
    assert_eq!(asked.policy_digest, bench.decider.library.current().digest);
    assert_eq!(bench.wake(), None);

    bench.say(1, "alice", true);
    bench.write(
        "policy \"no\" {\n  match { moment = \"before_apply\" }\n  deny { reason = \"no\" }\n}\n",
    );
    assert_eq!(bench.wake(), None);
    assert_eq!(bench.ask().unwrap().outcome, Outcome::Pass);
}

#[test]
fn new_policies_take_back_what_was_cleared_and_give_it_again() {
    let mut bench = Bench::new("");
    let passed = bench.announced(Happening::Requested(prod(Moment::BeforeChain))).unwrap();
    assert_eq!(passed.clearance.as_ref().unwrap().asked, []);
    assert_eq!(bench.wake(), None, "nothing is new");

    bench.write("policy \"people\" {\n  approval {}\n}\n");
    bench.now += TimeDelta::hours(1);
    let taken = bench.wake().unwrap();
    assert_eq!((taken.revision, &taken.outcome), (2, &Outcome::Pass));
    let clearance = taken.clearance.as_ref().unwrap();
    assert_eq!(clearance.asked[0].moments, [Moment::BeforeApply]);
    assert_eq!(clearance.until, passed.clearance.unwrap().until);
    assert_eq!(taken.policy_digest, bench.decider.library.current().digest);
    assert_eq!(bench.wake(), None);

    bench.write("");
    assert_eq!(bench.wake().unwrap().clearance.unwrap().asked, []);
    bench.write("policy \"people\" {\n  approval {}\n}\n");
    bench.now += TimeDelta::days(1);
    assert_eq!(bench.wake(), None, "it holds no more");
}

#[test]
fn who_is_waited_for_by_nobody_is_reminded_of_nothing_and_passes_nothing() {
    let asked = "policy \"people\" {\n approval {\n remind_after = \"4h\"\n }\n}\n";
    let mut bench = Bench::new(asked);
    bench.ask();
    assert!(bench.decider.wake_at(&bench.state).is_some());
    bench.state.as_mut().unwrap().is_outdated = true;
    assert_eq!(bench.wake(), None);
    assert_eq!(bench.decider.wake_at(&bench.state), None);
    bench.state.as_mut().unwrap().is_outdated = false;
    bench.now += TimeDelta::hours(5);
    assert_eq!(bench.decide(Happening::Due(prod(Moment::BeforeApply).gate)).unwrap(), []);
    assert_eq!(bench.say(1, "alice", true), None);
    // Who asks again waits for it after all.
    let told = bench.decide(Happening::Requested(prod(Moment::BeforeApply))).unwrap();
    let kinds: Vec<&str> = told.iter().map(|answer| answer.kind).collect();
    assert_eq!(kinds, [GateReminded::TYPE, GateDecided::TYPE]);
    assert_eq!(bench.say(2, "alice", true).unwrap().outcome, Outcome::Pass);
}

/// What people are reminded of, as policy and code.
fn reminded(bench: &mut Bench, after: TimeDelta) -> Vec<String> {
    bench.now += after;
    let answers = bench.decide(Happening::Due(prod(Moment::BeforeApply).gate)).unwrap();
    let reminders = answers.into_iter().filter(|answer| answer.kind == GateReminded::TYPE);
    let reminders = reminders.map(|answer| {
        let told: GateReminded = serde_json::from_value(answer.body).unwrap();
        format!("{} {}", told.policy.unwrap(), told.reason.code)
    });
    reminders.collect()
}

#[test]
fn what_was_due_while_the_window_was_closed_is_told_when_it_opens() {
    let mut bench = Bench::new(
        "policy \"hours\" {\n schedule { allowed_hours = [\"22-6\"] }\n}\n\
         policy \"slow\" {\n approval {\n allowed_users = [\"ann\"]\n remind_after = \"4h\"\n \
         escalate_after = \"8h\"\n escalate_to = [\"bosses\"]\n }\n}\n\
         group \"bosses\" { members = [\"vera\"] }\n",
    );
    bench.ask();
    assert_eq!(reminded(&mut bench, TimeDelta::hours(5)), [""; 0], "nobody could go on");
    assert_eq!(reminded(&mut bench, TimeDelta::hours(6)), ["slow approval_escalated"]);
    assert_eq!(reminded(&mut bench, TimeDelta::hours(1)), [""; 0], "it is told once");
}

#[test]
fn each_policy_reminds_for_itself() {
    let slow = |name: &str, hours: u32| {
        format!("policy \"{name}\" {{\n approval {{\n remind_after = \"{hours}h\"\n }}\n}}\n")
    };
    let mut bench = Bench::new(&[slow("first", 1), slow("second", 2)].concat());
    bench.ask();
    assert_eq!(reminded(&mut bench, TimeDelta::hours(1)), ["first approval_overdue"]);
    assert_eq!(reminded(&mut bench, TimeDelta::hours(1)), ["second approval_overdue"]);
    assert_eq!(reminded(&mut bench, TimeDelta::hours(1)), [""; 0]);
}

/// Whatever order, repetition and lateness, and whenever it is woken: revisions rise by one, a
/// final answer stays, and nothing passes without two approvals inside the window.
#[test]
fn no_order_of_events_lets_anything_through() {
    let people = ["alice", "bob", "Dora"];
    for seed in 0u64..3000 {
        let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut next = move |below: u64| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random % below
        };
        let mut bench = Bench::new(GUARDED);
        let mut last: Option<GateDecided> = None;
        let mut yes = std::collections::BTreeSet::new();
        // Its story begins with the question, which comes first under its key.
        for step in 0..12 {
            bench.now += TimeDelta::minutes(i64::try_from(next(600)).unwrap());
            let happening = if step == 0 { 0 } else { next(4) };
            let announced = match happening {
                0 => bench.ask(),
                1 => bench.wake(),
                _ => {
                    let who = usize::try_from(next(3)).unwrap();
                    let approve = next(8) > 0;
                    if approve && !last.as_ref().unwrap().outcome.is_final() {
                        yes.insert(people[who]);
                    }
                    bench.say(u128::from(next(6)), people[who], approve)
                }
            };
            let Some(announced) = announced else { continue };
            if let Some(last) = &last {
                let repeated = announced == *last;
                assert!(repeated || announced.revision == last.revision + 1, "seed {seed}");
                assert!(repeated || !last.outcome.is_final(), "seed {seed}");
            }
            let first_pass =
                announced.outcome == Outcome::Pass && last.as_ref() != Some(&announced);
            if first_pass {
                let hour = chrono::Timelike::hour(&bench.now);
                assert!(!(6..22).contains(&hour) && yes.len() >= 2, "seed {seed}: {announced:?}");
            }
            last = Some(announced);
        }
    }
}
