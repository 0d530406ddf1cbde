//! Two executors: what they may send together, and what one hears of the other.

use std::time::{Duration, Instant};

use contracts::{
    Code,
    gate::{Moment, Outcome},
    step::StepState,
};
use serde_json::Value;
use simulator::{Fault, FaultKind};
use spacelift::Client;
use store::Store;
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use super::running::{Running, account};
use crate::{CARD, ChainPage, breaker::Watch, run};

/// What both may send in a second: less than each would.
const RATE: u32 = 4;

/// An executor whose own circuit hardly opens, and its database.
async fn patient() -> (Running, Store) {
    let running = Running::with(account(&["a"]), |config| {
        config.spacelift.breaker_failures = 1_000;
    })
    .await;
    let store = Store::connect(&running.config.store, CARD.service).await.unwrap();
    (running, store)
}

#[tokio::test(flavor = "multi_thread")]
async fn two_executors_together_send_no_more_than_one_may_alone() {
    let running = Running::with(account(&["a"]), |config| {
        (config.spacelift.requests_per_second, config.spacelift.requests_burst) = (RATE, 1);
    })
    .await;
    let shutdown = CancellationToken::new();
    let other = tokio::spawn(run(running.config.clone(), shutdown.clone()));
    // A run that waits for people is asked about by both, as often as they may.
    let held = Outcome::HoldForApprovals { given: 0, needed: 1 };
    running.policies_say(Moment::BeforeApply, "a", held);
    let chain = running.plan(&[("a", &[])]).await;
    let waits = |page: &ChainPage| page.steps_in_order[0].summary.state == StepState::GatingApply;
    running.until(chain, "its plan waits", waits).await;

    let requests = || running.spacelift.calls().values().sum::<u64>();
    let (before, began) = (requests(), Instant::now());
    let mut ticks = tokio::time::interval(Duration::from_secs(5));
    ticks.tick().await;
    ticks.tick().await;
    let (sent, took) = (requests() - before, began.elapsed());
    let most = u64::from(RATE) * (took.as_secs() + 1) + 2;
    assert!(sent <= most, "{sent} requests in {took:?}");

    shutdown.cancel();
    other.await.unwrap().unwrap();
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_executor_makes_no_call_while_another_finds_that_calls_fail() {
    let running = Running::with(account(&["a"]), |config| {
        config.spacelift.breaker_failures = 2;
        config.spacelift.breaker_wait = Duration::from_secs(2);
    })
    .await;
    let store = Store::connect(&running.config.store, CARD.service).await.unwrap();
    let spacelift = Client::new(&running.config.spacelift).unwrap();
    let endpoint = &running.config.spacelift.endpoint;
    let another = Watch::new(spacelift.clone(), store.pool().clone(), endpoint);
    let outage = running.spacelift.add_fault(Fault::always(FaultKind::ServerError { status: 503 }));
    while spacelift.own_rest().is_none() {
        let _ = spacelift.who_am_i().await;
    }
    let _watch = kept_up(another);
    rests(&running).await;

    let chain = running.plan(&[("a", &[])]).await;
    let its_call_rests = |page: &ChainPage| {
        let reason = page.steps_in_order[0].call_reason.as_ref();
        reason.is_some_and(|reason| reason.code == Code::CircuitOpen)
    };
    running.until(chain, "its call rests", its_call_rests).await;
    assert!(!running.spacelift.calls().contains_key("runTrigger"));

    // Each tries again by itself, and both go on.
    assert!(running.spacelift.remove_fault(outage));
    running.finished(chain).await;
    let mut ticks = tokio::time::interval(Duration::from_millis(50));
    while spacelift.own_rest().is_some() {
        ticks.tick().await;
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_executor_finds_is_tried_here_once_and_not_each_time_it_is_told() {
    let (running, store) = patient().await;
    let options = spacelift::Options {
        breaker_failures: 2,
        breaker_wait: Duration::from_secs(600),
        ..running.config.spacelift.clone()
    };
    let spacelift = Client::new(&options).unwrap();
    let another = Watch::new(spacelift.clone(), store.pool().clone(), &options.endpoint);
    running.spacelift.add_fault(Fault::always(FaultKind::ServerError { status: 503 }));
    while spacelift.own_rest().is_none() {
        let _ = spacelift.who_am_i().await;
    }
    let _watch = kept_up(another);
    rests(&running).await;

    let requests = || running.spacelift.calls().values().sum::<u64>();
    let before = requests();
    let mut ticks = tokio::time::interval(Duration::from_secs(4));
    ticks.tick().await;
    ticks.tick().await;
    assert_eq!(requests() - before, 0);
    running.stop().await;
}

/// Another executor tells what it finds, again and again.
fn kept_up(another: Watch) -> AbortOnDropHandle<()> {
    AbortOnDropHandle::new(tokio::spawn(async move {
        let mut ticks = tokio::time::interval(Duration::from_millis(100));
        loop {
            ticks.tick().await;
            another.look().await.unwrap();
        }
    }))
}

/// Waits until the executor makes no calls.
async fn rests(running: &Running) {
    let mut ticks = tokio::time::interval(Duration::from_millis(50));
    loop {
        ticks.tick().await;
        let answer = running.ask("spacelift", Value::Null).await;
        if answer.and_then(Result::ok).is_some_and(|calls| calls["resting"] == true) {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_executor_finds_is_not_heeded_where_calls_succeed() {
    let running = Running::with(account(&["a"]), |config| {
        config.spacelift.breaker_failures = 2;
    })
    .await;
    let store = Store::connect(&running.config.store, CARD.service).await.unwrap();
    let mut wrong = running.config.spacelift.clone();
    wrong.api_key_secret = "not-it".into();
    wrong.breaker_failures = 2;
    let spacelift = Client::new(&wrong).unwrap();
    let another = Watch::new(spacelift.clone(), store.pool().clone(), &wrong.endpoint);
    while spacelift.own_rest().is_none() {
        let _ = spacelift.who_am_i().await;
    }
    another.look().await.unwrap();

    // Longer than it takes to hear of it.
    let mut ticks = tokio::time::interval(Duration::from_secs(2));
    ticks.tick().await;
    ticks.tick().await;
    another.look().await.unwrap();
    let chain = running.plan(&[("a", &[])]).await;
    running.finished(chain).await;
    assert!(spacelift.own_rest().is_some());
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_executor_finds_is_tried_again_where_the_answer_says_nothing_of_it() {
    let (running, store) = patient().await;
    let wrong = spacelift::Options {
        api_key_secret: "not-it".into(),
        breaker_failures: 2,
        breaker_wait: Duration::from_secs(600),
        ..running.config.spacelift.clone()
    };
    let another = Client::new(&wrong).unwrap();
    while another.own_rest().is_none() {
        let _ = another.who_am_i().await;
    }
    let watch = |client: &Client| Watch::new(client.clone(), store.pool().clone(), &wrong.endpoint);
    watch(&another).look().await.unwrap();
    let spacelift = Client::new(&running.config.spacelift).unwrap();
    let here = watch(&spacelift);

    // Longer than who is asked waits for it.
    let busy = FaultKind::TooManyRequests { retry_after_s: Some(2) };
    let busy = running.spacelift.add_fault(Fault::always(busy));
    here.look().await.unwrap();
    assert!(spacelift.rest().is_none(), "too many requests are no outage");

    running.spacelift.add_fault(Fault::always(FaultKind::ServerError { status: 503 }));
    running.spacelift.remove_fault(busy);
    let mut ticks = tokio::time::interval(Duration::from_millis(100));
    let heeds = async {
        while spacelift.rest().is_none() {
            ticks.tick().await;
            watch(&another).look().await.unwrap();
            here.look().await.unwrap();
        }
    };
    tokio::time::timeout(Duration::from_secs(60), heeds).await.expect("it is so here, too");
    running.stop().await;
}
