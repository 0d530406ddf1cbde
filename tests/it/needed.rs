//! Steps that need not run, that wait for some of their parents, and that wait for a place.

use contracts::{ChainId, Code, GateId, Message, order::CancelChain, step::StepState, subject};
use executor::{ChainPage, StepPage};
use harness::{
    Pipeline, Setup, accounts, github,
    patience::{PATIENCE, eventually},
};
use receivers::work::Work;
use serde_json::{Value, json};
use simulator::{OutputSeed, Pace, PlanResult, WorkerPoolSeed};

fn step<'a>(page: &'a ChainPage, stack: &str) -> &'a StepPage {
    let steps = &page.steps_in_order;
    steps.iter().find(|step| step.summary.stack.as_str() == stack).unwrap()
}

async fn cancel(pipeline: &Pipeline, chain: ChainId) {
    let order = CancelChain { chain, stack: None, force: false, by: "bob".to_owned(), note: None };
    let subject = subject::command(CancelChain::TYPE);
    pipeline.bus.request(&subject, &json!(order)).await.unwrap().unwrap();
}

/// Pushes to the repository `apps`; gives the commit.
async fn push_to_apps(pipeline: &Pipeline, path: &str) -> String {
    let commit = github::commit();
    let mut push = github::push(&commit, &[path]);
    push["repository"]["full_name"] = json!("acme/apps");
    push["repository"]["name"] = json!("apps");
    let (status, answer) = pipeline.deliver("push", &push).await;
    assert_eq!(status, 202, "{answer}");
    commit
}

/// Waits until the plan of a stack waits for people.
async fn held(pipeline: &Pipeline, commit: &str, stack: &str) -> GateId {
    let held = |page: &ChainPage| {
        let StepPage { summary, .. } = step(page, stack);
        summary.state == StepState::GatingApply && summary.reason.code == Code::ApprovalNeeded
    };
    step(&pipeline.chain_when(commit, PATIENCE, held).await, stack).gate.unwrap()
}

async fn approve(pipeline: &Pipeline, gate: GateId) {
    pipeline.review(gate, true, "bob").await.unwrap();
}

