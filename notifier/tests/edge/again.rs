//! What people ask about what was told, and what they have told again.

use contracts::{Code, Reason, chain::ChainIgnored};
use receivers::{Fault, GITHUB_TOKEN, Github, HOOK_SECRET, Hook, Reply, SLACK_TOKEN, Slack};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::desk::{Desk, change, finished, new_chain, overridden, planned, seen, until};

async fn ask(desk: &Desk, question: &str, body: &Value) -> Result<Value, String> {
    let subject = format!("stackly.ask.notifier.{question}");
    match desk.bus.request(&subject, body).await {
        Ok(answer) => answer.map_err(|problem| problem.to_string()),
        Err(error) => Err(error.to_string()),
    }
}

async fn listed(desk: &Desk, body: &Value) -> Vec<Value> {
    ask(desk, "notices", body).await.unwrap()["deliveries"].as_array().unwrap().clone()
}

fn telling(slack: &Slack) -> String {
    format!(
        "[slack]\ntoken = \"{SLACK_TOKEN}\"\nchannel = \"deploys\"\napi_base = \"{}\"\n",
        slack.api_base
    )
}

/// What was told, once it is over: it is recorded a moment before.
async fn over(desk: &Desk, effect: &Value) -> Value {
    until("it is over", async || {
        let told = ask(desk, "notice", &json!({ "effect": effect })).await?;
        seen(told, |told| told["open"] == false)
    })
    .await
}

/// Has these told again; gives what is answered about the first.
async fn retry(desk: &Desk, id: Uuid, notices: &[&Value]) -> Value {
    let order = json!({ "id": id, "notices": notices, "by": "grace" });
    let answer = desk.bus.request("stackly.cmd.notice.retry", &order).await.unwrap();
    answer.unwrap()["notices"][0].clone()
}

#[tokio::test]
async fn what_was_given_up_is_listed_shown_and_told_again_as_it_stands_now() {
    let github = Github::start().await;
    let options =
        format!("[github]\ntoken = \"{GITHUB_TOKEN}\"\napi_base = \"{}\"\n", github.api_base);
    let desk = Desk::start(&options).await;
    let (chain, change) = (new_chain(), change());
    github.fail(Fault::Status(422));
    desk.announce(chain.0, &planned(chain, &change, &["a"])).await;
    let given_up = json!({ "channel": "github", "standing": "given_up" });
    let all = until("it is given up", async || {
        seen(listed(&desk, &given_up).await, |all| all.len() == 1)
    })
    .await;
    let effect = &all[0]["effect"];
    let told = over(&desk, effect).await;
    assert_eq!(told["chain"], json!(chain));
    assert_eq!(told["said"]["description"], "Planned 1 stack; asking the policies");
    assert_eq!(github.statuses(), []);

    // The same order is carried out once.
    let order = Uuid::new_v4();
    assert_eq!(retry(&desk, order, &[effect]).await["code"], "told_again");
    until("it is told", async || seen(github.statuses(), |all| all.len() == 1)).await;
    until("it is recorded", async || {
        seen(listed(&desk, &json!({ "standing": "delivered" })).await, |all| all.len() == 1)
    })
    .await;
    assert_eq!(retry(&desk, order, &[effect]).await["code"], "told_again");
    desk.announce(chain.0, &finished(chain, &change, &["a"])).await;
    until("its end", async || seen(github.statuses(), |all| all.len() >= 2)).await;
    assert_eq!(github.statuses().len(), 2, "{:?}", github.statuses());
    assert_eq!(github.statuses()[1].state, "success");
    // An order that comes before its answer is known is carried out by it.
    until("its end is recorded", async || {
        seen(listed(&desk, &json!({ "standing": "delivered" })).await, |all| all.len() == 2)
    })
    .await;

    // An old record says what is so now, not what was so then.
    assert_eq!(retry(&desk, Uuid::new_v4(), &[effect]).await["code"], "told_again");
    let all = until("again", async || seen(github.statuses(), |all| all.len() == 3)).await;
    assert_eq!(all[2].state, "success");

    let nobody = json!(Uuid::new_v4());
    assert_eq!(retry(&desk, Uuid::new_v4(), &[&nobody]).await["code"], "unknown");
    let unknown = ask(&desk, "notice", &json!({ "effect": nobody })).await.unwrap_err();
    assert!(unknown.contains("stackly notices list"), "{unknown}");
    let odd = ask(&desk, "notices", &json!({ "standing": "lost" })).await.unwrap_err();
    assert!(odd.contains("delivered, waiting, given_up"), "{odd}");
}

