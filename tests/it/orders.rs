//! People pause, resume, cancel and retry chains.

use bus::Problem;
use contracts::{
    ChainId, Code, Message,
    chain::ChainState,
    order::{CancelChain, ChainOrdered, OrderKind, PauseChain, ResumeChain, RetryChain},
    step::StepState,
    subject,
};
use executor::{ChainPage, OperationLine};
use harness::{Pipeline, Setup, User, accounts, listener::Listener, patience::PATIENCE};
use serde_json::{Value, json};
use simulator::{JournalEvent, Pace, PlanResult, RunState};

/// `a` before `b`; no policy speaks against anything, and `a` asks before it applies.
async fn two(pace: Pace) -> Pipeline {
    let mut account = accounts::account(&[("a", &[]), ("b", &["a"])]);
    account.stacks[0].autodeploy = false;
    Pipeline::with(Setup { account, pace, ..Setup::default() }.holding("a")).await
}

/// What `stackly pause` and the like send.
async fn order<M: Message>(user: &User, order: &M) -> Result<ChainPage, Problem> {
    let answer = user.bus.request(&subject::command(M::TYPE), &json!(order)).await.unwrap()?;
    Ok(serde_json::from_value(answer).unwrap())
}

async fn history(user: &User, chain: ChainId) -> Vec<OperationLine> {
    let subject = subject::question("executor", "history");
    let answer: Value =
        user.bus.request(&subject, &json!({ "chain": chain })).await.unwrap().unwrap();
    serde_json::from_value(answer).unwrap()
}

fn cancel(chain: ChainId, stack: Option<&str>, force: bool) -> CancelChain {
    let note = Some("wrong region".to_owned());
    CancelChain { chain, stack: stack.map(Into::into), force, by: "bob".to_owned(), note }
}

fn state(page: &ChainPage, stack: &str) -> StepState {
    let steps = &page.steps_in_order;
    steps.iter().find(|step| step.summary.stack.as_str() == stack).unwrap().summary.state
}

/// Pushes, and waits until the plan of `a` waits for people.
async fn held(pipeline: &Pipeline) -> (String, ChainPage) {
    let commit = pipeline.push(&["stacks/a/main.tf"]).await;
    let waits = |page: &ChainPage| {
        let step = &page.steps_in_order[0].summary;
        step.state == StepState::GatingApply && step.reason.code == Code::ApprovalNeeded
    };
    let page = pipeline.chain_when(&commit, PATIENCE, waits).await;
    (commit, page)
}

