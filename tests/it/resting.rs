//! Spacelift answers nothing but errors for a while: calls rest, people are told once, and when it
//! is back everything goes on by itself.

use contracts::{Code, catalogue::AccountAlerted, subject};
use executor::ChainPage;
use harness::{
    Pipeline, Setup, accounts,
    listener::Listener,
    patience::{PATIENCE, eventually},
};
use serde_json::Value;
use simulator::{Fault, FaultKind};

async fn standing(pipeline: &Pipeline) -> Value {
    let subject = subject::question("executor", "spacelift");
    pipeline.bus.request(&subject, &Value::Null).await.unwrap().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_spacelift_makes_calls_rest_and_nothing_is_triggered_twice() {
    let account = accounts::diamonds(3);
    let stacks = Some(account.stacks.len() as u64);
    let pipeline = Pipeline::with(Setup { account, ..Setup::default() }).await;
    // It could not be asked for its stacks during the outage.
    let (subject, nothing) = (subject::question("planner", "status"), Value::Null);
    let known = || async { pipeline.bus.request(&subject, &nothing).await };
    let is_known = |status: &Result<Result<Value, _>, _>| matches!(status, Ok(Ok(status)) if status["stacks"].as_u64() == stacks);
    let status = eventually("the stacks to be known", PATIENCE, known, is_known).await;
    status.unwrap().unwrap();
    assert_eq!(standing(&pipeline).await["resting"], false);
    let mut listener = Listener::start(&pipeline.bus).await;
    let outage = FaultKind::ServerError { status: 503 };
    let outage = pipeline.spacelift.add_fault(Fault::always(outage));
    let files = ["stacks/a0/main.tf", "stacks/a1/main.tf", "stacks/a2/main.tf"];
    let commit = pipeline.push(&files).await;

    let begins: AccountAlerted = listener.expect().await;
    assert_eq!((begins.severity.as_str(), begins.title.as_str()), ("ERROR", BEGINS));
    assert!(begins.text.starts_with("circuit_open: "), "{}", begins.text);
    let stands = standing(&pipeline).await;
    assert_eq!((&stands["resting"], &stands["code"]), (&true.into(), &"circuit_open".into()));
    // Whoever asks why a step waits is told so.
    let rests = |page: &ChainPage| {
        let calls = page.steps_in_order.iter().filter_map(|step| step.call_reason.as_ref());
        calls.into_iter().any(|reason| reason.code == Code::CircuitOpen)
    };
    pipeline.chain_when(&commit, PATIENCE, rests).await;

    assert!(pipeline.spacelift.remove_fault(outage));
    let chain = pipeline.ended(&commit).await;
    let ends: AccountAlerted = listener.expect().await;
    assert_eq!((ends.severity.as_str(), ends.title.as_str()), ("INFO", "Calls to Spacelift go on"));
    assert_eq!(standing(&pipeline).await["resting"], false);
    pipeline.assert_all_well(&[chain]);
    pipeline.stop().await;
}

const BEGINS: &str = "Calls to Spacelift rest";