/// Slow enough that every state of a run is told by itself.
fn steady() -> Pace {
    Pace::uniform(150)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_follows_does_not_run_when_nothing_changed_unless_it_is_told_to() {
    let mut account = accounts::account(&[("a", &[]), ("b", &["a"]), ("c", &["b"])]);
    account.stacks[2].labels.push("stackly:always".to_owned());
    let pipeline = Pipeline::with(Setup { account, pace: steady(), ..Setup::default() }).await;
    let first = pipeline.push(&["stacks/a/main.tf"]).await;
    let first = pipeline.ended(&first).await;
    assert_eq!(pipeline.spacelift.runs("b").len(), 1, "nobody knew how it stood");

    pipeline.spacelift.set_plan("a", PlanResult::NoChanges).unwrap();
    let second = pipeline.push(&["stacks/a/main.tf"]).await;
    let second = pipeline.ended(&second).await;

    let b = &step(&second, "b").summary;
    assert_eq!((b.state, b.reason.code), (StepState::Finished, Code::InputsUnchanged));
    assert!(b.run.is_none() && b.reason.text.contains("a changed nothing"), "{}", b.reason.text);
    assert_eq!(pipeline.spacelift.runs("b").len(), 1);
    assert_eq!(pipeline.spacelift.runs("c").len(), 2, "its label has it run always");
    pipeline.assert_all_well(&[first, second]);
    pipeline.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_waits_for_any_parent_starts_with_the_first_and_says_how_many_it_needs() {
    let mut account = accounts::account(&[("a", &[]), ("b", &[]), ("c", &["a", "b"])]);
    account.stacks[0].autodeploy = false;
    account.stacks[2].labels.push("stackly:join=any".to_owned());
    let pipeline = Pipeline::with(Setup { account, ..Setup::default() }.holding("a")).await;
    let commit = pipeline.push(&["stacks/a/main.tf", "stacks/b/main.tf"]).await;

    let done = |page: &ChainPage| step(page, "c").summary.state == StepState::Finished;
    let page = pipeline.chain_when(&commit, PATIENCE, done).await;

    assert_eq!(step(&page, "c").needed, 1);
    assert!(!step(&page, "a").summary.state.is_terminal(), "it waits for people still");
    pipeline.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_runs_than_the_limit_are_at_once_and_who_waits_says_for_what() {
    let mut account = accounts::account(&[("a", &[]), ("b", &[])]);
    account.stacks[0].autodeploy = false;
    let environment = vec![("EXECUTOR__LIMITS__ACCOUNT".to_owned(), "1".to_owned())];
    let setup = Setup { account, environment, ..Setup::default() };
    let pipeline = Pipeline::with(setup.holding("a")).await;
    let first = pipeline.push(&["stacks/a/main.tf"]).await;
    let held = |page: &ChainPage| step(page, "a").summary.state == StepState::GatingApply;
    let first = pipeline.chain_when(&first, PATIENCE, held).await.line.chain;

    let second = pipeline.push(&["stacks/b/main.tf"]).await;
    let waits = |page: &ChainPage| step(page, "b").summary.state == StepState::Queued;
    let page = pipeline.chain_when(&second, PATIENCE, waits).await;
    let reason = &step(&page, "b").summary.reason;
    assert_eq!(reason.code, Code::WaitingForPlace);
    let full = format!("1 of 1 runs at once of the account are under way: a of {first};");
    assert!(reason.text.contains(&full), "{}", reason.text);

    cancel(&pipeline, first).await;
    let second = pipeline.ended(&second).await;
    pipeline.assert_all_well(&[second]);
    pipeline.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_pool_and_a_cloud_account_bear_only_so_many_runs_and_who_waits_says_which() {
    let mut account = accounts::account(&[("a", &[]), ("b", &[]), ("c", &[])]);
    account.worker_pools =
        vec![WorkerPoolSeed { id: "01POOL".into(), name: "eu".into(), ..Default::default() }];
    let [a, b, c] = account.stacks.get_disjoint_mut([0, 1, 2]).unwrap();
    (a.worker_pool, b.worker_pool) = (Some("01POOL".into()), Some("01POOL".into()));
    a.aws_integrations.push("production".into());
    c.labels.push("stackly:cloud-account=production".to_owned());
    a.autodeploy = false;
    let limited = [("WORKER_POOLS", "{ eu = 1 }"), ("CLOUD_ACCOUNTS", "{ production = 1 }")];
    let environment =
        limited.map(|(key, value)| (format!("EXECUTOR__LIMITS__{key}"), value.into()));
    let setup = Setup { account, environment: environment.into(), ..Setup::default() };
    let pipeline = Pipeline::with(setup.holding("a")).await;
    let first = pipeline.push(&["stacks/a/main.tf"]).await;
    let held = |page: &ChainPage| step(page, "a").summary.state == StepState::GatingApply;
    let first = pipeline.chain_when(&first, PATIENCE, held).await.line.chain;

    let second = pipeline.push(&["stacks/b/main.tf", "stacks/c/main.tf"]).await;
    let waits = |page: &ChainPage| {
        ["b", "c"].iter().all(|stack| step(page, stack).summary.state == StepState::Queued)
    };
    let page = pipeline.chain_when(&second, PATIENCE, waits).await;
    for (stack, limit) in [("b", "worker pool eu"), ("c", "cloud account production")] {
        let reason = &step(&page, stack).summary.reason;
        assert_eq!(reason.code, Code::WaitingForPlace);
        let full = format!("1 of 1 runs at once of {limit} are under way: a of {first};");
        assert!(reason.text.contains(&full), "{}", reason.text);
    }

    cancel(&pipeline, first).await;
    let second = pipeline.ended(&second).await;
    pipeline.assert_all_well(&[second]);
    pipeline.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dependency_that_counts_only_on_another_branch_brings_nothing_into_the_chain() {
    let mut account = accounts::account(&[("a", &[]), ("b", &["a"]), ("c", &["a"]), ("d", &["a"])]);
    let labels =
        ["stackly:only=branch:release/*:a", "stackly:only=branch:main", "stackly:only=env:prod"];
    for (stack, label) in account.stacks[1..].iter_mut().zip(labels) {
        stack.labels.push(label.to_owned());
    }
    let pipeline = Pipeline::with(Setup { account, ..Setup::default() }).await;
    let commit = pipeline.push(&["stacks/a/main.tf"]).await;

    let chain = pipeline.ended(&commit).await;
    let steps: Vec<_> =
        chain.steps_in_order.iter().map(|step| step.summary.stack.as_str()).collect();
    assert_eq!(steps, ["a", "c"]);
    assert!(pipeline.spacelift.runs("b").is_empty() && pipeline.spacelift.runs("d").is_empty());
    pipeline.assert_all_well(&[chain]);
    pipeline.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_there_for_failures_runs_when_its_parent_failed_and_only_then() {
    let mut account = accounts::account(&[("a", &[]), ("repair", &["a"])]);
    account.stacks[1].labels.push("stackly:on=failure:a".to_owned());
    let pipeline = Pipeline::with(Setup { account, ..Setup::default() }).await;
    let commit = pipeline.push(&["stacks/a/main.tf"]).await;
    let well = pipeline.ended(&commit).await;
    let reason = &step(&well, "repair").summary.reason;
    assert_eq!(reason.code, Code::ConditionUnmet, "{reason}");
    assert!(pipeline.spacelift.runs("repair").is_empty());

    pipeline.spacelift.plan_once("a", PlanResult::FailPlanning).unwrap();
    let commit = pipeline.push(&["stacks/a/main.tf"]).await;
    let failed = pipeline.ended(&commit).await;
    let states = failed.steps_in_order.iter().map(|step| step.summary.state);
    assert_eq!(states.collect::<Vec<_>>(), [StepState::Failed, StepState::Finished]);
    assert_eq!(pipeline.spacelift.runs("repair").len(), 1);
    pipeline.assert_all_well(&[well]);
    pipeline.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_code_says_of_a_stack_that_only_code_calls_so_is_done_with_that_stack() {
    let (code, mirrors) = (Work::new(), tempfile::tempdir().unwrap());
    let mut before = code.commit(&[
        ("dns/stackly.hcl", "stack \"dns\" {\n  spacelift { stack = \"acme-dns-prod\" }\n}\n"),
        ("repair/stackly.hcl", "stack \"repair\" {\n  on_failure_of = [\"dns\"]\n}\n"),
        ("shop/stackly.hcl", "stack \"shop\" {\n  input \"zone\" { stack = \"dns\" }\n}\n"),
    ]);
    let mut account = accounts::account(&[("acme-dns-prod", &[]), ("repair", &[]), ("shop", &[])]);
    for (stack, folder) in account.stacks.iter_mut().zip(["dns", "repair", "shop"]) {
        stack.project_root = Some(folder.to_owned());
    }
    account.stacks[0].name = "DNS of production".into();
    account.stacks[0].outputs = [("zone".to_owned(), OutputSeed::from("\"z-1\""))].into();
    let environment =
        [("PLANNER__GIT__FOLDER", mirrors.path()), ("PLANNER__GIT__URL", code.path())];
    let environment = environment.map(|(name, path)| (name.to_owned(), path.display().to_string()));
    let setup = Setup { account, environment: environment.into(), ..Setup::default() };
    let pipeline = Pipeline::with(setup).await;
    let status = subject::question("planner", "status");
    eventually(
        "the code to be read",
        PATIENCE,
        || async { pipeline.bus.request(&status, &Value::Null).await },
        |status| matches!(status, Ok(Ok(status)) if status["with_code"] == 3),
    )
    .await
    .unwrap()
    .unwrap();
    let push = async |before: &mut String, text: &str| {
        let commit = code.commit(&[("dns/main.tf", text)]);
        let mut payload = github::push(&commit, &[]);
        payload["before"] = json!(std::mem::replace(before, commit.clone()));
        pipeline.deliver("push", &payload).await;
        pipeline.ended(&commit).await
    };

    let well = push(&mut before, "# one").await;
    assert_eq!(step(&well, "repair").summary.reason.code, Code::ConditionUnmet);
    assert!(pipeline.spacelift.runs("repair").is_empty());
    assert_eq!(pipeline.spacelift.runs("shop")[0].inputs["TF_VAR_zone"], "z-1");
    pipeline.spacelift.plan_once("acme-dns-prod", PlanResult::FailPlanning).unwrap();
    let failed = push(&mut before, "# two").await;
    assert_eq!(step(&failed, "repair").summary.state, StepState::Finished);
    assert_eq!(pipeline.spacelift.runs("repair").len(), 1);
    assert_eq!(step(&failed, "shop").summary.state, StepState::Skipped);
    pipeline.assert_all_well(&[well]);
    pipeline.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pushes_to_two_repositories_that_wait_for_one_stack_run_it_once_and_what_follows_it_too() {
    let stacks: &[(&str, &[&str])] =
        &[("a", &[]), ("b", &[]), ("first", &[]), ("s", &["a", "b"]), ("t", &["s"])];
    let mut account = accounts::account(stacks);
    account.stacks[1].repository = "apps".to_owned();
    account.stacks[2].autodeploy = false;
    account.stacks[2].labels.push("slow".to_owned());
    account.stacks[3].labels.push("slow".to_owned());
    let environment = vec![("EXECUTOR__LIMITS__LABELS".to_owned(), "{ slow = 1 }".to_owned())];
    let setup = Setup { account, environment, pace: steady(), ..Setup::default() };
    let pipeline = Pipeline::with(setup.holding("first")).await;
    let first = pipeline.push(&["stacks/first/main.tf"]).await;
    let held = |page: &ChainPage| step(page, "first").summary.state == StepState::GatingApply;
    let first = pipeline.chain_when(&first, PATIENCE, held).await.line.chain;

    let infra = pipeline.push(&["stacks/a/main.tf"]).await;
    let apps = push_to_apps(&pipeline, "stacks/b/main.tf").await;
    let waits = |page: &ChainPage| step(page, "s").summary.state == StepState::Queued;
    for commit in [&infra, &apps] {
        pipeline.chain_when(commit, PATIENCE, waits).await;
    }
    cancel(&pipeline, first).await;

    let ended = pipeline.all_ended(&[infra, apps], PATIENCE).await;
    for stack in ["a", "b", "s", "t"] {
        assert_eq!(pipeline.spacelift.runs(stack).len(), 1, "{stack}");
        let shares = |page: &&ChainPage| {
            page.steps_in_order.iter().any(|step| {
                step.summary.stack.as_str() == stack && step.summary.reason.code == Code::RunShared
            })
        };
        let shared = usize::from(["s", "t"].contains(&stack));
        assert_eq!(ended.iter().filter(shares).count(), shared, "{stack}");
    }
    pipeline.assert_all_well(&ended);
    pipeline.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parent_that_ends_while_what_follows_it_runs_in_another_chain_has_it_run_again() {
    let mut account = accounts::account(&[("a", &[]), ("b", &[]), ("s", &["a", "b"])]);
    account.stacks[1].repository = "apps".to_owned();
    account.stacks[2].autodeploy = false;
    let pipeline = Pipeline::with(Setup { account, ..Setup::default() }.holding("s")).await;
    let infra = pipeline.push(&["stacks/a/main.tf"]).await;
    let gate = held(&pipeline, &infra, "s").await;

    // This run has begun, so it does not see what comes now.
    let apps = push_to_apps(&pipeline, "stacks/b/main.tf").await;
    let waits = |page: &ChainPage| {
        let state = |stack| step(page, stack).summary.state;
        (state("b"), state("s")) == (StepState::Finished, StepState::Queued)
    };
    pipeline.chain_when(&apps, PATIENCE, waits).await;
    assert_eq!(pipeline.spacelift.runs("s").len(), 1);
    approve(&pipeline, gate).await;
    approve(&pipeline, held(&pipeline, &apps, "s").await).await;

    let ended = pipeline.all_ended(&[infra, apps], PATIENCE).await;
    let runs: Vec<_> = ended.iter().map(|page| step(page, "s").summary.run.clone()).collect();
    assert!(runs[0].is_some() && runs[1].is_some() && runs[0] != runs[1], "{runs:?}");
    for (stack, runs) in [("a", 1), ("b", 1), ("s", 2)] {
        assert_eq!(pipeline.spacelift.runs(stack).len(), runs, "{stack}");
    }
    pipeline.assert_all_well(&ended);
    pipeline.stop().await;
}
