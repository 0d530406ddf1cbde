//! Chains at once.

use contracts::{ChainId, Code, GateId, chain::ChainKind, gate::Moment};

use super::*;
use crate::{evaluate::crowd::crowds, fixtures::stack};

fn one_at_a_time(more: &str) -> PolicySet {
    policies(&format!(
        "policy \"calm\" {{\n match {{ labels = [\"env:prod\"] }}\n limits {{ max_concurrent = 1 \
         }}\n{more}}}\n"
    ))
}

fn chain(number: u128, label: &str) -> GateRequested {
    let request = crate::fixtures::request(Moment::BeforeChain, &[stack("net", &[label])]);
    let (gate, chain) = (GateId(Uuid::from_u128(number)), ChainId(Uuid::from_u128(number)));
    GateRequested { gate, chain, ..request }
}

fn comer(number: u128, label: &str, is_under_way: bool) -> Comer {
    Comer { request: chain(number, label), calls: Vec::new(), is_under_way }
}

fn with(set: &PolicySet, request: &GateRequested, crowds: Crowds<'_>) -> Verdict {
    judge(set, &Case { crowds, ..Case::new(request, noon()) })
}

#[test]
fn a_chain_waits_for_those_before_it_and_names_them() {
    let set = one_at_a_time("");
    let comers = [comer(1, "env:prod", true), comer(2, "env:prod", false)];
    let seen = crowds(&set, &comers, noon());
    let crowd = &seen[&GateId(Uuid::from_u128(2))];
    let verdict = with(&set, &comers[1].request, Crowds::seen(Some(crowd)));
    assert_eq!(verdict.outcome, Outcome::HoldUntil { until: never() });
    assert_eq!((verdict.place, verdict.recheck), (Some(Place::Waiting), None));
    let reason = &verdict.reasons[0];
    assert_eq!(reason.code, Code::ChainsAhead);
    let first = comers[0].request.chain;
    let wanted = format!(
        "policy calm on net: 1 chain comes before it ({first}), and 1 may be under way at once; it \
         goes on by itself when its turn comes"
    );
    assert_eq!(reason.text, wanted);
}

#[test]
fn whose_turn_it_is_goes_on_and_counts() {
    let set = one_at_a_time("");
    let alone = crowds(&set, &[comer(2, "env:prod", false)], noon());
    let crowd = &alone[&GateId(Uuid::from_u128(2))];
    let verdict = with(&set, &chain(2, "env:prod"), Crowds::seen(Some(crowd)));
    assert_eq!((verdict.outcome, verdict.place), (Outcome::Pass, Some(Place::Taken)));
}

#[test]
fn who_waits_keeps_its_turn_and_what_the_policy_is_not_about_does_not_count() {
    let set = one_at_a_time("");
    let comers = [
        comer(1, "env:lab", true),
        comer(2, "env:prod", false),
        comer(3, "env:prod", false),
        comer(4, "env:prod", false),
    ];
    let seen = crowds(&set, &comers, noon());
    let ahead = |number: u128| seen[&GateId(Uuid::from_u128(number))][0].ahead();
    assert_eq!([2, 3, 4].map(ahead), [0, 1, 2]);
    let lab = with(&set, &chain(1, "env:lab"), Crowds::UNSEEN);
    assert_eq!((lab.outcome, lab.place), (Outcome::Pass, None));
    let preview = GateRequested { kind: ChainKind::Preview, ..chain(1, "env:prod") };
    assert_eq!(with(&set, &preview, Crowds::UNSEEN).place, None);
    // Steps of a chain that goes on are no chains.
    let plan = GateRequested { moment: Moment::BeforePlan, ..chain(1, "env:prod") };
    assert_eq!(with(&set, &plan, Crowds::UNSEEN).place, None);
}

#[test]
fn nobody_has_a_turn_who_waits_for_something_else() {
    let set = policies(
        "policy \"calm\" {\n limits { max_concurrent = 1 }\n}\npolicy \"people\" {\n match { \
         moment = \"before_chain\" }\n approval { min_approvers = 1 }\n}\n",
    );
    let verdict = with(&set, &chain(1, "env:prod"), Crowds::UNSEEN);
    assert_eq!(verdict.outcome, Outcome::HoldForApprovals { given: 0, needed: 1 });
    assert_eq!(verdict.place, None);
    assert_eq!(codes(&verdict), [Code::ApprovalNeeded]);
}

