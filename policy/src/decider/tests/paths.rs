//! Everything that can be said about a gate, on every way it can be said: what passes has what is
//! asked for, said another way.

use std::collections::{BTreeMap, BTreeSet};

use proptest::{prelude::*, sample::select};

use super::*;
use crate::{
    call::{Answer, Call},
    commit_words::CommitWord,
    gate::Gate,
    review::{Review, Word},
    store::ChainGlass,
};

const POLICIES: &str = r#"
policy "people" {
  match { moment = "before_plan" }
  approval {
    min_approvers    = 2
    allowed_groups   = ["admins"]
    no_self_approval = true
    expires          = "6h"
    escalate_after   = "2h"
    escalate_to      = ["managers"]
  }
}
rego "security" {
  file  = "security.rego"
  match { moment = "before_plan" }
}
hook "desk" {
  match { moment = "before_plan" }
  on_silence = "deny"
  timeout    = "30m"
}
group "admins" {
  members = ["alice", "bob", "carol", "dora"]
  claims  = ["eng-admins"]
}
group "security" {
  members = ["alice"]
  claims  = ["eng-security"]
}
group "managers" { members = ["mo"] }
person "bob" { also = ["UB0B", "bob@acme.example", "slack:UB0B"] }
person "dora" { also = ["UD0RA", "slack:UD0RA"] }
delegate "carol" {
  to    = ["eve"]
  from  = "2026-11-20T12:00:00Z"
  until = "2026-11-20T14:00:00Z"
}
break_glass "oncall" {
  allowed_users = ["olga", "otto", "dora"]
  second_person = true
  expires       = "2h"
}
"#;
const SECURITY: &str = "package spacelift\nimport rego.v1\n\
                        approve if \"security\" in input.reviews.current.approvals[_].session.teams\n";

/// On which way something is said.
#[derive(Debug, Clone, Copy)]
enum Way {
    /// Of the gate, with what an issuer of identities says of them.
    Gate,
    /// Of the commit, at its pull request.
    Commit,
    /// Of the whole chain, at another gate of it.
    Chain,
}

#[derive(Debug, Clone)]
struct Said {
    way: Way,
    by: &'static str,
    word: Word,
    groups: Vec<&'static str>,
    minutes: i64,
}

fn some_things_said() -> impl Strategy<Value = Vec<Said>> {
    let way = select(vec![Way::Gate, Way::Gate, Way::Gate, Way::Commit, Way::Chain]);
    let by = select(vec![
        "alice",
        "alice",
        "UB0B",
        "bob@acme.example",
        "@Carol",
        "Dora",
        "UD0RA",
        "eve",
        "mo",
        "olga",
        "otto",
        "zoe",
        "slack:U7",
        "slack:U8",
        "slack:UB0B",
    ]);
    let approve = Word::Approve;
    let word = select(vec![approve, approve, approve, approve, Word::Reject, Word::Withdraw]);
    let groups = select(vec![
        vec![],
        vec![],
        vec!["eng-admins"],
        vec!["eng-security"],
        vec!["eng-admins", "eng-security"],
    ]);
    let said = (way, by, word, groups, 0i64..70).prop_map(|(way, by, word, groups, minutes)| {
        let is_glass = matches!(way, Way::Chain) || matches!(by, "olga" | "otto");
        // A word about the commit carries no groups and breaks no glass; until when the glass is
        // broken is known when it is said.
        let breaks = Word::Override { until: noon(), whole_chain: matches!(way, Way::Chain) };
        let word = if is_glass && !matches!(way, Way::Commit) { breaks } else { word };
        let groups = if matches!(way, Way::Gate) { groups } else { Vec::new() };
        Said { way, by, word, groups, minutes }
    });
    prop::collection::vec(said, 0..9)
}

fn who(name: &str) -> String {
    match name.trim_start_matches('@').to_lowercase().as_str() {
        "ub0b" | "bob@acme.example" | "slack:ub0b" => "bob".to_owned(),
        "ud0ra" => "dora".to_owned(),
        name => name.to_owned(),
    }
}