async fn approve(pipeline: &Pipeline, page: &ChainPage) {
    let gate = page.steps_in_order[0].gate.unwrap();
    pipeline.review(gate, true, "alice").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_chain_applies_nothing_though_it_is_approved_until_it_is_resumed() {
    let pipeline = two(Pace::zero()).await;
    let mut listener = Listener::start(&pipeline.bus).await;
    let (commit, page) = held(&pipeline).await;
    let chain = page.line.chain;
    let by = || "bob".to_owned();

    let pause = PauseChain { chain, stack: None, by: by(), note: Some("outage".to_owned()) };
    let paused = order(&pipeline, &pause).await.unwrap();
    assert_eq!(paused.line.state, ChainState::Paused);
    let told: ChainOrdered = listener.expect().await;
    assert_eq!((told.order, told.by.as_str()), (OrderKind::Pause, "bob"));
    let again = order(&pipeline, &pause).await.unwrap_err();
    assert_eq!(again.code, "order_refused", "{}", again.message);

    approve(&pipeline, &page).await;
    let held = |page: &ChainPage| page.steps_in_order[0].summary.reason.code == Code::ChainPaused;
    let page = pipeline.chain_when(&commit, PATIENCE, held).await;
    assert_eq!(state(&page, "a"), StepState::GatingApply);
    assert_eq!(pipeline.spacelift.runs("a")[0].state, RunState::Unconfirmed);

    order(&pipeline, &ResumeChain { chain, stack: None, by: by(), note: None }).await.unwrap();
    let ended = pipeline.ended(&commit).await;
    let history = history(&pipeline, chain).await;
    let said = |event: &str| {
        let line = history.iter().find(|line| line.event == event).unwrap();
        (line.actor.clone(), line.reason.text.clone())
    };
    assert_eq!(said("paused"), ("person:bob".to_owned(), "paused by bob: outage".to_owned()));
    assert_eq!(said("resumed").0, "person:bob");
    assert_eq!(said("run_known").0, "spacelift");
    pipeline.assert_all_well(&[ended]);
    pipeline.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_step_applies_nothing_though_it_is_approved_and_its_chain_is_not_paused() {
    let pipeline = two(Pace::zero()).await;
    let (commit, page) = held(&pipeline).await;
    let (chain, by) = (page.line.chain, "bob".to_owned());
    let stack = Some("a".into());
    let pause = PauseChain { chain, stack: stack.clone(), by: by.clone(), note: None };
    let paused = order(&pipeline, &pause).await.unwrap();
    assert_eq!(paused.line.state, ChainState::Running);

    approve(&pipeline, &page).await;
    let held = |page: &ChainPage| page.steps_in_order[0].summary.reason.code == Code::StepPaused;
    let page = pipeline.chain_when(&commit, PATIENCE, held).await;
    let mend = page.steps_in_order[0].wait.as_ref().unwrap().mend.clone();
    assert_eq!(mend, Some(format!("stackly resume {chain}/a")));
    assert_eq!(pipeline.spacelift.runs("a")[0].state, RunState::Unconfirmed);

    order(&pipeline, &ResumeChain { chain, stack, by, note: None }).await.unwrap();
    let ended = pipeline.ended(&commit).await;
    pipeline.assert_all_well(&[ended]);
    pipeline.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_chain_discards_its_plan_and_runs_nothing_more() {
    let pipeline = two(Pace::zero()).await;
    let (commit, page) = held(&pipeline).await;

    order(&pipeline, &cancel(page.line.chain, None, false)).await.unwrap();
    let chain = pipeline.ended(&commit).await;

    assert_eq!(chain.line.state, ChainState::Canceled);
    assert_eq!(chain.line.reason.code, Code::ChainCanceled);
    assert_eq!(
        (state(&chain, "a"), state(&chain, "b")),
        (StepState::Canceled, StepState::Canceled)
    );
    assert!(chain.line.reason.text.contains("bob: wrong region"), "{}", chain.line.reason.text);
    assert_eq!(pipeline.spacelift.runs("a")[0].state, RunState::Discarded);
    assert!(pipeline.spacelift.runs("b").is_empty());
    let late = order(&pipeline, &cancel(page.line.chain, None, false)).await.unwrap_err();
    assert_eq!(late.code, "order_refused", "{}", late.message);
    pipeline.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_apply_is_broken_off_only_by_force_and_the_step_says_what_to_look_at() {
    let mut pace = Pace::zero();
    pace.applying_ms = 600_000;
    let pipeline = two(pace).await;
    let (commit, page) = held(&pipeline).await;
    let chain = page.line.chain;
    approve(&pipeline, &page).await;
    let applies = |page: &ChainPage| state(page, "a") == StepState::Applying;
    pipeline.chain_when(&commit, PATIENCE, applies).await;

    let gentle = order(&pipeline, &cancel(chain, Some("a"), false)).await.unwrap_err();
    assert!(gentle.message.contains("--force"), "{}", gentle.message);
    order(&pipeline, &cancel(chain, Some("a"), true)).await.unwrap();
    let ended = pipeline.ended(&commit).await;

    assert_eq!(state(&ended, "a"), StepState::Canceled);
    assert_eq!(state(&ended, "b"), StepState::Skipped);
    let why = &ended.steps_in_order[0].summary.reason.text;
    assert!(why.contains("look at what it manages"), "{why}");
    let killed = pipeline.spacelift.journal(0).into_iter().any(|entry| {
        matches!(entry.event, JournalEvent::Mutation(it) if it.name == "runKill" && it.accepted)
    });
    assert!(killed, "a stop is refused while it applies, so the run is killed");
    pipeline.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_failed_is_tried_again_with_another_run_and_what_depends_on_it_follows() {
    let account = accounts::account(&[("a", &[]), ("b", &["a"]), ("c", &["b"])]);
    let pipeline = Pipeline::with(Setup { account, ..Setup::default() }).await;
    pipeline.spacelift.plan_once("b", PlanResult::FailPlanning).unwrap();
    let commit = pipeline.push(&["stacks/a/main.tf"]).await;
    let failed = pipeline.ended(&commit).await;
    assert_eq!(state(&failed, "b"), StepState::Failed);
    assert_eq!(state(&failed, "c"), StepState::Skipped);

    let by = "bob".to_owned();
    let retry = RetryChain {
        chain: failed.line.chain,
        stack: None,
        force: false,
        all: false,
        by,
        note: None,
    };
    order(&pipeline, &retry).await.unwrap();
    let finished = |page: &ChainPage| page.line.state == ChainState::Finished;
    let chain = pipeline.chain_when(&commit, PATIENCE, finished).await;

    let attempts: Vec<u32> = chain.steps_in_order.iter().map(|step| step.summary.attempt).collect();
    assert_eq!(attempts, [1, 2, 2]);
    let runs = pipeline.spacelift.runs("b");
    let mut states: Vec<_> = runs.iter().map(|run| run.state).collect();
    states.sort();
    assert_eq!(states, [RunState::Failed, RunState::Finished]);
    assert_eq!(pipeline.spacelift.runs("a").len(), 1, "what is done is not done again");
    let again = order(&pipeline, &retry).await.unwrap_err();
    assert_eq!(again.code, "order_refused", "{}", again.message);
    pipeline.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_that_waits_gives_way_to_a_newer_change_of_its_branch() {
    let mut account = accounts::account(&[("a", &[]), ("b", &["a"])]);
    account.stacks[0].autodeploy = false;
    account.stacks[0].labels.push("stackly:supersede".to_owned());
    let pipeline = Pipeline::with(Setup { account, ..Setup::default() }.holding("a")).await;
    let (old, _) = held(&pipeline).await;

    let (new, page) = held(&pipeline).await;
    let gone = pipeline.ended(&old).await;
    assert_eq!((gone.line.state, gone.line.reason.code), (ChainState::Canceled, Code::Superseded));
    assert!(gone.line.reason.text.contains(&page.line.chain.to_string()), "{}", gone.line.reason);
    approve(&pipeline, &page).await;
    let chain = pipeline.ended(&new).await;
    pipeline.assert_all_well(&[chain]);
    pipeline.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_refused_to_who_is_in_none_of_the_groups_that_may_give_it() {
    let environment = [
        ("EXECUTOR__ROLES__GROUPS", r#"{ sre = ["jane"], leads = ["bob"] }"#),
        ("EXECUTOR__ROLES__CANCEL", r#"["sre", "leads"]"#),
        ("EXECUTOR__ROLES__FORCE", r#"["sre"]"#),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()));
    let mut account = accounts::account(&[("a", &[])]);
    account.stacks[0].autodeploy = false;
    let setup = Setup { account, environment: environment.into(), ..Setup::default() };
    let pipeline = Pipeline::with(setup.holding("a")).await;
    let (commit, page) = held(&pipeline).await;
    let chain = page.line.chain;

    let by_eve = CancelChain { by: "eve".to_owned(), ..cancel(chain, None, false) };
    let refused = order(&pipeline, &by_eve).await.unwrap_err();
    assert_eq!(refused.code, Code::NotAllowed.as_str());
    assert!(refused.message.contains("eve may not cancel: that is for sre, leads"), "{refused:?}");
    let by_force = order(&pipeline, &cancel(chain, None, true)).await.unwrap_err();
    assert!(by_force.message.contains("with `--force`: that is for sre"), "{by_force:?}");
    order(&pipeline, &cancel(chain, None, false)).await.unwrap();
    let ended = pipeline.ended(&commit).await;
    assert_eq!(ended.line.state, ChainState::Canceled);
    pipeline.stop().await;
}
