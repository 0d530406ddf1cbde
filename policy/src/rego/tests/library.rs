//! What programs decide that say the same as the examples of Spacelift's public library
//! (`spacelift-policies-example-library`), in our words: each is named as the example is.

use contracts::{Action, chain::WorkerPool, change::TouchedFiles, gate::PlannedChange};

use super::{
    table::{Follows, follows_of},
    *,
};
use crate::fixtures::{at, stack};
use Follows::{Denies, Passes, Waits, Warns};

/// Approvals are of v0 unless they say otherwise, as there.
const APPROVALS: [(&str, &str); 7] = [
    (
        "allowlist-task-commands",
        "approve { input.run.type != \"TASK\" }\n\
         approve { harmless[input.run.command] }\n\
         approve { count(input.reviews.current.approvals) >= 2 }\n\
         harmless := {\"ls\", \"ps\"}",
    ),
    (
        "approval-outside-working-hours",
        "hour := time.clock(input.run.created_at)[0]\n\
         by_day { hour >= 9; hour < 18 }\n\
         approve { by_day }\n\
         approve { input.reviews.current.approvals[_] }\n\
         reject { input.reviews.current.rejections[_] }",
    ),
    (
        "require-approval-from-security-team",
        "approve { input.run.state != \"UNCONFIRMED\" }\n\
         guarded := {\"aws_iam_role\", \"aws_security_group\"}\n\
         asks { c := input.run.changes[_]; guarded[c.entity.type]; c.actions[_] == \"added\" }\n\
         approve { input.reviews.current.approvals[_].session.teams[_] == \"Security\" }\n\
         reject { input.reviews.current.rejections[_] }",
    ),
    (
        "require-private-worker",
        "shared { input.stack.worker_pool.public }\n\
         approve { not shared }\n\
         reject { shared }",
    ),
    (
        "role-based-approval",
        "asks { input.run.state == \"UNCONFIRMED\" }\n\
         asks { input.run.type == \"TASK\" }\n\
         has(team) { input.reviews.current.approvals[_].session.teams[_] == team }\n\
         approve { not asks }\n\
         approve { has(\"Director\") }\n\
         approve { has(\"DevOps\"); has(\"Security\") }",
    ),
    (
        "two-approvals-no-rejections",
        "said := input.reviews.current\n\
         approve { input.run.state != \"UNCONFIRMED\" }\n\
         approve { count(said.approvals) >= 2; count(said.rejections) == 0 }",
    ),
    (
        "two-approvals-two-rejections",
        "said := input.reviews.current\n\
         approve { input.run.state != \"UNCONFIRMED\" }\n\
         approve { count(said.approvals) >= 2 }\n\
         reject { count(said.rejections) >= 2 }",
    ),
];

