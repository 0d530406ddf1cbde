//! Gates that nobody waits for any more.

use chrono::TimeDelta;
use contracts::{
    ChainId, Code, Reason,
    chain::{ChainFinished, ChainState},
    run::Delta,
};

use super::*;
use crate::fixtures::stack;

const ASKED: &str = "policy \"people\" {\n  approval { min_approvers = 1 }\n}\n";

/// The gates of one chain.
fn gate(number: u128, moment: Moment) -> GateRequested {
    let (gate, chain) = (GateId(Uuid::from_u128(number)), ChainId(Uuid::from_u128(1)));
    GateRequested { gate, chain, ..prod(moment) }
}

impl Running {
    /// The gates that are open, as soon as they are these.
    async fn until_open(&self, expected: &[&GateRequested]) {
        let expected: Vec<Value> = expected.iter().map(|it| json!(it.gate)).collect();
        let mut ticks = tokio::time::interval(Duration::from_millis(20));
        let reached = async {
            loop {
                let found = self.ask("gates", json!({ "open_only": true })).await.unwrap();
                let open = found["gates"].as_array().unwrap();
                let open: Vec<Value> = open.iter().map(|gate| gate["gate"].clone()).collect();
                if open == expected {
                    return;
                }
                ticks.tick().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), reached).await.expect("they are these");
    }
}

fn canceled(chain: &GateRequested) -> ChainFinished {
    ChainFinished {
        chain: chain.chain,
        change: chain.change.clone(),
        state: ChainState::Canceled,
        reason: Reason::new(Code::ChainCanceled, "somebody wants it so"),
        steps: Vec::new(),
        began_at: Utc::now(),
        ended_at: Utc::now(),
    }
}

async fn decided(decisions: &mut (impl futures::Stream<Item = Envelope> + Unpin)) {
    let decided = tokio::time::timeout(Duration::from_secs(20), decisions.next()).await;
    decided.expect("it is decided").expect("the bus is there");
}

#[tokio::test(flavor = "multi_thread")]
async fn when_a_chain_ends_its_gates_wait_for_nobody() {
    let mut running = Running::start(ASKED).await;
    let mut decisions = running.decisions().await;
    let chain = gate(1, Moment::BeforeChain);
    let asked = [2, 3].map(|number| GateRequested {
        stacks: vec![stack(&format!("stack-{number}"), &[])],
        ..gate(number, Moment::BeforeApply)
    });
    for request in [&chain, &asked[0], &asked[1]] {
        running.request(request).await;
        decided(&mut decisions).await;
    }
    running.until_open(&[&asked[1], &asked[0]]).await;

    running.publish(&canceled(&chain), chain.chain.0).await;
    running.until_open(&[]).await;
    let late = running.review(yes(asked[0].gate, "bob")).await.unwrap_err();
    assert_eq!(late.code, "gate_decided");
    assert!(late.message.contains("its chain has ended"), "{late}");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_asks_about_another_plan_leaves_its_older_gate() {
    let mut running = Running::start(ASKED).await;
    let mut decisions = running.decisions().await;
    let first = gate(2, Moment::BeforeApply);
    running.request(&first).await;
    decided(&mut decisions).await;
    let delta = Some(Delta { added: 1, ..Delta::default() });
    let again = GateRequested { delta, ..gate(3, Moment::BeforeApply) };
    let other = GateRequested { stacks: vec![stack("other", &[])], ..gate(4, Moment::BeforeApply) };
    for request in [&other, &again] {
        running.request(request).await;
        decided(&mut decisions).await;
    }
    running.until_open(&[&again, &other]).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_and_ends_while_the_service_is_away_waits_for_nobody() {
    let mut running = Running::start(ASKED).await;
    let mut decisions = running.decisions().await;
    let chain = gate(1, Moment::BeforeChain);
    running.request(&chain).await;
    decided(&mut decisions).await;
    running.stop().await;
    // One whose chain is known, and one whose chain asks for the first time.
    let step = gate(2, Moment::BeforeApply);
    let other = GateRequested { chain: ChainId(Uuid::from_u128(9)), ..gate(3, Moment::BeforePlan) };
    for request in [&step, &other] {
        running.request(request).await;
        running.publish(&canceled(request), request.chain.0).await;
    }
    let waits =
        GateRequested { chain: ChainId(Uuid::from_u128(8)), ..gate(4, Moment::BeforeApply) };
    running.request(&waits).await;
    running.start_again().await;
    running.until_open(&[&waits]).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_gates_that_a_step_asked_while_the_service_was_away_the_newer_is_left() {
    let mut running = Running::start(ASKED).await;
    running.stop().await;
    let first = gate(2, Moment::BeforeApply);
    let delta = Some(Delta { added: 1, ..Delta::default() });
    let again = GateRequested { delta, ..gate(3, Moment::BeforeApply) };
    for (request, minutes_ago) in [(&first, 3), (&again, 2)] {
        let sent_at = Utc::now() - TimeDelta::minutes(minutes_ago);
        running.publish_at(request, request.chain.0, sent_at).await;
    }
    running.start_again().await;
    running.until_open(&[&again]).await;
    running.stop().await;
}
