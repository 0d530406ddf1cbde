//! Chains that wait for their turn.

use contracts::{
    ChainId, Code, Reason,
    chain::{ChainFinished, ChainState},
};

use super::*;

const TWO_AT_ONCE: &str = "policy \"calm\" {\n  limits { max_concurrent = 2 }\n}\n";

fn chain(number: u128) -> GateRequested {
    let (gate, chain) = (GateId(Uuid::from_u128(number)), ChainId(Uuid::from_u128(number)));
    GateRequested { gate, chain, ..prod(Moment::BeforeChain) }
}

impl Running {
    async fn ask_for(&self, number: u128) {
        self.request(&chain(number)).await;
    }

    async fn finish(&self, number: u128) {
        self.finish_at(number, Utc::now()).await;
    }

    async fn finish_at(&self, number: u128, at: DateTime<Utc>) {
        let GateRequested { chain, change, .. } = chain(number);
        let ended = ChainFinished {
            chain,
            change,
            state: ChainState::Finished,
            reason: Reason::new(Code::Allowed, "all is well"),
            steps: Vec::new(),
            began_at: Utc::now(),
            ended_at: Utc::now(),
        };
        self.publish_at(&ended, chain.0, at).await;
    }
}

/// The next answers about this chain until one fits.
async fn until(
    decisions: &mut (impl futures::Stream<Item = Envelope> + Unpin),
    number: u128,
    fits: impl Fn(&GateDecided) -> bool,
) -> GateDecided {
    let found = async {
        loop {
            let envelope = decisions.next().await.expect("the bus is there");
            let decided: GateDecided = serde_json::from_value(envelope.body).unwrap();
            if decided.chain == chain(number).chain && fits(&decided) {
                return decided;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), found).await.expect("it is decided so")
}

fn passes(decided: &GateDecided) -> bool {
    decided.outcome == Outcome::Pass
}

fn waits(decided: &GateDecided) -> bool {
    decided.reasons[0].code == Code::ChainsAhead && !passes(decided)
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_chains_are_let_on_at_once_than_may_be_and_the_next_follow_by_themselves() {
    let mut running = Running::start(TWO_AT_ONCE).await;
    let mut decisions = running.decisions().await;
    for number in 1..=2 {
        running.ask_for(number).await;
        until(&mut decisions, number, passes).await;
    }
    running.ask_for(3).await;
    let held = until(&mut decisions, 3, |_| true).await;
    assert!(waits(&held), "it is told once it is known who comes before it: {held:?}");
    let text = &held.reasons[0].text;
    let named = [1, 2].map(|number| chain(number).chain.to_string()).join(", ");
    assert!(text.contains(&format!("2 chains come before it ({named})")), "{text}");
    running.ask_for(4).await;
    let named = format!("{named}, {}", chain(3).chain);
    let behind = |it: &GateDecided| waits(it) && it.reasons[0].text.contains(&named);
    until(&mut decisions, 4, behind).await;

    // What is known of them outlives the service.
    running.stop().await;
    running.finish(1).await;
    running.start_again().await;
    until(&mut decisions, 3, passes).await;
    let open = running.ask("gates", json!({ "open_only": true })).await.unwrap();
    assert_eq!(open["gates"].as_array().unwrap().len(), 1, "the fourth waits: {open:#}");

    running.finish(3).await;
    until(&mut decisions, 4, passes).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_that_ends_while_it_waits_is_waited_for_by_nobody() {
    let mut running = Running::start("policy \"one\" {\n limits { max_concurrent = 1 }\n}\n").await;
    let mut decisions = running.decisions().await;
    running.ask_for(1).await;
    until(&mut decisions, 1, passes).await;
    for number in 2..=3 {
        running.ask_for(number).await;
        until(&mut decisions, number, waits).await;
    }
    running.finish(2).await;
    let first = chain(1).chain.to_string();
    let alone = |it: &GateDecided| it.reasons[0].text.contains(&format!("it ({first})"));
    until(&mut decisions, 3, alone).await;
    running.finish(1).await;
    until(&mut decisions, 3, passes).await;
    let late = running.review(yes(chain(2).gate, "bob")).await.unwrap_err();
    assert!(late.message.contains("its chain has ended"), "{late}");
    running.stop().await;
}

/// Its question and its end come at once.
#[tokio::test(flavor = "multi_thread")]
async fn a_chain_that_began_and_ended_while_the_service_was_away_is_waited_for_by_nobody() {
    let mut running = Running::start("policy \"one\" {\n limits { max_concurrent = 1 }\n}\n").await;
    let mut decisions = running.decisions().await;
    running.stop().await;
    let before = Utc::now() - chrono::TimeDelta::minutes(5);
    running.publish_at(&chain(1), chain(1).chain.0, before).await;
    running.finish_at(1, before).await;
    running.start_again().await;
    running.ask_for(2).await;
    until(&mut decisions, 2, passes).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_lets_more_on_counts_at_once() {
    let mut running = Running::start("policy \"one\" {\n limits { max_concurrent = 1 }\n}\n").await;
    let mut decisions = running.decisions().await;
    running.ask_for(1).await;
    running.ask_for(2).await;
    until(&mut decisions, 2, waits).await;
    fs::write(running.folder.path().join("a.hcl"), TWO_AT_ONCE).unwrap();
    until(&mut decisions, 2, passes).await;
    running.stop().await;
}
