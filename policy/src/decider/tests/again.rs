//! Gates that had passed and are asked again, because who asked had to wait.

use super::*;
use crate::commit_words::CommitWord;

impl Bench {
    /// Asks before the plan, for the `again`th time.
    fn ask_again(&mut self, again: usize) -> GateDecided {
        let request = GateRequested { again, ..prod(Moment::BeforePlan) };
        self.announced(Happening::Requested(request)).unwrap()
    }

    /// Says something at a pull request of the commit, which no gate is woken for.
    fn say_of_commit(&mut self, number: u128, by: &str, approve: bool) {
        let request = prod(Moment::BeforePlan);
        let word = CommitWord {
            repository: request.change.repository,
            pull_request: 7,
            commit: request.change.commit,
            review: Review { at: self.now, ..review(number, by, approve) },
            kept_at: self.now,
        };
        self.decider.commit_words.note(vec![word], self.now);
    }
}

#[test]
fn a_gate_asked_again_passes_behind_the_glass_of_its_chain_that_was_broken_meanwhile() {
    let mut bench = Bench::new(
        "policy \"day\" {\n match { moment = \"before_plan\" }\n \
         schedule { allowed_hours = [\"9-17\"] }\n action { on_violation = \"deny\" }\n}\n\
         break_glass \"oncall\" { allowed_users = [\"olga\"] }\n",
    );
    assert_eq!(bench.ask_again(0).outcome, Outcome::Pass);
    bench.now += TimeDelta::hours(9);
    let until = bench.now + TimeDelta::hours(1);
    let broken = Review {
        word: Word::Override { until, whole_chain: true },
        note: Some("it burns".to_owned()),
        at: bench.now,
        ..review(1, "olga", true)
    };
    let glass = ChainGlass { chain: prod(Moment::BeforePlan).chain, review: broken };
    *bench.decider.glass.write().unwrap() = Arc::new(vec![glass]);
    let passed = bench.ask_again(1);
    assert_eq!((passed.revision, &passed.outcome), (2, &Outcome::Pass), "{:?}", passed.reasons);
    assert_eq!(passed.reasons[0].code, Code::Overridden);
    bench.now = until;
    assert_eq!(bench.ask_again(2).outcome, Outcome::Deny, "it has grown whole again");
}

#[test]
fn a_gate_asked_again_hears_who_said_no_to_its_code_meanwhile_and_may() {
    let people = "policy \"people\" {\n match { moment = \"before_plan\" }\n approval {\n \
                  allowed_users = [\"ann\", \"ben\"]\n }\n}\n";
    let program =
        "rego \"count\" {\n file = \"count.rego\"\n match { moment = \"before_plan\" }\n}\n";
    let count = "package spacelift\nimport rego.v1\n\
                 approve if count(input.reviews.current.approvals) > 0\n";
    // Where a program alone asks for people, whoever says no is heard.
    let program = [("a.hcl", program), ("count.rego", count)];
    for (files, hears_eve) in [(&[("a.hcl", people)][..], false), (&program, true)] {
        let mut bench = Bench::of(files);
        bench.ask_again(0);
        bench.say_of_commit(1, "ann", true);
        let due = Happening::Due(prod(Moment::BeforePlan).gate);
        assert_eq!(bench.announced(due).unwrap().outcome, Outcome::Pass);
        bench.say_of_commit(2, "eve", false);
        let asked = bench.ask_again(1);
        assert_eq!((asked.outcome == Outcome::Deny, asked.revision), (hears_eve, 3));
        bench.say_of_commit(3, "ben", false);
        let denied = bench.ask_again(2);
        assert_eq!((denied.outcome, denied.revision), (Outcome::Deny, 4));
    }
}

#[test]
fn who_says_no_to_the_code_is_heard_also_after_whoever_says_yes() {
    let mut bench =
        Bench::new("policy \"people\" {\n match { moment = \"before_plan\" }\n approval {}\n}\n");
    bench.say_of_commit(1, "ann", true);
    bench.say_of_commit(2, "ben", false);
    assert_eq!(bench.ask_again(0).outcome, Outcome::Deny);
}

#[test]
fn people_have_their_time_again_when_a_gate_asks_again_for_an_approval_that_expired() {
    let mut bench = Bench::new(
        "policy \"people\" {\n match { moment = \"before_plan\" }\n approval {\n \
         expires = \"4h\"\n deny_after = \"8h\"\n remind_after = \"2h\"\n escalate_after = \"1h\"\n \
         escalate_to = [\"bosses\"]\n allowed_users = [\"ann\"]\n }\n}\n\
         group \"bosses\" { members = [\"vera\"] }\n",
    );
    bench.ask_again(0);
    bench.now += TimeDelta::minutes(90);
    bench.say_of_commit(1, "vera", true);
    let due = || Happening::Due(prod(Moment::BeforePlan).gate);
    assert_eq!(bench.announced(due()).unwrap().outcome, Outcome::Pass);
    bench.now += TimeDelta::minutes(10);
    assert_eq!(bench.ask_again(1).outcome, Outcome::Pass, "who was asked late still may");

    bench.now = noon() + TimeDelta::hours(9);
    let request = GateRequested { again: 2, ..prod(Moment::BeforePlan) };
    let told = bench.decide(Happening::Requested(request)).unwrap();
    let held: GateDecided = serde_json::from_value(told.last().unwrap().body.clone()).unwrap();
    assert_eq!(held.outcome, Outcome::HoldForApprovals { given: 0, needed: 1 });
    assert_eq!(told[0].kind, GateReminded::TYPE, "they are told anew");
    bench.now += TimeDelta::hours(8);
    assert_eq!(bench.announced(due()).unwrap().reasons[0].code, Code::ApprovalLapsed);
}
