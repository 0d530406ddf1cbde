//! Waves: canaries first, time to soak, health that must hold, and as few failures as are allowed.

use std::sync::{Arc, Mutex};

use axum::{Json, Router, extract::State, http::StatusCode, routing::get};
use bus::Problem;
use chrono::TimeDelta;
use contracts::{
    ChainId, Code, Message,
    chain::ChainState,
    check::{AnswerCheck, CheckAsked},
    order::{ResumeChain, RetryChain},
    step::{StepState, StepStuck},
    subject,
};
use executor::{ChainPage, OperationLine, StepPage};
use harness::{Pipeline, Setup, User, accounts, listener::Listener, patience::PATIENCE};
use serde_json::{Value, json};
use simulator::PlanResult;

/// What is asked whether all is well: an address, and a Prometheus.
#[derive(Clone, Default)]
struct Monitor(Arc<Mutex<Told>>);

#[derive(Default)]
struct Told {
    status: u16,
    /// The errors there are, by how often they were asked for; the last number stays.
    errors: Vec<u32>,
    queries: Vec<String>,
}

impl Monitor {
    /// Gives it with its address.
    async fn start(status: u16, errors: &[u32]) -> (Self, String) {
        let told = Told { status, errors: errors.to_vec(), queries: Vec::new() };
        let monitor = Self(Arc::new(Mutex::new(told)));
        let router = Router::new()
            .route("/health", get(Self::health))
            .route("/api/v1/query", get(Self::query))
            .with_state(monitor.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (monitor, address)
    }

    async fn health(State(monitor): State<Self>) -> StatusCode {
        StatusCode::from_u16(monitor.0.lock().unwrap().status).unwrap()
    }

    async fn query(
        State(monitor): State<Self>,
        axum::extract::Query(asked): axum::extract::Query<Vec<(String, String)>>,
    ) -> Json<Value> {
        let mut told = monitor.0.lock().unwrap();
        let errors = told.errors[told.queries.len().min(told.errors.len() - 1)];
        told.queries.extend(asked.into_iter().map(|(_, query)| query));
        let sample = json!({ "metric": {}, "value": [1_700_000_000.0, errors.to_string()] });
        let data = json!({ "resultType": "vector", "result": [sample] });
        Json(json!({ "status": "success", "data": data }))
    }
}

/// `a` is a canary, `b` is of wave 1, `c` of wave 2; nothing depends on anything.
async fn pipeline(environment: &[(&str, &str)]) -> Pipeline {
    let mut account = accounts::account(&[("a", &[]), ("b", &[]), ("c", &[])]);
    for (stack, label) in [(0, "stackly:canary"), (1, "stackly:wave=1"), (2, "stackly:wave:2")] {
        account.stacks[stack].labels.push(label.to_owned());
    }
    let environment =
        environment.iter().map(|(key, value)| (format!("EXECUTOR__{key}"), (*value).to_owned()));
    Pipeline::with(Setup { account, environment: environment.collect(), ..Setup::default() }).await
}

async fn push(pipeline: &Pipeline) -> String {
    pipeline.push(&["stacks/a/main.tf", "stacks/b/main.tf", "stacks/c/main.tf"]).await
}

fn step<'a>(page: &'a ChainPage, stack: &str) -> &'a StepPage {
    let steps = &page.steps_in_order;
    steps.iter().find(|step| step.summary.stack.as_str() == stack).unwrap()
}

async fn order<M: Message>(user: &User, order: &M) -> Result<ChainPage, Problem> {
    let answer = user.bus.request(&subject::command(M::TYPE), &json!(order)).await.unwrap()?;
    Ok(serde_json::from_value(answer).unwrap())
}

fn retry(chain: ChainId) -> RetryChain {
    RetryChain { chain, stack: None, force: false, all: false, by: "bob".to_owned(), note: None }
}