const PLANS: [(&str, &str); 10] = [
    (
        "check-blast-radius",
        "of_type := {\"aws_ecs_cluster\": 20}\n\
         of_action := {\"delete\": 10, \"update\": 5, \"create\": 1}\n\
         weight(r) := sum([w | n := of_action[r.change.actions[_]]; w := n * of(r.type)])\n\
         of(type) := object.get(of_type, type, 1)\n\
         all := sum([weight(r) | r := input.terraform.resource_changes[_]])\n\
         large[sprintf(\"it weighs %d\", [all])] { all > 100 }\n\
         deny[m] { input.spacelift.run.type == \"PROPOSED\"; large[m] }\n\
         warn[m] { input.spacelift.run.type != \"PROPOSED\"; large[m] }",
    ),
    (
        "deny-proposed-runs-warn-track-runs",
        "users[r.address] { r := input.terraform.resource_changes[_]; r.type == \"aws_iam_user\"; \
         r.change.actions[_] == \"create\" }\n\
         deny[x] { input.spacelift.run.type == \"PROPOSED\"; users[x] }\n\
         warn[x] { input.spacelift.run.type == \"TRACKED\"; users[x] }",
    ),
    (
        "do-not-delete-stateful-resources",
        "kept := {\"aws_db_instance\", \"aws_s3_bucket\"}\n\
         deny[r.address] { r := input.terraform.resource_changes[_]; kept[r.type]; \
         r.change.actions[_] == \"delete\" }",
    ),
    (
        "enforce-module-use-policy",
        "wrapped := {\"aws_s3_bucket\"}\n\
         deny[sprintf(\"%s is in no module\", [r.address])] {\n\
           r := input.terraform.resource_changes[_]; wrapped[r.type]\n\
           makes[r.change.actions[_]]; not r.module_address }\n\
         makes := {\"create\", \"update\"}",
    ),
    (
        "mandatory-and-acceptable-labels-stack",
        "wanted := {\"owner:net\"}\n\
         deny[label] { wanted[label]; not has(label) }\n\
         has(label) { input.spacelift.stack.labels[_] == label }",
    ),
    (
        "require-human-review-for-drift-detection-reconciliation",
        "warn[\"drift\"] { input.spacelift.run.drift_detection }",
    ),
    (
        "require-human-review-for-update-deletion",
        "warn[sprintf(\"%s: %s\", [r.address, action])] {\n\
           r := input.terraform.resource_changes[_]; action := r.change.actions[_]\n\
           looked_at[action] }\n\
         looked_at := {\"update\", \"delete\"}",
    ),
    (
        "require-reasonable-commit-size",
        "touched := [r | r := input.terraform.resource_changes[_]; r.change.actions != [\"no-op\"]]\n\
         large[sprintf(\"%d at once\", [count(touched)])] { count(touched) > 50 }\n\
         deny[m] { input.spacelift.run.type == \"PROPOSED\"; large[m] }\n\
         warn[m] { input.spacelift.run.type != \"PROPOSED\"; large[m] }",
    ),
    (
        "trusted-engineers-bypass-review",
        "trusted := {\"alice\", \"bob\"}\n\
         warn[sprintf(\"%s is not trusted\", [author])] { author := input.spacelift.commit.author; \
         not trusted[author] }",
    ),
    (
        "warn-on-change-sensitive-resources",
        "sensitive := {\"aws_iam_role\", \"aws_security_group\"}\n\
         warn[r.address] { r := input.terraform.resource_changes[_]; sensitive[r.type]; \
         looked_at[r.change.actions[_]] }\n\
         looked_at := {\"update\", \"delete\"}",
    ),
];

const PUSHES: [(&str, &str); 8] = [
    (
        "allow-forks",
        "propose { true }\n\
         allow_fork { input.pull_request.head_owner == \"acme\" }",
    ),
    (
        "deploy-with-git-tag",
        "track { regex.match(`^\\d+\\.\\d+\\.\\d+$`, input.push.tag) }\n\
         propose { input.push.branch != input.stack.branch }",
    ),
    (
        "deploy-with-pr-label",
        "track { input.pull_request.labels[_] == \"deploy\" }\n\
         propose { true }",
    ),
    (
        "ignore-changes-outside-root",
        "inside { file := input.push.affected_files[_]; startswith(file, input.stack.project_root); \
         endswith(file, \".tf\") }\n\
         track { inside; input.push.branch == input.stack.branch }\n\
         propose { inside }\n\
         ignore { not inside }\n\
         ignore { input.push.tag != \"\" }",
    ),
    (
        "lock-button-pauses-runs-by-pushes",
        "inside { strings.any_prefix_match(input.push.affected_files, input.stack.project_root) }\n\
         free { inside; input.stack.locked_by == null }\n\
         track { free; input.push.branch == input.stack.branch }\n\
         propose { free; input.push.branch != \"\" }\n\
         ignore { input.push.branch == \"\" }",
    ),
    (
        "prs-only",
        "of_pr { not is_null(input.pull_request) }\n\
         track { of_pr; input.push.branch == input.stack.branch }\n\
         propose { of_pr }\n\
         ignore { not of_pr }",
    ),
    (
        "set-head-commit-no-trigger",
        "track { input.push.branch == input.stack.branch }\n\
         propose { not track }\n\
         notrigger { true }",
    ),
    (
        "track-using-labels",
        "tracked[folder] { [\"trackeddirectories\", folder] := split(input.stack.labels[_], \":\") }\n\
         inside { startswith(input.push.affected_files[_], tracked[_]) }\n\
         track { inside; input.push.branch == input.stack.branch }\n\
         propose { input.push.branch != \"\" }\n\
         ignore { not inside }",
    ),
];

const PEOPLE: &str = "group \"Security\" { members = [\"sam\"] }\n\
                      group \"DevOps\" { members = [\"dev\"] }\n\
                      group \"Director\" { members = [\"dan\"] }\n";

fn plan_of(kind: &str, action: &str, count: usize) -> GateRequested {
    let change = |n: usize| PlannedChange {
        address: format!("{kind}.n{n}"),
        resource_type: kind.to_owned(),
        action: action.to_owned(),
        stack: None,
    };
    GateRequested { changes: Some((0..count).map(change).collect()), ..prod(Moment::BeforeApply) }
}