/// Who made the change, besides Dora.
fn some_authors() -> impl Strategy<Value = Vec<&'static str>> {
    select(vec![vec![], vec![], vec!["alice"], vec!["UB0B"], vec!["Carol"], vec!["slack:U7"]])
}

fn is_known_to_slack(name: &str) -> bool {
    matches!(name, "bob" | "dora") || name.starts_with("slack:")
}

/// Whom policies know, or those whom Slack knows, if they are more: some may be the same.
fn surely_different<'a>(said: Vec<(&'a str, &'a Review)>) -> Vec<(&'a str, &'a Review)> {
    let of_slack = said.iter().filter(|(name, _)| is_known_to_slack(name)).copied().collect();
    let known = said.iter().filter(|(name, _)| !name.starts_with("slack:")).copied().collect();
    let (of_slack, known): (Vec<_>, Vec<_>) = (of_slack, known);
    if of_slack.len() > known.len() { of_slack } else { known }
}

/// What must be true of whatever passes.
fn may_pass(gate: &Gate, asked_at: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    let reviews = &gate.reviews;
    let authors: BTreeSet<String> = gate.request.change.authors.iter().map(|it| who(it)).collect();
    let mut last: BTreeMap<String, &Review> = BTreeMap::new();
    let mut glass = BTreeSet::new();
    for review in reviews {
        match review.word {
            Word::Override { until, .. } if review.at <= now && now < until => {
                glass.insert(who(&review.by));
            }
            Word::Override { .. } => {}
            _ => {
                last.insert(who(&review.by), review);
            }
        }
    }
    let claims = |review: &Review, claim: &str| review.groups.iter().any(|group| group == claim);
    let stood_in = |review: &Review| {
        (at("2026-11-20T12:00:00Z")..at("2026-11-20T14:00:00Z")).contains(&review.at)
    };
    let is_admin = |name: &str, review: &Review| match name {
        "dora" => false,
        name if authors.contains(name) => false,
        "alice" | "bob" | "carol" => true,
        // Nobody stands in for somebody who made the change.
        "eve" => (stood_in(review) && !authors.contains("carol")) || claims(review, "eng-admins"),
        "mo" => now >= asked_at + TimeDelta::hours(2) || claims(review, "eng-admins"),
        _ => claims(review, "eng-admins"),
    };
    let approvals: Vec<(&str, &Review)> = last
        .iter()
        .filter(|(_, review)| review.word == Word::Approve)
        .map(|(name, review)| (name.as_str(), *review))
        .collect();
    let fresh = |review: &Review| now < review.at + TimeDelta::hours(6);
    let mut of_admins = approvals.clone();
    of_admins.retain(|(name, review)| is_admin(name, review) && fresh(review));
    let of_admins = surely_different(of_admins).len();
    let of_security = surely_different(approvals)
        .iter()
        .any(|(name, review)| *name == "alice" || claims(review, "eng-security"));
    let is_rejected = last.values().any(|review| review.word == Word::Reject);
    let broken = ["olga", "otto", "dora"].iter().filter(|name| glass.contains(**name)).count();
    let said = gate.calls.last().and_then(|call| call.answer.as_ref()).map(|answer| answer.pass);
    let is_denied = is_rejected || said == Some(false);
    let is_approved = of_admins >= 2 && of_security && said == Some(true);
    !is_denied && (broken > 1 || is_approved)
}

impl Bench {
    /// The hook answers, if it was asked and has not.
    fn answer(&mut self, pass: bool) {
        let gate = &self.state.as_ref().unwrap().gate;
        let is_open = |call: &Call| call.answer.is_none() && self.now < call.deadline;
        if gate.outcome.is_final() || !gate.calls.last().is_some_and(is_open) {
            return;
        }
        let (by, at) = ("desk".to_owned(), self.now);
        let answer = Answer { pass, by, text: None, cost_delta: None, at };
        let answered = Answered { gate: gate.request.gate, hook: "desk".to_owned(), answer };
        self.decide(Happening::Answered(answered)).unwrap();
    }

