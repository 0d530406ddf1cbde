//! What leads to nothing says why, and what cannot be handled is kept with its reason.

use contracts::{
    Code,
    chain::{ChainIgnored, ChainRefused},
};
use harness::{
    Pipeline, Setup, accounts,
    listener::Listener,
    patience::{PATIENCE, eventually},
};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_push_that_touches_nothing_says_what_it_touched_and_that_nobody_cares() {
    let pipeline = Pipeline::start().await;
    let mut listener = Listener::start(&pipeline.bus).await;

    let commit = pipeline.push(&["README.md"]).await;
    let ignored: ChainIgnored = listener.expect().await;

    assert_eq!(ignored.change.commit.as_str(), commit);
    assert_eq!(ignored.reason.code, Code::NothingTouched);
    assert!(ignored.reason.text.contains("README.md"), "{}", ignored.reason.text);
    assert!(pipeline.chains().await.unwrap().is_empty());
    pipeline.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_circle_of_labels_is_refused_by_name_and_nothing_runs() {
    let account = accounts::account(&[("a", &["c"]), ("b", &["a"]), ("c", &["b"])]);
    let pipeline = Pipeline::with(Setup { account, ..Setup::default() }).await;
    let mut listener = Listener::start(&pipeline.bus).await;

    let commit = pipeline.push(&["stacks/b/main.tf"]).await;
    let refused: ChainRefused = listener.expect().await;

    assert_eq!(refused.change.commit.as_str(), commit);
    assert_eq!(refused.reason.code, Code::Cycle);
    for label in ["depends-on:a", "depends-on:b", "depends-on:c"] {
        assert!(refused.reason.text.contains(label), "{}", refused.reason.text);
    }
    assert!(pipeline.chains().await.unwrap().is_empty());
    assert!(pipeline.spacelift.runs("b").is_empty());
    pipeline.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_cannot_be_handled_is_a_dead_letter_that_can_be_sent_again() {
    let pipeline = Pipeline::start().await;
    pipeline.send_unreadable().await;
    let letters = || pipeline.letters_of_the_executor();

    let one = eventually("a dead letter", PATIENCE, letters, |all: &Vec<_>| all.len() == 1).await;
    let letter = &one[0];
    assert!(letter.reason.starts_with("unreadable: "), "{}", letter.reason);
    assert_eq!(letter.kind.as_deref(), Some("stackly.chain.planned"));
    assert_eq!(letter.body, json!({ "chain": "no id" }), "it is kept as it came");

    // Whoever was not mended gives it up again.
    assert!(pipeline.bus.requeue(letter.sequence).await.unwrap());
    let again = |all: &Vec<bus::DeadLetter>| all.len() == 1 && all[0].sequence != letter.sequence;
    eventually("the same letter again", PATIENCE, letters, again).await;

    // Nobody else was held up.
    let commit = pipeline.push(&["stacks/d/main.tf"]).await;
    let chain = pipeline.ended(&commit).await;
    pipeline.assert_all_well(&[chain]);
    pipeline.stop_undone().await;
}