fn said(names: &[(&str, bool)]) -> Vec<Review> {
    (1..).zip(names).map(|(id, (by, approve))| review(id, by, *approve)).collect()
}

/// A program, what was said, and what follows.
type Row<'a> = (&'a str, &'a [(&'a str, bool)], Follows);

#[test]
fn approvals_wait_for_whom_they_name() {
    let apply = plan_of("aws_iam_role", "added", 1);
    let destroys = GateRequested { action: Action::Destroy, ..prod(Moment::BeforePlan) };
    let (yes, no) = (|by| (by, true), |by| (by, false));
    let table: [Row<'_>; 19] = [
        ("allowlist-task-commands", &[], Passes),
        ("approval-outside-working-hours", &[], Passes),
        ("require-approval-from-security-team", &[], Waits),
        ("require-approval-from-security-team", &[yes("dev")], Waits),
        ("require-approval-from-security-team", &[yes("sam")], Passes),
        ("require-approval-from-security-team", &[yes("sam"), no("dev")], Denies),
        ("role-based-approval", &[], Waits),
        ("role-based-approval", &[yes("dev")], Waits),
        ("role-based-approval", &[yes("dev"), yes("sam")], Passes),
        ("role-based-approval", &[yes("dan")], Passes),
        ("two-approvals-no-rejections", &[], Waits),
        ("two-approvals-no-rejections", &[yes("dev")], Waits),
        ("two-approvals-no-rejections", &[yes("dev"), yes("sam")], Passes),
        ("two-approvals-no-rejections", &[yes("dev"), yes("sam"), no("dan")], Waits),
        ("two-approvals-two-rejections", &[no("dan")], Waits),
        ("two-approvals-two-rejections", &[no("dan"), no("sam")], Denies),
        ("two-approvals-two-rejections", &[yes("dev"), yes("sam"), no("dan")], Passes),
        ("two-approvals-two-rejections", &[yes("dev"), yes("@Dev"), no("dan")], Waits),
        ("two-approvals-two-rejections", &[], Waits),
    ];
    for (row, (name, reviews, wanted)) in table.into_iter().enumerate() {
        let reviews = said(reviews);
        for gate in [&apply, &destroys] {
            let found = follows_of((&APPROVALS, PEOPLE), name, gate, &reviews, noon());
            assert_eq!(found, wanted, "row {row}: {name}, {}", gate.moment);
        }
    }
    let on = |pool: WorkerPool| {
        let mut gate = plan_of("aws_iam_role", "added", 1);
        gate.stacks[0].worker_pool = Some(pool);
        follows_of((&APPROVALS, PEOPLE), "require-private-worker", &gate, &[], noon())
    };
    let own = WorkerPool { id: "01J8ZK4M7N2P5Q8R1S4T7V0W3X".into(), name: "own".into() };
    assert_eq!((on(own), on(WorkerPool::public())), (Passes, Denies));
    let at_night = at("2026-11-20T20:00:00Z");
    let night = |reviews: &[Review]| {
        let name = "approval-outside-working-hours";
        follows_of((&APPROVALS, PEOPLE), name, &apply, reviews, at_night)
    };
    assert_eq!((night(&[]), night(&said(&[yes("dev")]))), (Waits, Passes));
    assert_eq!(night(&said(&[yes("dev"), no("sam")])), Denies);
}

