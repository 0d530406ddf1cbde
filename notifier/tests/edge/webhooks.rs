//! Outgoing webhooks: signed, repeated, in order, and only to where they may go.

use std::time::Duration;

use contracts::ChainId;
use serde_json::{Value, json};

use receivers::{Hook, Received, Reply};

use crate::desk::{
    Desk, change, finished, new_chain, planned, seen, started, step_finished, until,
};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn endpoint(name: &str, url: &str, events: &str) -> String {
    format!(
        "[[webhooks]]\nname = \"{name}\"\nurl = \"{url}\"\nsecret = \"{SECRET}\"\n\
         events = {events}\n"
    )
}

fn config(endpoints: &[String], allow_private: bool) -> String {
    format!(
        "{}\n[delivery]\nallow_private = {allow_private}\ntimeout = \"2s\"\n\
         webhook_retries = [\"100ms\", \"100ms\", \"100ms\"]\nat_once_per_endpoint = 4\n",
        endpoints.concat()
    )
}

async fn received(hook: &Hook, count: usize) -> Vec<Received> {
    until("webhooks came", async || seen(hook.received(), |all| all.len() >= count)).await
}

fn types(received: &[Received]) -> Vec<&str> {
    received.iter().map(|hook| hook.body["type"].as_str().unwrap()).collect()
}

async fn records(desk: &Desk, chain: ChainId, standing: &str, count: usize) -> Vec<Value> {
    until(standing, async || {
        let all = desk.deliveries(chain).await;
        let found: Vec<Value> =
            all.iter().filter(|record| record["standing"] == standing).cloned().collect();
        if found.len() == count { Ok(found) } else { Err(format!("{all:?}")) }
    })
    .await
}

#[tokio::test]
async fn each_endpoint_is_told_what_it_wants_signed_and_in_order() {
    let (all, ends) = (Hook::start().await, Hook::start().await);
    let endpoints =
        [endpoint("all", &all.url, "[\"*\"]"), endpoint("ends", &ends.url, "[\"*.finished\"]")];
    let desk = Desk::start(&config(&endpoints, true)).await;
    let (chain, change) = (new_chain(), change());
    desk.announce(chain.0, &planned(chain, &change, &["a"])).await;
    desk.announce(chain.0, &started(chain, &change, 1)).await;
    desk.announce(chain.0, &step_finished(chain, "a")).await;
    desk.announce(chain.0, &finished(chain, &change, &["a"])).await;
    let told = received(&all, 4).await;
    let order = ["chain.planned", "chain.started", "step.finished", "chain.finished"];
    assert_eq!(types(&told), order);
    assert_eq!(told[0].body["data"]["chain"], json!(chain));
    assert_eq!(types(&received(&ends, 2).await), ["step.finished", "chain.finished"]);
    assert_eq!((all.forged(), ends.forged()), (0, 0));
    let records = records(&desk, chain, "delivered", 6).await;
    assert!(records.iter().all(|record| record["last_status"] == 204));
    assert!(!format!("{records:?}").contains("127.0.0.1"), "no address in a record");
}

#[tokio::test]
async fn a_failed_delivery_is_repeated_under_the_same_id_and_the_order_is_kept() {
    let hook = Hook::start().await;
    hook.reply(Reply::Status(500));
    hook.reply(Reply::Silence);
    let desk = Desk::start(&config(&[endpoint("hook", &hook.url, "[\"*\"]")], true)).await;
    let (chain, change) = (new_chain(), change());
    desk.announce(chain.0, &planned(chain, &change, &["a"])).await;
    desk.announce(chain.0, &finished(chain, &change, &["a"])).await;
    let told = received(&hook, 4).await;
    let kinds = ["chain.planned", "chain.planned", "chain.planned", "chain.finished"];
    assert_eq!(types(&told), kinds);
    assert!(told[..3].iter().all(|repeat| repeat.id == told[0].id));
    assert!(told[1].at - told[0].at >= Duration::from_millis(100));
    let records = records(&desk, chain, "delivered", 2).await;
    assert_eq!(records[0]["attempts"], 3);
    assert_eq!(records[1]["attempts"], 1);
}

#[tokio::test]
async fn a_receiver_that_never_takes_it_is_given_up_after_the_schedule() {
    let hook = Hook::start().await;
    hook.always(Reply::Status(500));
    let desk = Desk::start(&config(&[endpoint("hook", &hook.url, "[\"*\"]")], true)).await;
    let (chain, change) = (new_chain(), change());
    desk.announce(chain.0, &planned(chain, &change, &["a"])).await;
    let records = records(&desk, chain, "given_up", 1).await;
    assert!(records[0]["attempts"].as_i64().unwrap() <= 4);
    assert_eq!(records[0]["error"], "it answered HTTP 500");
}

