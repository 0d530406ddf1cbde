//! Spacelift's webhooks and answers go wrong in every way there is.

use harness::{Pipeline, Setup};
use simulator::{Fault, FaultKind};

use super::{CHAINS_FEW, load, setup};

/// Drives chains while these faults are active; gives the system.
async fn chains_under(faults: &[Fault]) -> Pipeline {
    // Its services share a process: here nobody dies but answers.
    let pipeline = Pipeline::with(Setup { apart: None, own_servers: false, ..setup() }).await;
    for fault in faults {
        pipeline.spacelift.add_fault(fault.clone());
    }
    let chains = load(CHAINS_FEW).start(&pipeline).await.unwrap();
    // Those that were to happen a few times only are not listed any more when they have.
    for fault in pipeline.spacelift.faults() {
        assert!(fault.hits > 0 && fault.fault.times.is_none(), "too little went wrong: {fault:?}");
    }
    pipeline.spacelift.clear_faults();
    pipeline.assert_all_well(&chains);
    pipeline
}

#[tokio::test(flavor = "multi_thread")]
async fn every_webhook_is_lost_and_polling_alone_is_enough() {
    let pipeline = chains_under(&[Fault::always(FaultKind::WebhookLost)]).await;
    pipeline.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn webhooks_are_doubled_delayed_and_reordered() {
    let pipeline = chains_under(&[
        Fault::always(FaultKind::WebhookDoubled).with_probability(0.3),
        Fault::always(FaultKind::WebhookDelayed { delay_ms: 700 }).with_probability(0.3),
        Fault::always(FaultKind::WebhookReordered).with_probability(0.3),
        Fault::always(FaultKind::WebhookLost).with_probability(0.1),
    ])
    .await;
    pipeline.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_three_triggers_one_is_accepted_and_its_answer_lost() {
    let lost = Fault::always(FaultKind::AnswerLost).with_probability(0.3);
    let pipeline = chains_under(&[lost.on("runTrigger")]).await;
    pipeline.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_three_triggers_one_is_dropped_before_it_is_accepted() {
    let dropped = Fault::always(FaultKind::DroppedBeforeAccept).with_probability(0.3);
    let pipeline = chains_under(&[dropped.on("runTrigger")]).await;
    pipeline.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_request_may_be_lost_on_either_way() {
    let pipeline = chains_under(&[
        Fault::always(FaultKind::AnswerLost).with_probability(0.15),
        Fault::always(FaultKind::DroppedBeforeAccept).with_probability(0.15),
    ])
    .await;
    pipeline.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn spacelift_answers_with_errors_and_limits_and_refuses_tokens() {
    let pipeline = chains_under(&[
        Fault::always(FaultKind::ServerError { status: 502 }).with_probability(0.1),
        Fault::always(FaultKind::TooManyRequests { retry_after_s: None }).times(5),
        Fault::always(FaultKind::ExpiredToken).with_probability(0.1),
    ])
    .await;
    pipeline.stop().await;
}