#[test]
fn plans_are_denied_wait_for_a_person_or_pass() {
    let mut by_alice = prod(Moment::BeforeApply);
    by_alice.change.author = "alice".to_owned();
    let drift = GateRequested { action: Action::FixDrift, ..prod(Moment::BeforeApply) };
    let mut labelled = prod(Moment::BeforeApply);
    labelled.stacks[0].labels.push("owner:net".to_owned());
    let mut in_module = plan_of("aws_s3_bucket", "added", 1);
    for change in in_module.changes.iter_mut().flatten() {
        change.address.insert_str(0, "module.logs.");
    }
    let any = || prod(Moment::BeforeApply);
    let table = [
        ("check-blast-radius", plan_of("aws_ecs_cluster", "deleted", 1), Waits),
        ("check-blast-radius", plan_of("aws_vpc", "deleted", 9), Passes),
        ("deny-proposed-runs-warn-track-runs", plan_of("aws_iam_user", "added", 1), Waits),
        ("deny-proposed-runs-warn-track-runs", plan_of("aws_iam_user", "deleted", 1), Passes),
        ("do-not-delete-stateful-resources", plan_of("aws_s3_bucket", "deleted", 1), Denies),
        ("do-not-delete-stateful-resources", plan_of("aws_s3_bucket", "changed", 1), Passes),
        ("enforce-module-use-policy", plan_of("aws_s3_bucket", "added", 1), Denies),
        ("enforce-module-use-policy", in_module, Passes),
        ("mandatory-and-acceptable-labels-stack", any(), Denies),
        ("mandatory-and-acceptable-labels-stack", labelled, Passes),
        ("require-human-review-for-drift-detection-reconciliation", drift, Waits),
        ("require-human-review-for-drift-detection-reconciliation", any(), Passes),
        ("require-human-review-for-update-deletion", plan_of("aws_vpc", "changed", 1), Waits),
        ("require-human-review-for-update-deletion", plan_of("aws_vpc", "added", 1), Passes),
        ("require-reasonable-commit-size", plan_of("aws_vpc", "added", 51), Waits),
        ("require-reasonable-commit-size", plan_of("aws_vpc", "added", 50), Passes),
        ("trusted-engineers-bypass-review", any(), Waits),
        ("trusted-engineers-bypass-review", by_alice, Passes),
        ("warn-on-change-sensitive-resources", plan_of("aws_iam_role", "deleted", 1), Waits),
        ("warn-on-change-sensitive-resources", plan_of("aws_iam_role", "added", 1), Passes),
    ];
    for (row, (name, gate, wanted)) in table.into_iter().enumerate() {
        let found = |reviews: &[Review]| follows_of((&PLANS, PEOPLE), name, &gate, reviews, noon());
        assert_eq!(found(&[]), wanted, "row {row}: {name}");
        // A person may always let go on what only wants one.
        let looked = if wanted == Waits { Warns } else { wanted };
        assert_eq!(found(&said(&[("dev", true)])), looked, "row {row}: {name}");
    }
}

#[test]
fn pushes_run_plan_or_do_nothing() {
    let push = |files: &[&str], pull_request: Option<u64>| {
        let mut stack = stack("net-prod", &["trackeddirectories:stacks/net"]);
        stack.path = Some("stacks/net".to_owned());
        let mut gate = crate::fixtures::request(Moment::BeforeChain, &[stack]);
        gate.change.pull_request = pull_request;
        gate.kind = if pull_request.is_some() { ChainKind::Preview } else { ChainKind::Deploy };
        gate.files = Some(TouchedFiles::of(files.iter().copied()));
        gate
    };
    let inside = ["stacks/net/main.tf"];
    let (pushed, proposed) = (push(&inside, None), push(&inside, Some(7)));
    let (aside, aside_of) = (push(&["README.md"], None), push(&["README.md"], Some(7)));
    // What becomes of a push, of a pull request, and of both if they touch something else.
    let table = [
        ("allow-forks", [Denies, Passes, Denies, Passes]),
        ("deploy-with-git-tag", [Denies, Passes, Denies, Passes]),
        ("deploy-with-pr-label", [Denies, Passes, Denies, Passes]),
        ("ignore-changes-outside-root", [Passes, Passes, Denies, Denies]),
        ("lock-button-pauses-runs-by-pushes", [Passes, Passes, Denies, Denies]),
        ("prs-only", [Denies, Passes, Denies, Passes]),
        ("set-head-commit-no-trigger", [Denies, Passes, Denies, Passes]),
        ("track-using-labels", [Passes, Passes, Denies, Denies]),
    ];
    for (name, wanted) in table {
        let found = [&pushed, &proposed, &aside, &aside_of]
            .map(|gate| follows_of((&PUSHES, PEOPLE), name, gate, &[], noon()));
        assert_eq!(found, wanted, "{name}");
    }

    let mut tagged = push(&inside, None);
    tagged.change.branch = "1.2.3".to_owned();
    let of =
        |name: &str, gate: &GateRequested| follows_of((&PUSHES, PEOPLE), name, gate, &[], noon());
    assert_eq!(of("deploy-with-git-tag", &tagged), Denies, "a branch may be called so");
    tagged.stacks[0].labels.push("stackly:on-tag=*".to_owned());
    assert_eq!(of("deploy-with-git-tag", &tagged), Passes);
    for by_branch in ["ignore-changes-outside-root", "lock-button-pauses-runs-by-pushes"] {
        assert_eq!(of(by_branch, &tagged), Denies, "{by_branch}");
    }
}
