use std::time::Duration;

use contracts::{
    change::TouchedFiles,
    gate::{GateRequested, Moment},
};

use super::*;
use crate::{
    evaluate::Case,
    fixtures::{noon, prod, review},
    people::People,
    review::Review,
};

mod library;
mod table;

fn program(text: &str) -> Program {
    Program::read("a.rego", text, None, None).unwrap_or_else(|error| panic!("{error:?}"))
}

fn input(people: &People, case: &Case<'_>) -> Value {
    Inputs::new(people, case, case.request.moment).about(None)
}

fn asked(text: &str, request: &GateRequested, reviews: &[Review]) -> Result<Answer, String> {
    let case = Case { reviews, ..Case::new(request, noon()) };
    program(text).ask(&input(&People::default(), &case))
}

/// Two of the shapes an approval policy takes, one in each version of the language.
const APPROVAL_V0: &str = r#"
package spacelift
approve { count(input.reviews.current.approvals) > 1 }
reject { count(input.reviews.current.rejections) > 0 }
"#;
const APPROVAL_V1: &str = r#"
package spacelift
import rego.v1
default approve := false
approve if {
	some review in input.reviews.current.approvals
	review.author != input.run.commit.author
	input.run.state == "UNCONFIRMED"
}
reject if count(input.reviews.current.rejections) > 0
sample := true
"#;

#[test]
fn approval_policies_are_undecided_until_people_spoke() {
    let gate = prod(Moment::BeforeApply);
    let none = asked(APPROVAL_V0, &gate, &[]).unwrap();
    assert!(none.is_undecided && none.deny.is_empty());
    let one = asked(APPROVAL_V0, &gate, &[review(1, "alice", true)]).unwrap();
    assert!(one.is_undecided);
    let two = [review(1, "alice", true), review(2, "bob", true)];
    assert_eq!(asked(APPROVAL_V0, &gate, &two).unwrap(), Answer::default());
    let no = asked(APPROVAL_V0, &gate, &[review(1, "alice", false)]).unwrap();
    assert_eq!(no.deny, ["it says `reject`"]);

    let own = asked(APPROVAL_V1, &gate, &[review(1, "Dora", true)]).unwrap();
    assert!(own.is_undecided, "the author's own approval");
    let other = asked(APPROVAL_V1, &gate, &[review(1, "alice", true)]).unwrap();
    assert_eq!(other, Answer::default());
    assert_eq!(program(APPROVAL_V1).moments(), [Moment::BeforeApply]);
}

#[test]
fn plan_policies_deny_and_warn_with_their_own_words() {
    let text = r#"
package spacelift
deny[sprintf("%s is not to be deleted", [change.entity.address])] {
	change := input.spacelift.run.changes[_]
	change.action == "deleted"
	change.entity.type == "aws_db_instance"
}
deny[sprintf("%s is destroyed", [resource.address])] {
	resource := input.terraform.resource_changes[_]
	resource.change.actions[_] == "delete"
	startswith(resource.type, "aws_s3")
}
warn["the weekend is near"] { input.spacelift.stack.labels[_] == "env:prod" }
"#;
    let mut gate = prod(Moment::BeforeApply);
    let plain = asked(text, &gate, &[]).unwrap();
    assert_eq!((plain.deny.len(), plain.warn), (0, vec!["the weekend is near".to_owned()]));
    let change = |address: &str, kind: &str| contracts::gate::PlannedChange {
        address: address.to_owned(),
        resource_type: kind.to_owned(),
        action: "deleted".to_owned(),
        stack: None,
    };
    gate.changes =
        Some(vec![change("module.db.main", "aws_db_instance"), change("logs", "aws_s3_bucket")]);
    let denied = asked(text, &gate, &[]).unwrap();
    assert_eq!(denied.deny, ["logs is destroyed", "module.db.main is not to be deleted"]);
}

#[test]
fn whatever_a_rule_gives_that_nobody_can_make_sense_of_counts_against_the_gate() {
    let gate = prod(Moment::BeforeApply);
    let said =
        |rules: &str| asked(&format!("package spacelift\nimport rego.v1\n{rules}"), &gate, &[]);
    for (rule, denied) in [
        ("deny[x] if x := \"no\"", &["no"][..]),
        ("deny[x] := false if x := \"no\"", &[]),
        ("deny[x] if {\n x := \"no\"\n false\n}", &[]),
        ("deny := {\"message\": \"no\"}", &["message: no"]),
        ("deny := 1", &["1"]),
        ("deny := null", &[]),
        ("reject[x] if x := \"no\"", &["it says `reject`"]),
        ("reject := \"no\"", &["it says `reject`"]),
        ("ignore[x] if x := \"no\"\ntrack := true", &["it says `ignore`"]),
        ("fail := {\"no\": 1}", &["it says `fail`"]),
    ] {
        assert_eq!(said(rule).unwrap().deny, denied, "{rule}");
    }
    assert_eq!(said("warn[x] if x := \"look\"").unwrap().warn, ["look"]);
    assert!(said("approve := \"yes\"").unwrap().is_undecided, "nothing but true lets it go");

    let object = "package a\nimport rego.v1\nrule := \"no\" if input.run\n";
    let program = Program::read("a.rego", object, Some("data.a.rule"), None).unwrap();
    let input = input(&People::default(), &Case::new(&gate, noon()));
    assert!(program.ask(&input).unwrap_err().contains("no object"));
}