async fn history(user: &User, chain: ChainId) -> Vec<OperationLine> {
    let subject = subject::question("executor", "history");
    let answer = user.bus.request(&subject, &json!({ "chain": chain })).await.unwrap().unwrap();
    serde_json::from_value(answer).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn canaries_go_first_then_the_waves_in_order_each_after_the_time_it_must_soak() {
    let pipeline = pipeline(&[("WAVES__SOAK", "700ms")]).await;
    let commit = push(&pipeline).await;

    let chain = pipeline.ended(&commit).await;
    let told: Vec<&str> = chain.waves.iter().map(|wave| wave.wave.as_str()).collect();
    assert_eq!(told, ["the canary wave", "wave 1", "wave 2"]);
    let history = history(&pipeline, chain.line.chain).await;
    let at = |event: &str| {
        let said = history.iter().filter(|line| line.event == event);
        said.map(|line| line.at).collect::<Vec<_>>()
    };
    let (soaks, passed) = (at("wave_soaks"), at("wave_passed"));
    assert_eq!((soaks.len(), passed.len()), (2, 2), "nobody waits for the last one");
    for (began, through) in soaks.iter().zip(&passed) {
        assert!(*through - *began >= TimeDelta::milliseconds(700), "{began} to {through}");
    }
    let place = |event: &str, stack: Option<&str>| {
        let is_it = |line: &OperationLine| {
            line.event == event && line.stack.as_ref().map(|it| it.as_str()) == stack
        };
        history.iter().position(is_it).unwrap()
    };
    let soaking = &history[place("wave_soaks", None)].reason;
    assert_eq!(soaking.code, Code::Soaking);
    assert!(soaking.text.starts_with("the canary wave soaks until 20"), "{soaking}");
    assert!(place("wave_passed", None) < place("run_asked_for", Some("b")));
    assert!(place("run_succeeded", Some("b")) < place("run_asked_for", Some("c")));
    pipeline.assert_all_well(&[chain]);
    pipeline.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_healthy_holds_the_later_waves_until_a_person_says_how_to_go_on() {
    let (monitor, address) = Monitor::start(503, &[0, 0, 7]).await;
    let named = format!(
        r#"{{ shop = {{ http = "{address}/health" }},
              errors = {{ prometheus = "{address}", query = "sum(errors)", max = 0.5 }} }}"#
    )
    .replace('\n', " ");
    let pipeline = pipeline(&[
        ("WAVES__CHECKS", r#"["shop", "errors"]"#),
        ("CHECKS__NAMED", &named),
        ("CHECKS__TIMEOUT", "2s"),
        ("CHECKS__ATTEMPTS", "2"),
        ("CHECKS__PAUSE", "50ms"),
    ])
    .await;
    let mut listener = Listener::start(&pipeline.bus).await;
    let commit = push(&pipeline).await;

    let told: StepStuck = listener.expect().await;
    assert_eq!((told.step.stack.as_str(), told.step.reason.code), ("b", Code::Unhealthy));
    assert!(told.step.reason.text.contains("shop answers 503"), "{}", told.step.reason);
    let mend = told.mend.unwrap();
    assert!(mend.contains("stackly retry") && mend.contains("stackly resume"), "{mend}");
    let held = |page: &ChainPage| step(page, "b").summary.reason.code == Code::Unhealthy;
    let page = pipeline.chain_when(&commit, PATIENCE, held).await;
    assert_eq!(step(&page, "a").summary.state, StepState::Finished);
    assert!(pipeline.spacelift.runs("b").is_empty());
    assert_eq!(monitor.0.lock().unwrap().queries, ["sum(errors)"]);

    // It has recovered, and is looked at again. After the next wave it is ill otherwise.
    monitor.0.lock().unwrap().status = 200;
    let chain = page.line.chain;
    let page = order(&pipeline, &retry(chain)).await.unwrap();
    assert_eq!(page.line.chain, chain);
    let ill = |page: &ChainPage| {
        let reason = &step(page, "c").summary.reason;
        reason.code == Code::Unhealthy && reason.text.contains("wave 1: errors is 7")
    };
    pipeline.chain_when(&commit, PATIENCE, ill).await;

    let go_on =
        ResumeChain { chain, stack: None, by: "bob".to_owned(), note: Some("known".to_owned()) };
    order(&pipeline, &go_on).await.unwrap();
    let chain = pipeline.ended(&commit).await;
    let history = history(&pipeline, chain.line.chain).await;
    let by_a_person =
        |line: &&OperationLine| line.event == "wave_passed" && line.actor == "person:bob";
    let line = history.iter().find(by_a_person).expect("a person let it pass");
    assert!(line.reason.text.contains("let pass: resumed by bob: known"), "{}", line.reason);
    pipeline.assert_all_well(&[chain]);
    pipeline.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_shows_while_a_wave_soaks_holds_the_later_ones_at_once() {
    let (monitor, address) = Monitor::start(200, &[0]).await;
    let named = format!(r#"{{ shop = {{ http = "{address}/health" }} }}"#);
    let pipeline = pipeline(&[
        ("WAVES__SOAK", "1h"),
        ("WAVES__LOOK_EVERY", "100ms"),
        ("WAVES__CHECKS", r#"["shop"]"#),
        ("CHECKS__NAMED", &named),
        ("CHECKS__TIMEOUT", "2s"),
        ("CHECKS__ATTEMPTS", "1"),
    ])
    .await;
    let mut listener = Listener::start(&pipeline.bus).await;
    let commit = push(&pipeline).await;
    let soaks = |page: &ChainPage| step(page, "b").summary.reason.code == Code::Soaking;
    let chain = pipeline.chain_when(&commit, PATIENCE, soaks).await.line.chain;

    monitor.0.lock().unwrap().status = 503;
    let told: StepStuck = listener.expect().await;
    assert_eq!((told.step.stack.as_str(), told.step.reason.code), ("b", Code::Unhealthy));
    let said = "while the canary wave soaks: shop answers 503";
    assert!(told.step.reason.text.starts_with(said), "{}", told.step.reason);
    assert!(pipeline.spacelift.runs("b").is_empty());

    // It soaks on when it is well again.
    monitor.0.lock().unwrap().status = 200;
    order(&pipeline, &retry(chain)).await.unwrap();
    pipeline.chain_when(&commit, PATIENCE, soaks).await;
    monitor.0.lock().unwrap().status = 500;
    let told: StepStuck = listener.expect().await;
    assert!(told.step.reason.text.contains("shop answers 500"), "{}", told.step.reason);
    monitor.0.lock().unwrap().status = 200;
    order(&pipeline, &ResumeChain { chain, stack: None, by: "bob".to_owned(), note: None })
        .await
        .unwrap();
    let goes_on = |page: &ChainPage| step(page, "b").summary.state == StepState::Finished;
    pipeline.chain_when(&commit, PATIENCE, goes_on).await;
    pipeline.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_outside_is_asked_after_a_wave_and_only_a_yes_in_time_lets_the_next_begin() {
    let pipeline = pipeline(&[
        ("WAVES__CHECKS", r#"["smoke"]"#),
        ("CHECKS__NAMED", r#"{ smoke = { hook = "smoke-tests" } }"#),
        ("CHECKS__TIMEOUT", "2s"),
    ])
    .await;
    let mut listener = Listener::start(&pipeline.bus).await;
    let commit = push(&pipeline).await;
    let asked: CheckAsked = listener.expect().await;
    assert_eq!((asked.hook.as_str(), asked.check.as_str()), ("smoke-tests", "smoke"));
    assert_eq!((asked.wave.as_str(), asked.look), ("the canary wave", 1));
    assert_eq!((asked.stacks, asked.change.commit.as_str()), (vec!["a".into()], commit.as_str()));
    let answer = |look, pass| AnswerCheck {
        chain: asked.chain,
        check: "smoke".to_owned(),
        look,
        pass,
        by: "robot".to_owned(),
        text: Some("12 of 200 orders fail".to_owned()),
        groups: None,
    };
    let page = order(&pipeline, &answer(Some(1), false)).await.unwrap();
    let reason = &step(&page, "b").summary.reason;
    assert_eq!(reason.code, Code::Unhealthy);
    assert!(reason.text.contains("smoke says no: 12 of 200 orders fail (by robot)"), "{reason}");

    order(&pipeline, &retry(asked.chain)).await.unwrap();
    let again: CheckAsked = listener.expect().await;
    assert_eq!(again.look, 2);
    let late = order(&pipeline, &answer(Some(1), true)).await.unwrap_err();
    assert!(late.message.contains("does not wait for an answer"), "{}", late.message);
    order(&pipeline, &answer(Some(2), true)).await.unwrap();
    let next: CheckAsked = listener.expect().await;
    assert_eq!(next.wave, "wave 1");
    order(&pipeline, &answer(None, true)).await.unwrap();
    let chain = pipeline.ended(&commit).await;
    pipeline.assert_all_well(&[chain]);
    pipeline.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canary_that_fails_stops_all_others_and_they_follow_when_it_is_tried_again() {
    let pipeline = pipeline(&[]).await;
    pipeline.spacelift.plan_once("a", PlanResult::FailPlanning).unwrap();
    let commit = push(&pipeline).await;

    let failed = pipeline.ended(&commit).await;
    assert_eq!(failed.line.state, ChainState::Failed);
    for stack in ["b", "c"] {
        let summary = &step(&failed, stack).summary;
        assert_eq!((summary.state, summary.reason.code), (StepState::Skipped, Code::WaveFailed));
        assert!(pipeline.spacelift.runs(stack).is_empty());
    }
    order(&pipeline, &retry(failed.line.chain)).await.unwrap();
    let finished = |page: &ChainPage| page.line.state == ChainState::Finished;
    pipeline.chain_when(&commit, PATIENCE, finished).await;
    assert_eq!(pipeline.spacelift.runs("a").len(), 2);
    for stack in ["b", "c"] {
        assert_eq!(pipeline.spacelift.runs(stack).len(), 1);
    }
    pipeline.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn as_many_may_fail_as_are_allowed_before_the_next_wave() {
    let allowed = r#"{ "stackly:canary" = { failures = 1 } }"#;
    let pipeline = pipeline(&[("WAVES__LABELS", allowed)]).await;
    pipeline.spacelift.plan_once("a", PlanResult::FailPlanning).unwrap();
    let commit = push(&pipeline).await;

    let chain = pipeline.ended(&commit).await;
    let states: Vec<StepState> =
        chain.steps_in_order.iter().map(|step| step.summary.state).collect();
    assert_eq!(states, [StepState::Failed, StepState::Finished, StepState::Finished]);
    pipeline.stop().await;
}
