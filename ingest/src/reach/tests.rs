use axum::{body::Body, http::Request};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use super::*;
use crate::testing::{House, Settings};

fn judged(status: u16, body: &str, is_ours: bool) -> Result<String, String> {
    let answered = Answered { status, said: "in its words".to_owned(), body: body.to_owned() };
    let of_ingest = serde_json::from_str(body).unwrap_or_default();
    judge(Sender::Github, ("https://hooks.acme.example", &answered), &of_ingest, is_ours)
}

#[test]
fn each_answer_says_what_is_wrong_and_how_it_is_mended() {
    let kept = r#"{"code":"ping","message":"the webhook works"}"#;
    assert!(judged(200, kept, true).unwrap().contains("came in here"));
    let refused = r#"{"code":"secret_out_of_scope","message":"not of this repository"}"#;
    assert!(judged(403, refused, true).unwrap().contains("came in here (HTTP 403)"));
    for (status, body, says) in [
        (200, kept, "nothing came in here"),
        (200, "<html>", "nothing came in here"),
        (301, "", "give them the address it leads to"),
        (401, r#"{"code":"bad_signature"}"#, "another secret than those of github.secrets"),
        (404, r#"{"code":"not_found"}"#, "ends with /webhooks/github"),
        (404, "nginx", "ends with /webhooks/github"),
        (429, r#"{"code":"rate_limited","message":"too many"}"#, "(HTTP 429, rate_limited): too"),
        (502, "", "does not get through to https://hooks.acme.example (in its words)"),
        (0, "", "its name must resolve"),
        (403, "blocked by WAF", "is not answered by ingest (HTTP 403)"),
    ] {
        let text = judged(status, body, false).unwrap_err();
        assert!(text.contains(says), "{status} {body}: {text}");
    }
}

#[test]
fn the_doctor_signs_with_a_secret_of_its_own_that_every_process_has() {
    let senders = |secret: &str| {
        let mut senders = crate::testing::Settings::default().senders;
        let secrets = Vec::from_iter((!secret.is_empty()).then(|| SecretString::from(secret)));
        senders.spacelift.secrets.clone_from(&secrets);
        senders.bitbucket.secrets = secrets;
        senders
    };
    let none = admit(&mut senders(""), &[]);
    assert!(none.of(Kind::Spacelift).is_none(), "a source without a secret stays without");
    let (mut one, mut other) = (senders("s3cret"), senders("s3cret"));
    let secrets = [admit(&mut one, &[]), admit(&mut other, &[])];
    let [one_of, other_of] = secrets.each_ref().map(|it| it.of(Kind::Spacelift).unwrap());
    assert_eq!(one_of.expose_secret(), other_of.expose_secret());
    assert_ne!(one_of.expose_secret(), "s3cret");
    assert_eq!((one.spacelift.secrets.len(), one.bitbucket.secrets.len()), (2, 1));
    assert!(secrets[0].of(Kind::Bitbucket).is_none(), "nobody asked for its webhooks");
}

fn looking_at_azure() -> Settings {
    let mut settings = Settings::default();
    settings.senders.azure_devops.secrets = vec![SecretString::from("stackly:of azure")];
    settings.reconcile.azure_devops_token = SecretString::from("token");
    settings.reconcile.azure_devops_api_base = "http://127.0.0.1:1".to_owned();
    settings.reconcile.azure_devops_hooks = vec!["fd672255".to_owned()];
    settings
}

#[tokio::test]
async fn whoever_reads_the_password_of_the_doctor_can_say_nothing_with_it() {
    let mut settings = looking_at_azure();
    let hooks = Hooks::all(&settings.reconcile).unwrap();
    let secrets = admit(&mut settings.senders, &hooks);
    let house = House::open_as(&settings).await;
    let send = async |kind: &str, repository: &str| {
        let word = BASE64.encode(secrets.of(Kind::AzureDevops).unwrap().expose_secret());
        let body = json!({ "id": Uuid::new_v4(), "eventType": kind, "resource": {
            "repository": { "name": repository, "project": { "name": "~stackly-doctor" } },
            "refUpdates": [{ "name": "refs/heads/main", "oldObjectId": "0".repeat(40),
                "newObjectId": "33b55f7cb7e7e245323987634f960cf4a6e6bc74" }] } });
        let request = Request::post("/webhooks/azure-devops")
            .header("content-type", "application/json")
            .header("authorization", format!("Basic {word}"));
        let body = Body::from(body.to_string());
        house.send(request.body(body).unwrap()).await.code().to_owned()
    };
    assert_eq!(send("stackly.ping", "ping").await, "event_ignored");
    assert_eq!(send("git.push", "infra").await, "secret_out_of_scope");
    assert_eq!(send("git.push", "\u{fffd}").await, "malformed");
    assert_eq!(house.count("remembered").await, 0);
}

#[test]
fn what_can_be_read_on_its_way_is_told_by_the_address() {
    for (url, overheard) in [
        ("https://hooks.acme.example/webhooks/azure-devops", false),
        ("http://hooks.acme.example/webhooks/azure-devops", true),
        ("http://10.0.0.7:8787/webhooks/azure-devops", true),
        ("http://127.0.0.1:8787/", false),
        ("http://[::1]:8787/", false),
        ("http://localhost/", false),
        ("http://localhost.acme.example/", true),
    ] {
        assert_eq!(in_place::is_overheard(url), overheard, "{url}");
    }
}
