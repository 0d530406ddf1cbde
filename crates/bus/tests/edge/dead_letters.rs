//! What a dead letter holds, and how it comes back to life.

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::anyhow;
use bus::{Answers, Bus, BusError, Failure};
use contracts::Code;
use serde_json::json;

use crate::bench::{self, Script, bus, event, eventually, publish};

#[tokio::test]
async fn a_dead_letter_holds_the_original_and_comes_back_when_asked() {
    static IS_MENDED: AtomicBool = AtomicBool::new(false);
    let bus = bus().await;
    let (script, ..) = Script::new(|_, _| match IS_MENDED.load(Ordering::SeqCst) {
        true => Ok(Answers::default()),
        false => Err(Failure::reject(Code::Cycle, anyhow!("a needs b\nand b needs a"))),
    })
    .consume(&bus);
    let before = chrono::Utc::now();
    let id = publish(&bus, &["acme/infra"]).await[0];
    eventually("the dead letter", async || bus.dead_letters(10).await.unwrap().len() == 1).await;

    let letter = bus.dead_letters(10).await.unwrap().remove(0);
    assert_eq!(letter.consumer, "test-changes");
    assert_eq!(letter.reason, "cycle: a needs b and b needs a");
    assert_eq!(letter.subject, bus.subject("stackly.evt.change.pushed.acme-infra"));
    assert_eq!(letter.kind.as_deref(), Some("stackly.change.pushed"));
    assert_eq!(letter.body, json!({ "key": "acme/infra" }));
    assert!(letter.at >= before && letter.at <= chrono::Utc::now(), "{}", letter.at);
    let shown = bus.dead_letter(letter.sequence).await.unwrap().unwrap();
    assert_eq!((shown.reason, shown.at), (letter.reason, letter.at));

    IS_MENDED.store(true, Ordering::SeqCst);
    assert!(bus.requeue(letter.sequence).await.unwrap());
    eventually("the second chance", async || script.times(id) == 2).await;
    assert!(bus.dead_letters(10).await.unwrap().is_empty());
    assert!(bus.dead_letter(letter.sequence).await.unwrap().is_none());
    assert!(!bus.requeue(letter.sequence).await.unwrap(), "it is there no more");
}

#[tokio::test]
async fn a_letter_is_asked_of_the_server_that_gave_its_sequence_because_others_may_be_behind() {
    // Who may ask no other.
    let more = "authorization { users: [{ user: we, password: we, permissions: { \
                publish: { deny: \"$JS.API.DIRECT.>\" } } }] }\n";
    let options = embedded::NatsOptions { more: more.to_owned(), ..Default::default() };
    let nats = embedded::Nats::start(options).await.unwrap();
    let bus = Bus::connect(&bench::options(&nats.url().replace("//", "//we:we@")), "test").await;
    let bus = bus.unwrap();
    bus.ensure_streams().await.unwrap();
    let (_script, ..) =
        Script::new(|_, _| Err(Failure::reject(Code::Cycle, anyhow!("no")))).consume(&bus);
    publish(&bus, &["acme/infra"]).await;
    eventually("the dead letter", async || bus.dead_letters(10).await.unwrap().len() == 1).await;
    assert_eq!(bus.dead_letter(1).await.unwrap().unwrap().reason, "cycle: no");
    assert!(bus.dead_letter(2).await.unwrap().is_none());
}

#[tokio::test]
async fn messages_nobody_can_read_are_dead_letters_each_of_its_own() {
    let bus = bus().await;
    let url = embedded::shared_nats().await.url();
    let stranger = async_nats::connect(url).await.unwrap();
    let subject = bus.subject("stackly.evt.change.pushed.x");
    for body in ["no JSON at all", "{}"] {
        stranger.publish(subject.clone(), body.into()).await.unwrap();
    }
    stranger.flush().await.unwrap();
    let (script, ..) = Script::silent().consume(&bus);
    eventually("two letters", async || bus.dead_letters(10).await.unwrap().len() == 2).await;
    let letters = bus.dead_letters(10).await.unwrap();
    assert_eq!(letters[0].body, json!("no JSON at all"));
    assert_eq!(letters[1].body, json!({}));
    for letter in letters {
        let reason = "unreadable: header ce-id is missing; every message needs the CloudEvents \
                      attributes";
        assert_eq!(letter.reason, reason);
    }
    assert!(script.seen().is_empty());
}

#[tokio::test]
async fn a_letter_goes_back_to_the_consumer_that_gave_it_up_and_to_no_other() {
    let bus = bus().await;
    let stranger = async_nats::connect(embedded::shared_nats().await.url()).await.unwrap();
    let subject = bus.subject("stackly.evt.change.pushed.x");
    stranger.publish(subject, "no JSON at all".into()).await.unwrap();
    stranger.flush().await.unwrap();
    let (one, ..) = Script::silent().consume(&bus);
    let (other, ..) = Script::silent().called("other-changes").consume(&bus);
    let letters = async || bus.dead_letters(10).await.unwrap();
    eventually("a letter of each", async || letters().await.len() == 2).await;
    for _ in 0..2 {
        let given_back = letters().await;
        let newest = given_back.last().unwrap().sequence;
        for letter in given_back {
            assert!(bus.requeue(letter.sequence).await.unwrap());
        }
        let again = async || letters().await.iter().filter(|it| it.sequence > newest).count() >= 2;
        eventually("them to be given up again", again).await;
    }
    // Once each has seen what came last, nothing before it is left to be given up.
    let last = publish(&bus, &["acme/infra"]).await[0];
    let seen = async || one.times(last) == 1 && other.times(last) == 1;
    eventually("both to be through", seen).await;
    let settled = async || {
        let streams = bus.streams().await.unwrap();
        // Those of the other stream are of whoever looked for letters.
        streams[0].consumers.iter().all(|(_, waiting, unsettled)| waiting + unsettled == 0)
    };
    eventually("nothing to be unsettled", settled).await;
    let mut consumers: Vec<_> = letters().await.into_iter().map(|it| it.consumer).collect();
    consumers.sort();
    assert_eq!(consumers, ["other-changes", "test-changes"]);
}

#[tokio::test]
async fn a_message_larger_than_the_server_takes_is_told_at_once() {
    let bus = bus().await;
    let mut large = event("a");
    large.body = json!({ "text": "x".repeat(bus.body_max() + 64 * 1024) });
    let sent = bus.send(&[large]).await;
    let error = bus.stored(sent).await.unwrap_err();
    assert!(matches!(error, BusError::TooLarge { .. }), "{error}");
}