#[tokio::test]
async fn what_waits_is_tried_now() {
    let slack = Slack::start().await;
    let desk = Desk::start(&telling(&slack)).await;
    slack.fail("chat.postMessage", Fault::Error("not_in_channel"));
    let chain = new_chain();
    desk.announce(chain.0, &planned(chain, &change(), &["a"])).await;
    let waiting = json!({ "standing": "waiting" });
    let all =
        until("it waits", async || seen(listed(&desk, &waiting).await, |all| all.len() == 1)).await;
    let effect = &all[0]["effect"];
    let told = until("it is put off", async || {
        let told = ask(&desk, "notice", &json!({ "effect": effect })).await?;
        seen(told, |told| !told["reason"].is_null())
    })
    .await;
    assert_eq!(told["reason"]["code"], "access_refused");
    assert_eq!(retry(&desk, Uuid::new_v4(), &[effect]).await["code"], "tried_now");
    until("it is posted", async || seen(slack.messages(), |all| all.len() == 1)).await;
}

#[tokio::test]
async fn what_was_announced_in_vain_is_announced_again() {
    let slack = Slack::start().await;
    let desk = Desk::start(&telling(&slack)).await;
    slack.fail("chat.postMessage", Fault::Error("invalid_blocks"));
    let chain = new_chain();
    desk.announce(chain.0, &overridden(chain, "olga")).await;
    let given_up = json!({ "standing": "given_up" });
    let all = until("it is given up", async || {
        seen(listed(&desk, &given_up).await, |all| all.len() == 1)
    })
    .await;
    over(&desk, &all[0]["effect"]).await;
    assert_eq!(retry(&desk, Uuid::new_v4(), &[&all[0]["effect"]]).await["code"], "told_again");
    let told = until("it is posted", async || seen(slack.messages(), |all| all.len() == 1)).await;
    assert!(told[0].text.contains("olga broke the glass"), "{}", told[0].text);
}

#[tokio::test]
async fn a_webhook_that_is_sent_again_is_the_same_event() {
    let hook = Hook::start().await;
    let options = format!(
        "[delivery]\nallow_private = true\nwebhook_retries = []\n\
         [[webhooks]]\nname = \"audit\"\nurl = \"{}\"\nsecret = \"{HOOK_SECRET}\"\n\
         events = [\"chain.ignored\"]\n",
        hook.url
    );
    let desk = Desk::start(&options).await;
    hook.reply(Reply::Status(500));
    let reason = Reason::new(Code::NothingTouched, "no stack uses these files");
    desk.announce(new_chain().0, &ChainIgnored { change: change(), kind: None, reason }).await;
    let given_up = json!({ "standing": "given_up", "channel": "webhook" });
    let all = until("it is given up", async || {
        seen(listed(&desk, &given_up).await, |all| all.len() == 1)
    })
    .await;
    over(&desk, &all[0]["effect"]).await;
    let told = retry(&desk, Uuid::new_v4(), &[&all[0]["effect"]]).await;
    assert_eq!(told["code"], "told_again", "{told}");
    let all = until("it is sent again", async || seen(hook.received(), |all| all.len() == 2)).await;
    assert_eq!(all[0].id, all[1].id);
}
