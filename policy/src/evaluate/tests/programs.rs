//! Programs are asked about each stack they speak about.

use contracts::{
    Action,
    chain::ChainKind,
    gate::{GateRequested, GateStack, PlannedChange, StackPlan},
};

use super::*;
use crate::{
    fixtures::{request, stack},
    gate::Gate,
    review::ReviewRefused,
};

fn with_program(scope: &str, program: &str) -> PolicySet {
    with_people(&format!("match {{\n{scope}\n}}"), program, "")
}

fn with_people(block: &str, program: &str, people: &str) -> PolicySet {
    let file = |name: &str, text: &str| File { name: name.to_owned(), text: text.to_owned() };
    let hcl = format!("rego \"judge\" {{\n  file = \"p.rego\"\n{block}\n}}\n{people}");
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
fn labels_that_only_code_says_hold_a_stack_and_let_it_go_from_nothing() {
    let mut gate = chain(Moment::BeforeApply);
    let exempt = "approve if \"sandbox\" in input.stack.labels";
    gate.stacks[0].labels.push("sandbox".to_owned());
    let scope = "stacks = [\"a\"]";
    assert_eq!(told(scope, exempt, &gate).0, Outcome::Pass, "Spacelift says it");
    gate.stacks[0].code_labels.push("sandbox".to_owned());
    let by_people = |outcome| matches!(outcome, Outcome::HoldForApprovals { .. });
    for exempt in [
        exempt,
        "approve if \"sandbox\" in input.spacelift.stack.labels",
        "approve if input.stacks[_].labels[_] == \"sandbox\"",
        "approve if input.stackly.stacks[_].code_labels[_] == \"sandbox\"",
    ] {
        let (held, said) = told(scope, exempt, &gate);
        assert!(by_people(held), "{exempt}: {said:?}");
        let why = said.iter().any(|text| text.ends_with(&format!("on a: {UNHEEDED}")));
        assert!(why, "{said:?}");
    }
    let denies = "deny contains \"no\" if \"sandbox\" in input.stack.labels";
    let (denied, said) = told(scope, denies, &gate);
    assert_eq!((denied, said), (Outcome::Deny, vec!["rego judge denies a: no".to_owned()]));
    let unless = "deny contains \"no\" if not \"sandbox\" in input.stack.labels";
    assert_eq!(told(scope, unless, &gate).0, Outcome::Deny);
    // Of a stack whose code says nothing, nothing is asked twice.
    let others = "approve if input.stack.labels[_] == \"env:prod\"";
    assert_eq!(told("stacks = [\"b\"]", others, &gate).0, Outcome::Pass);
}

const UNHEEDED: &str = "labels that only its code says let it go from nothing";

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

/// What applies without a question about its plan: by itself, or by destroying.
fn unseen() -> [GateRequested; 3] {
    let alone = GateStack { autodeploy: true, ..stack("net-prod", &["env:prod"]) };
    let destroying = |action| GateRequested { action, ..prod(Moment::BeforePlan) };
    [
        request(Moment::BeforePlan, &[alone]),
        destroying(Action::Destroy),
        destroying(Action::Deregister),
    ]
}

const KEEPS: &str = "deny contains r.address if { some r in input.terraform.resource_changes\n\
                     \"delete\" in r.change.actions }";

#[test]
fn a_program_that_looks_at_plans_denies_what_applies_without_showing_one() {
    let denies = "rego judge denies net-prod: it applies without asking about its plan, so nobody \
                  knows beforehand what it changes";
    for gate in unseen() {
        assert_eq!(told("", KEEPS, &gate), (Outcome::Deny, vec![denies.to_owned()]));
        let counts = "deny contains \"many\" if input.stackly.delta.deleted > 5";
        assert_eq!(told("", counts, &gate).0, Outcome::Deny);
        let looks_elsewhere = "deny contains \"no\" if input.stack.id == \"other\"";
        assert_eq!(told("", looks_elsewhere, &gate).0, Outcome::Pass);
        let left_out = "action = \"fix_drift\"";
        assert_eq!(told(left_out, KEEPS, &gate).0, Outcome::Pass);
    }
    // Its plan is asked about later.
    assert_eq!(told("", KEEPS, &prod(Moment::BeforePlan)).1, ["no policy matches"]);

    // Unlike what a program says of a plan that it sees, breaking the glass passes over it.
    let set = with_people("", KEEPS, "break_glass \"b\" { allowed_users = [\"olga\"] }\n");
    let word = Word::Override { until: noon() + TimeDelta::hours(1), whole_chain: false };
    let given = Review { word, note: Some("it burns".to_owned()), ..review(1, "olga", true) };
    assert_eq!(decide(&set, &unseen()[0], &[given], noon()).outcome, Outcome::Pass);
}

#[test]
fn a_program_that_looks_at_plans_says_of_a_preview_that_it_saw_none() {
    let preview = GateRequested { kind: ChainKind::Preview, ..prod(Moment::BeforePlan) };
    let codes_of = |program: &str| {
        let verdict = decide(&with_program("", program), &preview, &[], noon());
        (verdict.outcome.clone(), codes(&verdict))
    };
    let proposed = format!("{KEEPS}\ndeny contains \"no\" if input.run.type == \"TRACKED\"");
    assert_eq!(codes_of(&proposed), (Outcome::Pass, vec![Code::Allowed, Code::PlanUnread]));
    let silent = "deny contains \"no\" if input.run.type == \"TRACKED\"";
    assert_eq!(codes_of(silent), (Outcome::Pass, vec![Code::Allowed]));
}

#[test]
fn a_program_that_looks_at_plans_and_asks_people_in_any_case_leaves_it_to_them() {
    let asks = "asks if { some c in input.run.changes\nc.entity.type == \"aws_iam_role\" }\n";
    let of_security = "approve if { some said in input.reviews.current.approvals\n\
                       \"security\" in said.session.teams }";
    let security = "group \"security\" { members = [\"sam\"] }\n";
    for gate in unseen() {
        // Whether it asks depends on the plan.
        let (denied, _) = told("", &format!("{asks}approve if not asks"), &gate);
        assert_eq!(denied, Outcome::Deny);
        let set = with_people("", &format!("{asks}{of_security}"), security);
        let said = |reviews: &[Review]| decide(&set, &gate, reviews, noon()).outcome;
        assert_eq!(said(&[]), Outcome::HoldForApprovals { given: 0, needed: 1 });
        assert_eq!(said(&[review(1, "sam", true)]), Outcome::Pass);
    }
}

const TWO: &str = "approve if input.run.state != \"UNCONFIRMED\"\n\
                   approve if count(input.reviews.current.approvals) > 1";

#[test]
fn what_never_reaches_the_gate_before_the_apply_is_approved_as_if_it_had() {
    let of_two = [review(1, "alice", true), review(2, "bob", true)];
    for gate in unseen() {
        let set = with_program("", TWO);
        let said = |reviews: &[Review]| decide(&set, &gate, reviews, noon()).outcome;
        assert_eq!(said(&[]), Outcome::HoldForApprovals { given: 0, needed: 1 });
        assert_eq!(said(&of_two), Outcome::Pass);
        // Who asks for it at both is asked twice, and told once.
        let both = "moment = [\"before_plan\", \"before_apply\"]";
        let queued = TWO.replace("\"UNCONFIRMED\"", "\"QUEUED\"");
        for program in [TWO, &queued] {
            let (held, said) = told(both, program, &gate);
            assert_eq!(held, Outcome::HoldForApprovals { given: 0, needed: 1 }, "{program}");
            assert!(said[0].starts_with("rego judge has neither approved nor rejected net-prod;"));
        }
        assert_eq!(told("moment = \"before_plan\"", TWO, &gate).0, Outcome::Pass);
    }
    let (passed, _) = told("moment = \"before_plan\"", TWO, &prod(Moment::BeforePlan));
    assert_eq!(passed, Outcome::Pass);
}

#[test]
fn who_made_a_change_does_not_approve_it_under_another_name_before_a_program() {
    let by_another = "approve if { some said in input.reviews.current.approvals\n\
                      said.author != input.run.commit.author }";
    let set = with_people("", by_another, "person \"dora\" { also = [\"UD0RA\", \"d@acme\"] }\n");
    let mut gate = prod(Moment::BeforeApply);
    for author in ["Dora", "d@acme"] {
        gate.change.author = author.to_owned();
        for by in ["Dora", "@dora", "UD0RA", "d@acme"] {
            let held = decide(&set, &gate, &[review(1, by, true)], noon()).outcome;
            assert!(matches!(held, Outcome::HoldForApprovals { .. }), "{author}, {by}");
        }
        let passed = decide(&set, &gate, &[review(1, "alice", true)], noon());
        assert_eq!(passed.outcome, Outcome::Pass, "{author}");
    }
    // Whom the policies do not know otherwise is called as the host calls them.
    let robot = "deny contains \"no robots\" if input.run.commit.author == \"Renovate-Bot\"";
    gate.change.author = "Renovate-Bot".to_owned();
    assert_eq!(told("", robot, &gate).0, Outcome::Deny);
}

#[test]
fn a_program_counts_people_and_not_their_names() {
    let ann = "person \"ann\" { also = [\"slack:U2\"] }\n";
    let set = with_people("", TWO, ann);
    let gate = prod(Moment::BeforeApply);
    let said = |names: &[&str]| {
        let reviews = (1..).zip(names).map(|(id, by)| review(id, by, true));
        decide(&set, &gate, &reviews.collect::<Vec<_>>(), noon()).outcome
    };
    let one = Outcome::HoldForApprovals { given: 1, needed: 2 };
    assert_eq!(said(&["ann", "slack:U1"]), one, "she may be both");
    assert_eq!(said(&["ann", "slack:U2"]), one, "she is both");
    assert_eq!(said(&["slack:U2", "bob"]), Outcome::Pass);
    let mut open = Gate::open(&set, gate.clone(), noon());
    let refused = open.review(&set, review(1, "slack:U1", true), noon()).unwrap_err();
    let unknown = ReviewRefused::Unknown { by: "slack:U1".to_owned(), policy: "judge".to_owned() };
    assert_eq!(refused, unknown);
    assert_eq!(open.review(&set, review(2, "ann", true), noon()), Ok(true));
}

#[test]
fn a_program_that_looks_at_who_said_no_says_what_that_means() {
    let two_no = format!("{TWO}\nreject if count(input.reviews.current.rejections) > 1");
    let gate = prod(Moment::BeforeApply);
    let said = |set: &PolicySet, words: &[(&str, bool)]| {
        let reviews = (1..).zip(words).map(|(id, (by, approve))| review(id, by, *approve));
        decide(set, &gate, &reviews.collect::<Vec<_>>(), noon())
    };
    let set = with_program("", &two_no);
    let one = said(&set, &[("eve", false)]);
    assert_eq!(one.outcome, Outcome::HoldForApprovals { given: 0, needed: 1 });
    assert_eq!(codes(&one), [Code::ApprovalNeeded, Code::Rejected]);
    assert_eq!(said(&set, &[("eve", false), ("mallory", false)]).outcome, Outcome::Deny);
    let others = [("eve", false), ("alice", true), ("bob", true)];
    assert_eq!(said(&set, &others).outcome, Outcome::Pass);

    let none = "approve if { count(input.reviews.current.approvals) > 1\n\
                count(input.reviews.current.rejections) == 0 }";
    let set = with_program("", none);
    let held = said(&set, &others).outcome;
    assert_eq!(held, Outcome::HoldForApprovals { given: 2, needed: 3 });
    let changed = [others.as_slice(), &[("eve", true)]].concat();
    assert_eq!(said(&set, &changed).outcome, Outcome::Pass, "she has changed her mind");

    // Where something else asks people, too, or nobody looks at it, a no is a no.
    let asks = "policy \"people\" {\n approval { min_approvers = 1 }\n}\n";
    assert_eq!(said(&with_people("", none, asks), &others).outcome, Outcome::Deny);
    assert_eq!(said(&with_program("", TWO), &others).outcome, Outcome::Deny);
}

#[test]
fn what_a_program_warns_about_a_person_looks_at_before_it_is_applied() {
    let warns = "warn contains \"look\" if input.stack.id == \"net-prod\"\nmessage contains \"hi\"";
    let gate = prod(Moment::BeforeApply);
    let held = Outcome::HoldForApprovals { given: 0, needed: 1 };
    let (outcome, said) = told("", warns, &gate);
    assert_eq!(outcome, held);
    assert!(said[0].starts_with("rego judge wants a person to look at net-prod;"), "{said:?}");
    assert_eq!(said[1..], ["rego judge on net-prod: look", "rego judge on net-prod: hi"]);
    let looked = decide(&with_program("", warns), &gate, &[review(1, "ann", true)], noon());
    assert_eq!((&looked.outcome, codes(&looked)[0]), (&Outcome::Pass, Code::Allowed));
    for gate in unseen() {
        assert_eq!(told("", warns, &gate).0, held, "nobody could look later");
    }

    let told_alone = with_people("on_warn = \"tell\"", warns, "");
    assert_eq!(decide(&told_alone, &gate, &[], noon()).outcome, Outcome::Pass);
    assert_ne!(told_alone.digest, with_people("", warns, "").digest);
    let preview = GateRequested { kind: ChainKind::Preview, ..prod(Moment::BeforePlan) };
    assert_eq!(told("", warns, &preview).0, Outcome::Pass);
    let message = "message contains \"hi\" if true";
    assert_eq!(told("", message, &gate).0, Outcome::Pass);
    let before = told("moment = \"before_plan\"", warns, &prod(Moment::BeforePlan));
    assert_eq!(before.0, Outcome::Pass);
}

#[test]
fn a_program_that_looks_at_plans_before_there_are_any_is_told_so_when_it_is_read() {
    let told = |scope: &str, program: &str| {
        let warnings = with_program(scope, program).warnings;
        warnings.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let [early] = told("moment = \"before_plan\"", KEEPS).try_into().unwrap();
    assert!(early.starts_with("a.hcl:4:"), "{early}");
    assert!(early.contains("known before the apply alone"), "{early}");
    assert!(told("moment = [\"before_plan\", \"before_apply\"]", KEEPS).is_empty());
    assert!(told("moment = \"before_plan\"", TWO).is_empty());
}
