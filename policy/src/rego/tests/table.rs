//! Programs in the shapes people write for Spacelift, of each of its types, and what follows from
//! them for given facts.

use chrono::{DateTime, Utc};
use contracts::{
    Code,
    change::TouchedFiles,
    gate::{GateRequested, Outcome, PlannedChange},
};

use super::*;
use crate::{
    document::{File, read},
    evaluate::judge,
    fixtures::{request, stack},
    model::PolicySet,
};

/// What becomes of the gate, by the first letter of what is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Follows {
    Passes,
    Waits,
    Denies,
    Warns,
    /// No rule speaks at this gate.
    Silent,
}
use Follows::{Denies, Passes, Silent, Waits, Warns};

/// Type, name and text.
const PROGRAMS: [(&str, &str); 14] = [
    (
        "approval: two people and no rejection",
        "approve { count(input.reviews.current.approvals) > 1 }\n\
         reject { count(input.reviews.current.rejections) > 0 }",
    ),
    (
        "approval: of a team, for some types of resources",
        "guarded := {\"aws_iam_role\", \"aws_security_group\"}\n\
         asks { c := input.run.changes[_]; c.actions[_] == \"added\"; guarded[c.entity.type] }\n\
         approve { not asks }\n\
         approve { input.reviews.current.approvals[_].session.teams[_] == \"security\" }",
    ),
    (
        "approval: plans alone",
        "approve { input.run.state != \"UNCONFIRMED\" }\n\
         approve { input.run.type == \"PROPOSED\" }",
    ),
    (
        "plan: nothing that holds state is deleted",
        "kept := {\"aws_db_instance\", \"aws_s3_bucket\"}\n\
         deny[sprintf(\"%s holds state\", [r.address])] {\n\
           r := input.terraform.resource_changes[_]; kept[r.type]\n\
           r.change.actions[_] == \"delete\" }",
    ),
    (
        "plan: blast radius",
        "weight := {\"delete\": 10, \"update\": 5, \"create\": 1}\n\
         score := sum([w | r := input.terraform.resource_changes[_]; w := weight[r.change.actions[_]]])\n\
         warn[sprintf(\"the score is %d\", [score])] { score > 9; score < 20 }\n\
         deny[sprintf(\"the score is %d\", [score])] { score >= 20 }",
    ),
    (
        "plan: an allowed list of types",
        "import future.keywords\n\
         deny contains sprintf(\"%s is not allowed\", [c.entity.address]) if {\n\
           some c in input.spacelift.run.changes\n not startswith(c.entity.type, \"aws_\") }",
    ),
    (
        "plan: previews are denied",
        "deny[\"no previews\"] { input.spacelift.run.type == \"PROPOSED\" }",
    ),
    (
        "push: the tracked branch, below the root",
        "track { affected; input.push.branch == input.stack.branch }\n\
         propose { affected }\n\
         ignore { not affected }\n\
         affected { startswith(input.push.affected_files[_], input.stack.project_root) }",
    ),
    (
        "push: by a label of the stack",
        "track { input.stack.labels[_] == concat(\"\", [\"track:\", input.push.branch]) }",
    ),
    (
        "push: a locked stack stays",
        "track { input.push.branch == \"main\"; input.stack.locked_by == null }\n\
         propose { input.stack.locked_by == null }",
    ),
    ("push: pull requests alone", "propose { not is_null(input.pull_request) }\ntrack { false }"),
    ("push: other runs are cancelled", "cancel[run.id] { run := input.in_progress[_] }"),
    ("push: tags", "track { regex.match(`^v\\d+`, input.push.tag) }"),
    ("trigger: by a label", "trigger[s.id] { s := input.stacks[_]; s.labels[_] == \"env:prod\" }"),
];

fn set((programs, people): (&[(&str, &str)], &str), name: &str) -> PolicySet {
    let (_, text) = programs.iter().find(|(known, _)| *known == name).unwrap();
    let file = |name: &str, text: String| File { name: name.to_owned(), text };
    let hcl = file("a.hcl", format!("rego \"p\" {{ file = \"p.rego\" }}\n{people}"));
    let program = file("p.rego", format!("package spacelift\n{text}\nsample := true\n"));
    read(&[hcl, program]).unwrap_or_else(|faults| panic!("{name}: {faults}"))
}