#[test]
fn push_policies_speak_before_the_chain_and_what_they_do_not_track_is_denied() {
    let text = r#"
package spacelift
track { input.push.branch == input.stack.branch; input.push.branch == "main" }
propose { not is_null(input.pull_request) }
ignore { input.push.author == "robot" }
"#;
    assert_eq!(program(text).moments(), [Moment::BeforeChain]);
    let mut gate = prod(Moment::BeforeChain);
    assert_eq!(asked(text, &gate, &[]).unwrap(), Answer::default());
    gate.change.author = "robot".to_owned();
    assert_eq!(asked(text, &gate, &[]).unwrap().deny, ["it says `ignore`"]);
    gate.change.author = "dora".to_owned();
    gate.change.branch = "other".to_owned();
    assert_eq!(asked(text, &gate, &[]).unwrap().deny, ["it does not say `track`"]);
    gate.kind = ChainKind::Preview;
    assert_eq!(asked(text, &gate, &[]).unwrap().deny, ["it does not say `propose`"]);
    gate.change.pull_request = Some(7);
    assert_eq!(asked(text, &gate, &[]).unwrap(), Answer::default());
}

#[test]
fn what_says_how_a_tracked_push_runs_says_nothing_of_previews() {
    // As Spacelift's manual sets the head of a stack without a run.
    let text = r#"
package spacelift
track { input.push.branch == input.stack.branch }
propose { not track }
notrigger { true }
"#;
    let gate = prod(Moment::BeforeChain);
    assert_eq!(asked(text, &gate, &[]).unwrap().deny, ["it says `notrigger`"]);
    let mut preview = GateRequested { kind: ChainKind::Preview, ..gate.clone() };
    preview.change.pull_request = Some(7);
    assert_eq!(asked(text, &preview, &[]).unwrap(), Answer::default());
    // And as it colours the check of what is ignored.
    let fails = "package spacelift\nfail { true }\nmessage[\"no\"] { true }\n";
    let ignored = asked(fails, &gate, &[]).unwrap();
    assert_eq!((ignored.deny, ignored.tell), (vec!["it says `fail`".into()], vec!["no".into()]));
    let runs = format!("{fails}track {{ true }}\n");
    assert!(asked(&runs, &gate, &[]).unwrap().deny.is_empty());
}

#[test]
fn of_a_pull_request_the_push_is_its_head() {
    let text = r#"
package spacelift
propose { affected; input.push.branch != ""; input.push.branch != input.stack.branch }
ignore { not affected }
ignore { input.push.tag != "" }
deny["another commit"] { input.push.hash != input.pull_request.head.hash }
affected { startswith(input.push.affected_files[_], input.stack.project_root) }
"#;
    let mut gate = prod(Moment::BeforeChain);
    gate.kind = ChainKind::Preview;
    gate.change.pull_request = Some(7);
    gate.stacks[0].path = Some("stacks/net".to_owned());
    gate.files = Some(TouchedFiles::of(["stacks/net/main.tf"]));
    assert_eq!(asked(text, &gate, &[]).unwrap(), Answer::default());
    gate.files = Some(TouchedFiles::of(["docs/README.md"]));
    let denied = asked(text, &gate, &[]).unwrap();
    assert_eq!(denied.deny, ["it says `ignore`", "it does not say `propose`"]);
}

#[test]
fn a_resource_tells_the_module_it_is_in() {
    let text = r#"
package spacelift
deny[sprintf("%s %s", [r.address, r.name])] {
	r := input.terraform.resource_changes[_]
	not r.module_address
}
"#;
    let change = |address: &str| contracts::gate::PlannedChange {
        address: address.to_owned(),
        resource_type: "aws_s3_bucket".to_owned(),
        action: "added".to_owned(),
        stack: None,
    };
    let mut gate = prod(Moment::BeforeApply);
    gate.changes =
        Some(vec![change("module.logs.aws_s3_bucket.a"), change("aws_s3_bucket.b[\"x.y\"]")]);
    assert_eq!(asked(text, &gate, &[]).unwrap().deny, ["aws_s3_bucket.b[\"x.y\"] b"]);
}