#[tokio::test]
async fn an_endpoint_that_is_gone_is_not_called_any_more_even_after_a_restart() {
    let hook = Hook::start().await;
    hook.reply(Reply::Status(410));
    let mut desk = Desk::start(&config(&[endpoint("hook", &hook.url, "[\"*\"]")], true)).await;
    let (chain, change) = (new_chain(), change());
    desk.announce(chain.0, &planned(chain, &change, &["a"])).await;
    records(&desk, chain, "given_up", 1).await;
    desk.stop().await;
    desk.go_on().await;
    desk.announce(chain.0, &finished(chain, &change, &["a"])).await;
    let records = records(&desk, chain, "given_up", 2).await;
    assert!(records[1]["error"].as_str().unwrap().contains("410"));
    assert_eq!(hook.received().len(), 1);
}

#[tokio::test]
async fn an_endpoint_that_is_gone_is_told_of_until_it_is_taken_up_again() {
    let hook = Hook::start().await;
    hook.reply(Reply::Status(410));
    let mut desk = Desk::start(&config(&[endpoint("hook", &hook.url, "[\"*\"]")], true)).await;
    let (chain, change) = (new_chain(), change());
    let warning = async |desk: &Desk| {
        let readiness = desk.bus.request("stackly.ask.notifier.ready", &json!({})).await;
        readiness.unwrap().unwrap()["warnings"]["webhooks"].as_str().unwrap_or("").to_owned()
    };
    desk.announce(chain.0, &planned(chain, &change, &["a"])).await;
    records(&desk, chain, "given_up", 1).await;
    for _ in 0..2 {
        let told = warning(&desk).await;
        assert!(told.contains("`hook` answered 410 Gone at 20"), "{told}");
        assert!(told.contains("set `revived_at` in its [[webhooks]]"), "{told}");
        desk.reconfigure(|_| {}).await;
    }
    desk.reconfigure(|config| config.webhooks[0].revived_at = Some(chrono::Utc::now())).await;
    assert_eq!(warning(&desk).await, "");
    desk.announce(chain.0, &finished(chain, &change, &["a"])).await;
    records(&desk, chain, "delivered", 1).await;
    assert_eq!(types(&received(&hook, 2).await), ["chain.planned", "chain.finished"]);
}

#[tokio::test]
async fn a_redirect_is_a_failure_and_is_not_followed() {
    let (hook, elsewhere) = (Hook::start().await, Hook::start().await);
    hook.always(Reply::Redirect(elsewhere.url.clone()));
    let desk = Desk::start(&config(&[endpoint("hook", &hook.url, "[\"*\"]")], true)).await;
    let (chain, change) = (new_chain(), change());
    desk.announce(chain.0, &planned(chain, &change, &["a"])).await;
    records(&desk, chain, "given_up", 1).await;
    assert_eq!((elsewhere.received().len(), elsewhere.forged()), (0, 0));
}

#[tokio::test]
async fn a_silent_endpoint_does_not_hold_up_another() {
    let (silent, quick) = (Hook::start().await, Hook::start().await);
    silent.always(Reply::Silence);
    let endpoints =
        [endpoint("silent", &silent.url, "[\"*\"]"), endpoint("quick", &quick.url, "[\"*\"]")];
    let mut toml = config(&endpoints, true);
    toml.push_str("at_once = 8\n");
    let desk = Desk::start(&toml).await;
    let chains: Vec<ChainId> = (0..40).map(|_| new_chain()).collect();
    for chain in &chains {
        desk.announce(chain.0, &planned(*chain, &change(), &["a"])).await;
    }
    let last_announced = tokio::time::Instant::now();
    let told = received(&quick, 40).await;
    let took = told.iter().map(|hook| hook.at).max().unwrap() - last_announced;
    // Forty silent calls, four at once, take twenty seconds.
    assert!(took < Duration::from_secs(10), "{took:?}");
}

#[tokio::test]
async fn a_name_that_leads_to_this_machine_is_never_called() {
    let hook = Hook::start().await;
    let url = hook.url.replace("127.0.0.1", "localhost");
    let desk = Desk::start(&config(&[endpoint("hook", &url, "[\"*\"]")], false)).await;
    let (chain, change) = (new_chain(), change());
    desk.announce(chain.0, &planned(chain, &change, &["a"])).await;
    let records = records(&desk, chain, "given_up", 1).await;
    let error = records[0]["error"].as_str().unwrap();
    assert!(error.contains("private or local address"), "{error}");
    assert_eq!((hook.received().len(), hook.forged()), (0, 0));
}

#[tokio::test]
async fn with_nobody_to_tell_everything_goes_on() {
    let desk = Desk::start("").await;
    let (chain, change) = (new_chain(), change());
    desk.announce(chain.0, &planned(chain, &change, &["a"])).await;
    desk.announce(chain.0, &finished(chain, &change, &["a"])).await;
    assert_eq!(desk.deliveries(chain).await, Vec::<Value>::new());
    let asked = desk.ask(&json!({ "stack": "a" })).await;
    assert!(asked.unwrap_err().starts_with("malformed: ask with"));
}