    /// Says something on its way. The gate hears it now or when it is woken.
    fn hear(&mut self, number: u128, said: &Said) {
        let request = prod(Moment::BeforePlan);
        let word = match said.word {
            Word::Override { whole_chain, .. } => {
                Word::Override { until: self.now + TimeDelta::minutes(90), whole_chain }
            }
            word => word,
        };
        let review = Review {
            by: said.by.to_owned(),
            groups: said.groups.iter().map(|group| (*group).to_owned()).collect(),
            word,
            note: Some("because".to_owned()),
            at: self.now,
            ..review(number, said.by, true)
        };
        match said.way {
            Way::Gate => {
                let said = Reviewed { gate: request.gate, review };
                self.decide(Happening::Reviewed(said)).unwrap();
            }
            Way::Commit => {
                let word = CommitWord {
                    repository: request.change.repository.clone(),
                    pull_request: 7,
                    commit: request.change.commit,
                    review,
                    kept_at: self.now,
                };
                self.decider.commit_words.note(vec![word], self.now);
            }
            Way::Chain => {
                let glass = ChainGlass { chain: request.chain, review };
                let mut known = self.decider.glass.write().unwrap();
                *known = Arc::new(known.iter().cloned().chain([glass]).collect());
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Whoever says what, under whichever name, with whichever groups, of the gate, of its commit or
    /// of its chain, before it is asked or after, whoever made the change and whatever a hook says,
    /// if it says anything: it passes exactly when what is asked for is there.
    #[test]
    fn no_way_of_saying_something_passes_what_another_denies(
        said in some_things_said(),
        before in 0usize..4,
        authors in some_authors(),
        hook in select(vec![Some(true), Some(true), Some(true), Some(false), None]),
    ) {
        let mut asked = prod(Moment::BeforePlan);
        asked.change.authors = authors.into_iter().map(str::to_owned).collect();
        let files = [("a.hcl", POLICIES), ("security.rego", SECURITY)];
        let mut bench = Bench::of(&files);
        let mut asked_at = None;
        for (number, said) in said.iter().enumerate() {
            // What comes before the question can be said of the commit or of the chain alone.
            if number >= before && asked_at.is_none() {
                asked_at = Some(bench.now);
                bench.decide(Happening::Requested(asked.clone())).unwrap();
            }
            bench.now += TimeDelta::minutes(said.minutes);
            let Some(asked_at) = asked_at else {
                if !matches!(said.way, Way::Gate) {
                    bench.hear(number as u128 + 1, said);
                }
                continue;
            };
            let due = || Happening::Due(asked.gate);
            bench.decide(due()).unwrap();
            let was = bench.state.as_ref().unwrap().gate.outcome.clone();
            bench.hear(number as u128 + 1, said);
            bench.decide(due()).unwrap();
            if let Some(pass) = hook {
                bench.answer(pass);
            }
            let gate = &bench.state.as_ref().unwrap().gate;
            if was.is_final() {
                prop_assert_eq!(&was, &gate.outcome, "what is decided stays");
                break;
            }
            // Whom only Slack knows may be whoever made it, unless Slack knows all of them.
            let mut authors = asked.change.authors.iter().map(|author| who(author));
            let is_told = authors.all(|author| is_known_to_slack(&author));
            let mut approvals = gate.reviews.iter().filter(|it| it.word == Word::Approve);
            let is_of_slack = |by: &str| who(by).starts_with("slack:");
            prop_assert!(is_told || !approvals.any(|it| is_of_slack(&it.by)), "{:?}", gate.reviews);
            let may = may_pass(gate, asked_at, bench.now);
            let passes = gate.outcome == Outcome::Pass;
            prop_assert_eq!(passes, may, "{:?} at {}: {:?}", gate.reviews, bench.now, gate.reasons);
        }
    }
}