#[test]
fn trigger_policies_name_the_stacks_that_run() {
    let text = r#"
package spacelift
trigger[stack.id] { stack := input.stacks[_]; stack.labels[_] == "env:prod" }
"#;
    assert_eq!(program(text).moments(), [Moment::BeforePlan]);
    assert_eq!(asked(text, &prod(Moment::BeforePlan), &[]).unwrap(), Answer::default());
    let other = text.replace("env:prod", "env:dev");
    let denied = asked(&other, &prod(Moment::BeforePlan), &[]).unwrap();
    assert_eq!(denied.deny, ["it does not trigger this stack"]);
}

#[test]
fn a_program_may_hold_until_a_time() {
    let text = "package stackly\nimport rego.v1\n\
                hold_until contains \"2026-11-21T09:00:00Z\" if input.stackly.kind == \"deploy\"\n";
    let held = asked(text, &prod(Moment::BeforeApply), &[]).unwrap();
    assert_eq!(held.hold_until, Some("2026-11-21T09:00:00Z".parse().unwrap()));
    let wrong = text.replace("2026-11-21T09:00:00Z", "soon");
    assert!(asked(&wrong, &prod(Moment::BeforeApply), &[]).unwrap_err().contains("not a time"));
}

#[test]
fn an_entrypoint_may_be_a_rule_or_an_object_of_rules() {
    let text = "package acme.gates\nimport rego.v1\n\
                deny contains \"never\" if true\n\
                decision := {\"warn\": [\"look\"], \"approve\": true} if input.run\n";
    let read = |entrypoint: &str| Program::read("a.rego", text, Some(entrypoint), None);
    let gate = prod(Moment::BeforeApply);
    let case = Case::new(&gate, noon());
    let input = input(&People::default(), &case);
    assert_eq!(read("data.acme.gates").unwrap().ask(&input).unwrap().deny, ["never"]);
    let decision = read("data.acme.gates.decision").unwrap().ask(&input).unwrap();
    assert_eq!((decision.deny.len(), decision.warn), (0, vec!["look".to_owned()]));
    let missing = read("data.acme.gates.nothing").unwrap_err();
    assert!(missing.what.contains("its package is `data.acme.gates`"), "{missing:?}");
}

#[test]
fn what_a_program_may_not_do_is_found_where_it_is_done() {
    let text = "package spacelift\n# http.send(1) in a comment\n\
                deny[\"x\"] { time.now_ns() > 1; y := \"opa.runtime()\" }\n";
    let [(span, what)] = banned(text).try_into().unwrap();
    assert_eq!(&text[span], "time.now_ns");
    assert!(what.contains("`input.stackly.now`"), "{what}");
}

#[test]
fn what_cannot_be_read_says_where() {
    for text in ["package spacelift\ndeny[\"x\"] { true", "package a\nallow { true }", "deny[x]"] {
        let error = Program::read("a.rego", text, None, None).unwrap_err();
        assert!(!error.what.is_empty(), "{text}");
    }
    let text = "package a\nimport rego.v1\n\ndeny if { === }\n";
    let error = Program::read("a.rego", text, None, None).unwrap_err();
    assert_eq!(error.at.map(|(line, _)| line), Some(4), "{error:?}");
}

#[test]
fn a_function_that_does_not_exist_is_found_when_the_program_is_read() {
    let text = "package spacelift\ndeny[\"x\"] { no.such_function(1) }\n";
    let error = Program::read("a.rego", text, None, None).unwrap_err();
    assert!(error.what.contains("could not find function"), "{error:?}");
}

#[test]
fn a_program_that_does_not_end_is_stopped() {
    let text = "package spacelift\nimport rego.v1\n\
                deny contains \"x\" if {\n\
                \tsome a in numbers.range(1, 3000)\n\tsome b in numbers.range(1, 3000)\n\
                \tsome c in numbers.range(1, 3000)\n\ta + b + c < 0\n}\n";
    let before = std::time::Instant::now();
    let error = asked(text, &prod(Moment::BeforeApply), &[]).unwrap_err();
    assert!(error.contains("time"), "{error}");
    // Read once and asked once, each within its time and a generous margin.
    assert!(before.elapsed() < Duration::from_secs(20), "{:?}", before.elapsed());
}

#[test]
fn the_same_question_gets_the_same_answer_however_often_it_is_asked() {
    let gate = prod(Moment::BeforeApply);
    let reviews = [review(1, "alice", true)];
    let case = Case { reviews: &reviews, ..Case::new(&gate, noon()) };
    let (program, input) = (program(APPROVAL_V1), input(&People::default(), &case));
    let first = program.ask(&input).unwrap();
    for _ in 0..20 {
        assert_eq!(program.ask(&input).unwrap(), first);
    }
}
