//! What people were told, and what is told again.

use std::sync::{Arc, Mutex};

use bus::{Problem, ProblemKind};
use serde_json::{Value, json};
use uuid::Uuid;

use super::Installation;

fn record(number: u128) -> Value {
    json!({
        "effect": Uuid::from_u128(number), "channel": "slack", "kind": "slack.post",
        "target": "#deploys", "about": "Deploy of acme/infra", "standing": "given_up",
        "attempts": 3, "last_status": 200, "error": "Slack says channel_not_found (HTTP 200)",
        "first_attempt_at": "2026-09-01T12:00:00Z", "last_attempt_at": "2026-09-01T12:05:00Z",
        "next_attempt_at": null, "delivered_at": null
    })
}

#[tokio::test]
async fn what_was_told_is_listed_and_shown() {
    let at = Installation::new().await;
    at.service("stackly.ask.notifier.notices", |body| {
        let all = match body["channel"].as_str() {
            Some("slack") => {
                assert_eq!((&body["standing"], &body["limit"]), (&json!("given_up"), &json!(5)));
                vec![record(1)]
            }
            _ => Vec::new(),
        };
        Ok(json!({ "deliveries": all }))
    })
    .await;
    at.service("stackly.ask.notifier.notice", |body| {
        if body["effect"] != json!(Uuid::from_u128(1)) {
            return Err(Problem::new(ProblemKind::NotFound, "not_found", "there is no such call"));
        }
        let mut told = record(1);
        told["chain"] = json!(contracts::ChainId(Uuid::from_u128(5)));
        told["said"] = json!({ "text": "a text" });
        told["open"] = json!(true);
        told["reason"] = json!({ "code": "access_refused", "text": "not in the channel" });
        Ok(told)
    })
    .await;
    assert!(at.run(&["notices"]).await.ok().contains("nobody was told anything yet"));
    let none = ["notices", "list", "--standing", "waiting"];
    assert!(at.run(&none).await.ok().contains("no notice matches"));
    let some = ["notices", "list", "--channel", "slack", "--standing", "given-up", "--limit", "5"];
    let text = at.run(&some).await.ok();
    let id = Uuid::from_u128(1).to_string();
    assert!(text.contains(&id) && text.contains("3 attempts: Slack says channel_not"), "{text}");
    let document = at.run(&[&some[..], &["--json"]].concat()).await.json();
    assert_eq!(document["notices"][0]["id"], json!(id));
    let text = at.run(&["notices", "show", &id]).await.ok();
    let chain = contracts::ChainId(Uuid::from_u128(5)).to_string();
    assert!(text.contains(&chain) && text.contains("\"a text\""), "{text}");
    assert!(text.contains("access_refused: not in the channel"), "{text}");
    at.run(&["notices", "show", &Uuid::from_u128(9).to_string()]).await.failed(3);
}

#[tokio::test]
async fn what_was_given_up_since_a_time_is_told_again_page_by_page_the_oldest_first() {
    let at = Installation::new().await;
    at.service("stackly.ask.notifier.notices", |body| {
        if body["since"].is_null() {
            return Ok(json!({ "deliveries": [] }));
        }
        assert_eq!(body["standing"], "given_up", "nothing else is told again unless it is said so");
        let before = body["before"].as_str().map(|id| id.parse::<Uuid>().unwrap().as_u128());
        let newest = before.unwrap_or(1_101) - 1;
        let many = (body["limit"].as_u64().unwrap() as u128).min(newest);
        let page: Vec<Value> = (0..many).map(|place| record(newest - place)).collect();
        Ok(json!({ "deliveries": page }))
    })
    .await;
    let orders = Arc::new(Mutex::new(Vec::new()));
    let noted = orders.clone();
    at.service("stackly.cmd.notice.retry", move |body| {
        let Some(ids) = body["notices"].as_array() else { return Ok(Value::Null) };
        assert_eq!(body["by"], "grace");
        noted.lock().unwrap().extend(ids.clone());
        let of = |id: &Value| {
            let is_first = *id == json!(Uuid::from_u128(1));
            let code = if is_first { "forgotten" } else { "told_again" };
            json!({ "effect": id, "code": code, "message": "as it is" })
        };
        Ok(json!({ "notices": ids.iter().map(of).collect::<Vec<_>>() }))
    })
    .await;
    let all = ["notices", "retry", "--since", "2h", "--channel", "slack", "--as", "grace"];
    let text = at.run(&all).await.ok();
    assert!(text.contains("1099 of 1100 notices told again"), "{text}");
    let orders = orders.lock().unwrap().clone();
    assert_eq!((orders.len(), &orders[0]), (1_100, &json!(Uuid::from_u128(1))));
    let one = Uuid::from_u128(7).to_string();
    let told = at.run(&["notices", "retry", &one, "--as", "grace", "--json"]).await.json();
    assert_eq!(told["notices"][0]["code"], "told_again");
    assert_eq!(told["notices"][0]["id"], json!(one));
}
