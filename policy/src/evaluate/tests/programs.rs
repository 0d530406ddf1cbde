//! Programs are asked about each stack they speak about.

use contracts::gate::{GateRequested, PlannedChange, StackPlan};

use super::*;
use crate::fixtures::{request, stack};

fn with_program(scope: &str, program: &str) -> PolicySet {
    let file = |name: &str, text: &str| File { name: name.to_owned(), text: text.to_owned() };
    let hcl = format!("rego \"judge\" {{\n  file = \"p.rego\"\n  match {{\n{scope}\n}}\n}}\n");
    let program = format!("package spacelift\nimport rego.v1\n{program}\n");
    read(&[file("a.hcl", &hcl), file("p.rego", &program)]).unwrap_or_else(|error| panic!("{error}"))
}

fn chain(moment: Moment) -> GateRequested {
    request(moment, &[stack("a", &["env:dev"]), stack("b", &["env:prod"]), stack("c", &[])])
}

fn told(scope: &str, program: &str, request: &GateRequested) -> (Outcome, Vec<String>) {
    let verdict = decide(&with_program(scope, program), request, &[], noon());
    (verdict.outcome, verdict.reasons.into_iter().map(|reason| reason.text).collect())
}

#[test]
fn a_program_is_asked_about_the_stacks_it_matches_and_about_no_other() {
    let tracks_b = "track if input.stack.id == \"b\"";
    let gate = chain(Moment::BeforeChain);
    let (passed, _) = told("stacks = [\"b\"]", tracks_b, &gate);
    assert_eq!(passed, Outcome::Pass);
    let (denied, said) = told("stacks = [\"a\"]", tracks_b, &gate);
    assert_eq!((denied, said.len()), (Outcome::Deny, 1));
    assert_eq!(said[0], "rego judge denies a: it does not say `track`");
}

#[test]
fn a_push_policy_judges_what_the_push_touches_and_nothing_that_follows() {
    let ignores_c = "track if true\nignore if input.stack.id == \"c\"";
    let mut gate = chain(Moment::BeforeChain);
    let (denied, said) = told("", ignores_c, &gate);
    assert_eq!(
        (denied, &*said),
        (Outcome::Deny, &["rego judge denies c: it says `ignore`".to_owned()][..])
    );
    gate.stacks[2].follows = true;
    assert_eq!(told("", ignores_c, &gate).0, Outcome::Pass);
    let set = with_program("stacks = [\"c\"]", ignores_c);
    assert_eq!(decide(&set, &gate, &[], noon()).outcome, Outcome::Pass);
    let lines = explain(&set, &Case::new(&gate, noon()));
    assert!(lines[0].text.ends_with("only follows") && !lines[0].speaks, "{lines:?}");

    // What is touched is judged, and what is no push policy judges whatever there is.
    let ignores_b = "track if true\nignore if input.stack.id == \"b\"";
    assert_eq!(told("", ignores_b, &gate).0, Outcome::Deny);
    let denies_c = "deny contains \"no\" if input.stack.id == \"c\"";
    assert_eq!(told("moment = [\"before_chain\"]", denies_c, &gate).0, Outcome::Deny);
}

#[test]
fn the_strictest_answer_wins_and_names_its_stacks() {
    let gate = chain(Moment::BeforeChain);
    let (denied, said) = told("", "track if input.spacelift.stack.id == \"b\"", &gate);
    assert_eq!(denied, Outcome::Deny);
    assert_eq!(said, ["rego judge denies a, c: it does not say `track`"]);

    let waits = "hold_until contains \"2026-11-21T09:00:00Z\" if input.stack.id == \"c\"\n\
                 hold_until contains \"2026-11-20T19:00:00Z\" if input.stack.id == \"b\"\n\
                 approve if input.stack.id != \"a\"";
    let (held, said) = told("moment = [\"before_chain\"]", waits, &gate);
    assert_eq!(held, Outcome::HoldUntil { until: at("2026-11-21T09:00:00Z") });
    assert!(said[0].starts_with("rego judge holds c until"), "{said:?}");
    assert!(said[1].starts_with("rego judge has neither approved nor rejected a;"), "{said:?}");

    let fails = "deny contains \"no\" if to_number(input.stack.id) == 1";
    let (denied, said) = told("stacks = [\"b\", \"c\"]\nmoment = [\"before_chain\"]", fails, &gate);
    assert_eq!((denied, said.len()), (Outcome::Deny, 1));
    assert!(said[0].starts_with("rego judge cannot be evaluated for b: "), "{said:?}");
}

#[test]
fn of_plans_of_a_whole_chain_each_stack_shows_its_own() {
    let deletes = "deny contains sprintf(\"%s goes in run %s\", [change.address, input.run.id]) if {\n\
                   some change in input.terraform.resource_changes\n\
                   \"delete\" in change.change.actions\ncount(input.spacelift.run.changes) == 1 }";
    let mut gate = chain(Moment::BeforeApply);
    let of = |stack: &str, action: &str| PlannedChange {
        address: format!("{stack}.x"),
        resource_type: "x".to_owned(),
        action: action.to_owned(),
        stack: Some(stack.into()),
    };
    gate.changes = Some(vec![of("a", "added"), of("b", "deleted"), of("c", "changed")]);
    let plan = |stack: &str| StackPlan {
        stack: stack.into(),
        run: Some(contracts::RunId(format!("run-{stack}"))),
        delta: None,
        unknown: None,
    };
    gate.plans = ["a", "b", "c"].map(plan).to_vec();
    let (denied, said) = told("", deletes, &gate);
    assert_eq!(denied, Outcome::Deny);
    assert_eq!(said, ["rego judge denies b: b.x goes in run run-b"]);
    let (passed, _) = told("stacks = [\"a\", \"c\"]", deletes, &gate);
    assert_eq!(passed, Outcome::Pass);
}