fn follows(name: &str, gate: &GateRequested, reviews: &[Review]) -> Follows {
    follows_of((&PROGRAMS, ""), name, gate, reviews, noon())
}

/// What becomes of a gate by one of these programs, with groups of people.
pub(super) fn follows_of(
    programs: (&[(&str, &str)], &str),
    name: &str,
    gate: &GateRequested,
    reviews: &[Review],
    now: DateTime<Utc>,
) -> Follows {
    let set = set(programs, name);
    let case = Case { reviews, ..Case::new(gate, now) };
    let verdict = judge(&set, &case);
    let said: Vec<Code> = verdict.reasons.iter().map(|reason| reason.code).collect();
    match verdict.outcome {
        Outcome::Deny => Denies,
        Outcome::HoldForApprovals { .. } => Waits,
        Outcome::HoldUntil { .. } => panic!("{name}: {:?}", verdict.reasons),
        Outcome::Pass if said.contains(&Code::PolicyWarning) => Warns,
        Outcome::Pass if verdict.reasons[0].text == "no policy matches" => Silent,
        Outcome::Pass => Passes,
    }
}

fn plan(changes: &[(&str, &str)]) -> GateRequested {
    let change = |(kind, action): &(&str, &str)| PlannedChange {
        address: format!("{kind}.{action}"),
        resource_type: (*kind).to_owned(),
        action: (*action).to_owned(),
        stack: None,
    };
    GateRequested {
        changes: Some(changes.iter().map(change).collect()),
        ..prod(Moment::BeforeApply)
    }
}

fn push(branch: &str, label: &str, files: &[&str], pull_request: Option<u64>) -> GateRequested {
    let mut stack = stack("net-prod", &[label]);
    stack.path = Some("stacks/net".to_owned());
    let mut gate = request(Moment::BeforeChain, &[stack]);
    gate.change.branch = branch.to_owned();
    gate.change.pull_request = pull_request;
    gate.kind = if pull_request.is_some() { ChainKind::Preview } else { ChainKind::Deploy };
    gate.files = Some(TouchedFiles::of(files.iter().map(|file| (*file).to_owned())));
    gate
}

#[test]
fn each_type_of_policy_decides_by_the_facts_it_is_given() {
    let of_two = [review(1, "alice", true), review(2, "bob", true)];
    let with_no = [review(1, "alice", true), review(2, "bob", true), review(3, "eve", false)];
    let none: &[Review] = &[];
    let apply = plan(&[("aws_vpc", "added")]);
    let role = plan(&[("aws_iam_role", "added")]);
    let lost = plan(&[("aws_db_instance", "deleted"), ("aws_db_instance", "added")]);
    let large = plan(&[("a", "deleted"), ("b", "deleted")]);
    let foreign = plan(&[("google_x", "added")]);
    let preview = GateRequested { kind: ChainKind::Preview, ..apply.clone() };
    let (early, before_plan) = (prod(Moment::BeforeChain), prod(Moment::BeforePlan));
    let on_main = push("main", "track:main", &["stacks/net/main.tf"], None);
    let elsewhere = push("main", "track:next", &["docs/README.md"], None);
    let asked = push("feature", "x", &["stacks/net/main.tf"], Some(7));
    let dev = request(Moment::BeforePlan, &[stack("net-dev", &["env:dev"])]);
    let table: Vec<(&str, &GateRequested, &[Review], Follows)> = vec![
        ("approval: two people and no rejection", &apply, none, Waits),
        ("approval: two people and no rejection", &apply, &of_two[..1], Waits),
        ("approval: two people and no rejection", &apply, &of_two, Passes),
        ("approval: two people and no rejection", &apply, &with_no, Denies),
        ("approval: two people and no rejection", &before_plan, none, Silent),
        ("approval: of a team, for some types of resources", &apply, none, Passes),
        ("approval: of a team, for some types of resources", &role, none, Waits),
        ("approval: of a team, for some types of resources", &role, &of_two, Waits),
        ("approval: plans alone", &apply, none, Waits),
        ("plan: nothing that holds state is deleted", &apply, none, Passes),
        ("plan: nothing that holds state is deleted", &lost, none, Denies),
        ("plan: nothing that holds state is deleted", &early, none, Silent),
        ("plan: blast radius", &apply, none, Passes),
        ("plan: blast radius", &lost, none, Waits),
        ("plan: blast radius", &lost, &of_two[..1], Warns),
        ("plan: blast radius", &large, none, Denies),
        ("plan: an allowed list of types", &apply, none, Passes),
        ("plan: an allowed list of types", &foreign, none, Denies),
        ("plan: previews are denied", &apply, none, Passes),
        ("plan: previews are denied", &preview, none, Denies),
        ("push: the tracked branch, below the root", &on_main, none, Passes),
        ("push: the tracked branch, below the root", &elsewhere, none, Denies),
        ("push: the tracked branch, below the root", &asked, none, Passes),
        ("push: the tracked branch, below the root", &apply, none, Silent),
        ("push: by a label of the stack", &on_main, none, Passes),
        ("push: by a label of the stack", &elsewhere, none, Denies),
        ("push: a locked stack stays", &on_main, none, Passes),
        ("push: pull requests alone", &on_main, none, Denies),
        ("push: pull requests alone", &asked, none, Passes),
        ("push: other runs are cancelled", &on_main, none, Silent),
        ("push: other runs are cancelled", &apply, none, Passes),
        ("push: tags", &on_main, none, Denies),
        ("trigger: by a label", &before_plan, none, Passes),
        ("trigger: by a label", &dev, none, Denies),
    ];
    for (number, (name, gate, reviews, wanted)) in table.into_iter().enumerate() {
        assert_eq!(follows(name, gate, reviews), wanted, "row {number}: {name}");
    }
}

