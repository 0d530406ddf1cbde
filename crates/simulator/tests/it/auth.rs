//! Keys, tokens, and what is refused without them.

use serde_json::{Value, json};
use simulator::{Settings, sample_account};

use crate::client::{Client, account};

const EXCHANGE: &str =
    "mutation($id:ID!$secret:String!){apiKeyUser(id: $id, secret: $secret){jwt,validUntil}}";

fn claims(jwt: &str) -> Value {
    use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
    let payload = jwt.split('.').nth(1).unwrap();
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

#[tokio::test]
async fn a_key_becomes_a_token_for_this_endpoint() {
    let mut client = Client::start(account(&[])).await;
    client.token = None;
    let key = client.simulator.api_key();

    let data = client.strictly(EXCHANGE, json!({"id": key.id, "secret": key.secret})).await;

    let user = &data["apiKeyUser"];
    let claims = claims(user["jwt"].as_str().unwrap());
    assert_eq!(claims["aud"], json!([client.simulator.url()]));
    assert_eq!(claims["exp"], user["validUntil"]);
    assert_eq!(claims["iss"], "api-key");
}

#[tokio::test]
async fn a_wrong_secret_and_a_wrong_key_are_unauthorized() {
    let client = Client::start(account(&[])).await;
    let key = client.simulator.api_key();
    for variables in
        [json!({"id": key.id, "secret": "no"}), json!({"id": "no", "secret": key.secret})]
    {
        let answer = client.ask(EXCHANGE, variables).await;
        assert_eq!(answer["data"]["apiKeyUser"], Value::Null);
        assert_eq!(answer["errors"][0]["message"], "unauthorized");
    }
}

#[tokio::test]
async fn without_a_good_token_viewer_is_null_and_everything_else_unauthorized() {
    let mut client = Client::start(sample_account()).await;
    for token in
        [None, Some("garbage".to_owned()), Some(format!("{}x", client.token.clone().unwrap()))]
    {
        client.token = token;
        assert_eq!(client.data("{viewer{id,name}}", json!({})).await["viewer"], Value::Null);
        for document in [
            "{stacks{id}}",
            "{stack(id:\"org\"){id}}",
            "{debugInfo{selfHostedVersion}}",
            "{searchRuns(input:{}){pageInfo{hasNextPage}}}",
            "mutation{runTrigger(stack:\"org\"){id}}",
            "mutation{auditTrailDeleteWebhook{enabled}}",
        ] {
            assert_eq!(client.error(document, json!({})).await, "unauthorized", "{document}");
        }
    }
    assert!(client.simulator.control().runs("org").is_empty());
}

#[tokio::test]
async fn a_token_is_good_only_as_long_as_it_says() {
    let mut client = Client::start(account(&[])).await;
    let control = client.simulator.control();
    control.set_settings(Settings { token_lifetime_s: 0, ..Settings::default() });
    client.sign_in().await;
    // A token for no time at all is past within the second.
    let deadline = std::time::Instant::now() + crate::client::PATIENCE;
    while client.data("{viewer{id}}", json!({})).await["viewer"] != Value::Null {
        assert!(std::time::Instant::now() < deadline, "the token never expired");
    }
    assert_eq!(client.error("{stacks{id}}", json!({})).await, "unauthorized");

    control.set_settings(Settings::default());
    client.sign_in().await;
    client.data("{stacks{id}}", json!({})).await;
}

#[tokio::test]
async fn all_tokens_can_be_made_worthless_at_once() {
    let mut client = Client::start(account(&[])).await;

    client.simulator.control().expire_tokens();
    assert_eq!(client.error("{stacks{id}}", json!({})).await, "unauthorized");

    client.sign_in().await;
    client.data("{stacks{id}}", json!({})).await;
}

#[tokio::test]
async fn logging_out_ends_the_token() {
    let client = Client::start(account(&[])).await;
    let data = client.data("mutation{logout{id login type}}", json!({})).await;
    assert_eq!(data["logout"]["type"], "API_KEY");
    assert_eq!(client.error("{stacks{id}}", json!({})).await, "unauthorized");
}