#[test]
fn nobody_is_let_on_before_somebody_has_looked() {
    let set = one_at_a_time("");
    let verdict = with(&set, &chain(1, "env:prod"), Crowds::UNSEEN);
    assert_eq!(verdict.outcome, Outcome::HoldUntil { until: never() });
    assert_eq!(verdict.place, Some(Place::Unseen));
    assert_eq!(with(&set, &chain(1, "env:prod"), Crowds::FREE).outcome, Outcome::Pass);
}

#[test]
fn too_many_at_once_may_be_denied_or_warned_of() {
    for (word, outcome) in [("deny", Outcome::Deny), ("warn", Outcome::Pass)] {
        let set = one_at_a_time(&format!(" action {{ on_violation = \"{word}\" }}\n"));
        let crowd = Crowd::of_each(&set, 1);
        let verdict = with(&set, &chain(2, "env:prod"), Crowds::seen(Some(&crowd)));
        assert_eq!(verdict.outcome, outcome);
        let said = |it: &contracts::Reason| it.text.contains("1 may be under way at once");
        assert!(verdict.reasons.iter().any(said), "{:?}", verdict.reasons);
    }
}

#[test]
fn a_broken_glass_passes_over_chains_before_it_and_is_counted() {
    let set = policies(
        "policy \"calm\" {\n limits { max_concurrent = 1 }\n}\nbreak_glass \"b\" { allowed_users = \
         [\"olga\"] }\n",
    );
    let word = Word::Override { until: noon() + TimeDelta::hours(1), whole_chain: false };
    let reviews = [Review { word, note: Some("now".to_owned()), ..review(1, "olga", true) }];
    let (crowd, request, now) = (Crowd::of_each(&set, 4), chain(2, "env:prod"), noon());
    let crowds = Crowds::seen(Some(&crowd));
    let case = Case { reviews: &reviews, crowds, ..Case::new(&request, now) };
    let verdict = judge(&set, &case);
    assert_eq!((&verdict.outcome, verdict.place), (&Outcome::Pass, Some(Place::Taken)));
    assert_eq!(codes(&verdict), [Code::Overridden, Code::ChainsAhead]);
}

#[test]
fn a_limit_on_chains_that_cannot_be_meant_is_refused() {
    for (text, what, advice) in [
        ("limits { max_concurrent = 0 }", "hold every chain for ever", "a `stop` block"),
        (
            "match { moment = \"before_plan\" }\n limits { max_concurrent = 2 }",
            "counts chains",
            "leave `moment` out",
        ),
        (
            "limits { max_stacks = 2 }\n action { on_violation = \"queue\" }",
            "cannot wait until it is not",
            "\"deny\" or \"warn\"",
        ),
    ] {
        let file =
            File { name: "a.hcl".to_owned(), text: format!("policy \"p\" {{\n {text}\n}}\n") };
        let faults = read(&[file]).unwrap_err().to_string();
        assert!(faults.contains(what) && faults.contains(advice), "{text}: {faults}");
    }
    let both = policies(
        "policy \"p\" {\n limits {\n max_stacks = 2\n max_concurrent = 3\n }\n action { on_violation \
         = \"queue\" }\n}\n",
    );
    assert_eq!(both.policies[0].rules.len(), 2, "waiting helps against one of them");
}

#[test]
fn a_chain_that_a_policy_counts_for_what_a_hook_says_it_costs_is_counted() {
    let set = policies(
        "policy \"dear\" {\n match { min_cost_delta = 100 }\n limits { max_concurrent = 1 }\n}\n\
         hook \"infracost\" {\n match { moment = \"before_chain\" }\n on_silence = \"deny\"\n}\n",
    );
    let calls = vec![super::costs::told("infracost", Some(500.0))];
    let [first, second] = [(1, true), (2, false)].map(|(number, is_under_way)| Comer {
        calls: calls.clone(),
        ..comer(number, "env:prod", is_under_way)
    });
    let seen = crowds(&set, &[first, second.clone()], noon());
    let seen = Crowds::seen(Some(&seen[&second.request.gate]));
    let case = Case { calls: &calls, crowds: seen, ..Case::new(&second.request, noon()) };
    let verdict = judge(&set, &case);
    assert_eq!(verdict.place, Some(Place::Waiting));
    assert!(verdict.reasons[0].text.contains("1 chain comes before it"), "{:?}", verdict.reasons);
}