#[test]
fn a_review_has_the_groups_of_who_said_it_by_whoever_vouches_for_them() {
    let text = "package spacelift\napprove { \
                input.reviews.current.approvals[_].session.teams[_] == \"security\" }\n";
    let set = crate::fixtures::policies(
        "group \"security\" {\n  members = [\"sam\"]\n  claims = [\"eng-sec\"]\n}\n",
    );
    let gate = prod(Moment::BeforeApply);
    let answer = |by: &str, groups: &[&str]| {
        let groups = groups.iter().map(|group| (*group).to_owned()).collect();
        let reviews = [Review { groups, ..review(1, by, true) }];
        let case = Case { reviews: &reviews, ..Case::new(&gate, noon()) };
        program(text).ask(&input(&set.people, &case)).unwrap().is_undecided
    };
    assert!(!answer("Sam", &[]));
    assert!(!answer("zoe", &["eng-sec"]));
    assert!(answer("zoe", &["eng-net"]));
}

#[test]
fn a_trigger_policy_that_follows_an_ended_run_is_refused_with_what_to_write_instead() {
    let file = |name: &str, text: &str| File { name: name.to_owned(), text: text.to_owned() };
    let hcl = file("a.hcl", "rego \"p\" { file = \"p.rego\" }");
    let program = "package spacelift\n\ntrigger[s.id] {\n  s := input.stacks[_]\n  \
                   input.run.state == \"FINISHED\"\n}\n";
    let refused = read(&[hcl.clone(), file("p.rego", program)]).unwrap_err().to_string();
    assert!(
        refused.contains("p.rego:5:3: this `trigger` looks at a run that has ended"),
        "{refused}"
    );
    assert!(refused.contains("`depends_on`"), "{refused}");

    let reads = "package spacelift\n\ncancel[r] { r := input.in_progress[_].id }\n\
                 deny[x] { x := input.terraform.resource_changes[_].change.after.x }\n";
    let warnings = read(&[hcl, file("p.rego", reads)]).unwrap().warnings;
    let said: Vec<String> = warnings.iter().map(ToString::to_string).collect();
    assert_eq!(said.len(), 3, "{said:?}");
    for (said, begins) in said.iter().zip([
        "p.rego:3:18: `in_progress` is never filled",
        "p.rego:4:52: `change.after` is never filled",
        "p.rego:3:1: `cancel` means nothing here",
    ]) {
        assert!(said.starts_with(begins), "{said}");
    }
}
