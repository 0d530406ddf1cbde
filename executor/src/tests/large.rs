//! A chain that nats-server does not take in one message.

use contracts::{
    Code, Message,
    chain::ChainState,
    gate::{Moment, Outcome},
    order::CancelChain,
    subject,
};
use serde_json::json;

use super::running::{Running, account};
use crate::ChainPage;

const HOLD: Outcome = Outcome::HoldForApprovals { given: 0, needed: 1 };

#[tokio::test(flavor = "multi_thread")]
async fn of_a_chain_that_is_too_large_to_tell_its_head_is_told_and_an_order_about_it_as_done() {
    let options = embedded::NatsOptions { max_payload: 20 << 10, ..Default::default() };
    let nats = embedded::Nats::start(options).await.unwrap();
    let stacks: Vec<String> = (0..40).map(|number| format!("stack-{number:02}")).collect();
    let running = Running::with(account(&[]), |config| {
        config.bus = bus::Options::at(nats.url(), "large");
    })
    .await;
    running.policies_say(Moment::BeforeChain, &stacks[0], HOLD);
    let planned: Vec<(&str, &[&str])> = stacks.iter().map(|stack| (&**stack, &[][..])).collect();
    let chain = running.plan(&planned).await;
    let page = running.until(chain, "it is planned", |_| true).await;
    assert_eq!(page.left_out.unwrap().code, Code::AnswerTooLarge);
    assert_eq!((page.line.steps, page.steps_in_order.len()), (40, 0));

    let by = "jane".to_owned();
    let order = CancelChain { chain, stack: None, force: false, by, note: None };
    let answer = running.bus.request(&subject::command(CancelChain::TYPE), &json!(order)).await;
    let told: ChainPage = serde_json::from_value(answer.unwrap().unwrap()).unwrap();
    assert_eq!((told.line.state, told.left_out.is_some()), (ChainState::Canceled, true));
    running.stop().await;
}
