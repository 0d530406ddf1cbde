use contracts::{
    StackId,
    chain::ChainKind,
    gate::{GateRequested, Moment},
};

use super::{super::clearance, File, read};
use crate::fixtures::{noon, policies, request, stack};

/// A chain over a stack of each environment, and one that applies by itself.
fn chain() -> GateRequested {
    let mut alone = stack("alone", &["env:prod"]);
    alone.autodeploy = true;
    let stacks = [stack("net-prod", &["env:prod"]), stack("net-dev", &["env:dev"]), alone];
    request(Moment::BeforeChain, &stacks)
}

/// What must be asked of a chain all the same: `net-prod before_apply, …`
fn asked(text: &str, request: &GateRequested) -> String {
    let asked = clearance(&[&policies(text)], request, noon()).asked;
    let lines = asked
        .iter()
        .flat_map(|asked| asked.moments.iter().map(|moment| format!("{} {moment}", asked.stack)));
    lines.collect::<Vec<_>>().join(", ")
}

#[test]
fn who_no_policy_speaks_about_need_not_ask_for_a_day() {
    let cleared = clearance(&[&policies("")], &chain(), noon());
    assert_eq!(cleared.asked, []);
    let stack = StackId::from("net-prod");
    let covers = |hours| {
        cleared.covers(&stack, Moment::BeforeApply, noon() + chrono::TimeDelta::hours(hours))
    };
    assert!(covers(23) && !covers(24));
}

#[test]
fn who_a_policy_speaks_about_asks_where_it_speaks() {
    let night = r#"policy "night" {
        match { environment = "prod" }
        schedule { allowed_hours = ["22-6"] }
    }"#;
    // Who applies by itself is asked before its plan, or never.
    assert_eq!(
        asked(night, &chain()),
        "net-prod before_apply, alone before_plan, alone before_apply"
    );
    let said = r#"policy "told" {
        match { stacks = ["net-dev"] }
        warn { reason = "the old network goes in May" }
    }"#;
    assert_eq!(asked(said, &chain()), "net-dev before_plan");
}

#[test]
fn a_plan_is_read_only_for_who_has_a_policy_that_may_look_into_it() {
    let reads = |text: &str| {
        let asked = clearance(&[&policies(text)], &chain(), noon()).asked;
        let reads = asked.iter().filter(|asked| asked.reads_plan);
        reads.map(|asked| asked.stack.to_string()).collect::<Vec<_>>().join(", ")
    };
    let wrapped =
        |body: &str| format!("policy \"p\" {{\n match {{ stacks = [\"net-prod\"] }}\n {body}\n}}");
    assert_eq!(reads(&wrapped("limits { protected_types = [\"aws_db_*\"] }")), "net-prod");
    assert_eq!(reads(&wrapped("limits { max_deleted = 3 }")), "");
    assert_eq!(reads(&wrapped("approval { min_approvers = 1 }")), "");
    let hook = "hook \"h\" {\n match { stacks = [\"net-dev\"] }\n timeout = \"60s\"\n on_silence = \"deny\"\n}";
    assert_eq!(reads(hook), "net-dev");
    let program = |rule: &str| {
        let file = |name: &str, text: String| File { name: name.to_owned(), text };
        let hcl =
            "rego \"p\" {\n file = \"p.rego\"\n match { stacks = [\"net-dev\"] }\n}".to_owned();
        let files = [file("a.hcl", hcl), file("p.rego", format!("package spacelift\n{rule}\n"))];
        let asked = clearance(&[&read(&files).unwrap()], &chain(), noon()).asked;
        asked.iter().any(|asked| asked.reads_plan)
    };
    assert!(program("deny[x] { x := input.terraform.resource_changes[_].address }"));
    assert!(!program("deny[\"no\"] { input.run.type == \"TRACKED\" }"));
}

#[test]
fn what_time_or_a_plan_may_change_counts_as_spoken() {
    let tomorrow = r#"policy "move" {
        match {
          environment = "dev"
          from        = "2026-11-21T00:00:00Z"
        }
        deny { reason = "the move" }
    }"#;
    assert_eq!(asked(tomorrow, &chain()), "net-dev before_plan");
    let large = r#"policy "large" {
        match {
          environment = "dev"
          min_deleted = 5
        }
        approval {}
    }"#;
    assert_eq!(asked(large, &chain()), "net-dev before_apply");
}

#[test]
fn a_policy_about_another_origin_or_kind_does_not_count() {
    let elsewhere = r#"policy "elsewhere" {
        match { branches = ["release-*"] }
        deny { reason = "frozen" }
    }"#;
    assert_eq!(asked(elsewhere, &chain()), "");
    let people = "policy \"people\" {\n  approval {}\n}\n";
    let preview = GateRequested { kind: ChainKind::Preview, ..chain() };
    assert_eq!(asked(people, &preview), "");
    assert_ne!(asked(people, &chain()), "");
}

#[test]
fn who_policies_on_trial_speak_about_asks_too() {
    let (live, trial) = (policies(""), policies("policy \"people\" {\n  approval {}\n}\n"));
    assert_eq!(clearance(&[&live, &trial], &chain(), noon()).asked.len(), 3);
}
