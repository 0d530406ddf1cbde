//! Gates see what they match on: where a stack's code lies, and what its plan would change.

use contracts::{Code, chain::ChainState, step::StepState};
use harness::{Pipeline, Setup, accounts};
use simulator::{PlanResult, ResourceChange, RunState};

const POLICY: &str = r#"
policy "keep" {
  match { paths = ["stacks/a"] }
  limits { protected_types = ["aws_db_*"] }
}
rego "plan" {
  file = "plan.rego"
}
"#;

const PROGRAM: &str = r#"
package spacelift

import rego.v1

deny contains sprintf("%s must not be made", [change.address]) if {
  some change in input.terraform.resource_changes
  change.type == "aws_sqs_queue"
  "create" in change.change.actions
}
"#;

/// `a` before `b`, neither of which applies by itself.
async fn guarded() -> Pipeline {
    let mut account = accounts::account(&[("a", &[]), ("b", &["a"])]);
    for stack in &mut account.stacks {
        stack.autodeploy = false;
    }
    let policies = vec![("keep.hcl", POLICY.to_owned()), ("plan.rego", PROGRAM.to_owned())];
    Pipeline::with(Setup { account, policies, ..Setup::default() }).await
}

fn plan(pipeline: &Pipeline, stack: &str, kind: &str, address: &str) {
    let (add, delete) = if kind == "add" { (1, 0) } else { (0, 1) };
    pipeline.spacelift.set_plan(stack, PlanResult::Changes { add, change: 0, delete }).unwrap();
    pipeline.spacelift.set_changes(stack, vec![ResourceChange::new(kind, address)]).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_deletes_what_is_protected_where_it_is_protected_is_discarded() {
    let pipeline = guarded().await;
    plan(&pipeline, "a", "delete", "module.db.aws_db_instance.main");

    let commit = pipeline.push(&["stacks/a/main.tf"]).await;
    let chain = pipeline.ended(&commit).await;

    let denied = &chain.steps_in_order[0].summary;
    assert_eq!((denied.state, denied.reason.code), (StepState::Denied, Code::LimitExceeded));
    assert!(denied.reason.text.contains("module.db.aws_db_instance.main"), "{}", denied.reason);
    assert_eq!(chain.line.state, ChainState::Failed);
    assert_eq!(pipeline.spacelift.runs("a")[0].state, RunState::Discarded);
    pipeline.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_known_not_to_be_protected_is_deleted_and_a_program_sees_every_resource() {
    let pipeline = guarded().await;
    plan(&pipeline, "a", "delete", "aws_subnet.old");
    plan(&pipeline, "b", "add", "module.queue[\"a.b\"].aws_sqs_queue.jobs");

    let commit = pipeline.push(&["stacks/a/main.tf"]).await;
    let chain = pipeline.ended(&commit).await;

    let states: Vec<_> = chain.steps_in_order.iter().map(|step| step.summary.state).collect();
    assert_eq!(states, [StepState::Finished, StepState::Denied]);
    let reason = &chain.steps_in_order[1].summary.reason;
    assert_eq!(reason.code, Code::PolicyDenied);
    assert!(reason.text.contains("aws_sqs_queue.jobs must not be made"), "{reason}");

    // Elsewhere the same deletion is nobody's concern.
    plan(&pipeline, "b", "delete", "aws_db_instance.scratch");
    let commit = pipeline.push(&["stacks/b/main.tf"]).await;
    let chain = pipeline.ended(&commit).await;
    pipeline.assert_all_well(&[chain]);
    pipeline.stop().await;
}
