//! Attacks on webhook receivers, and that they do not work here: a test for each.
//!
//! Where an attack is known from somebody else's fault, its number is in the test's name.

use std::time::Duration;

use axum::{body::Body, http::Request};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use bytes::Bytes;
use chrono::Utc;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::SecretString;
use serde_json::{Value, json};
use sha2::Sha256;
use uuid::Uuid;

use crate::testing::{
    GITHUB_SECRET, House, PULL_REQUEST, PUSH, RUN, Settings, azure_vote, door, github, push_to,
    send, sha1, sha256, spacelift,
};

const SLACK_SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";

fn everybody() -> Settings {
    let mut settings = Settings::default();
    let senders = &mut settings.senders;
    senders.gitlab.secrets = vec![SecretString::from("gitlab-token")];
    senders.bitbucket.secrets = vec![SecretString::from(GITHUB_SECRET)];
    senders.azure_devops.secrets = vec![SecretString::from("stackly:password")];
    senders.slack.secrets = vec![SecretString::from(SLACK_SECRET)];
    settings
}

fn post(path: &str) -> axum::http::request::Builder {
    Request::post(format!("/webhooks/{path}")).header("content-type", "application/json")
}

fn slack(body: &str, at: i64) -> Request<Body> {
    let mac = Hmac::<Sha256>::new_from_slice(SLACK_SECRET.as_bytes()).unwrap();
    let mac = mac.chain_update(format!("v0:{at}:{body}"));
    post("slack")
        .header("x-slack-request-timestamp", at.to_string())
        .header("x-slack-signature", format!("v0={}", hex::encode(mac.finalize().into_bytes())))
        .body(Body::from(body.to_owned()))
        .unwrap()
}

async fn answered(settings: &Settings, request: Request<Body>) -> (u16, String) {
    let (router, _queue) = door(settings);
    let reply = send(&router, request).await;
    (reply.status.as_u16(), reply.code().to_owned())
}

/// Argo Workflows read bodies of any size before it looked at the signature.
#[tokio::test]
async fn cve_2026_42294_a_huge_body_is_not_received_before_it_is_known_to_be_signed() {
    let endless = || {
        let chunk = || Ok::<_, std::io::Error>(Bytes::from_static(&[b' '; 1024]));
        Body::from_stream(futures::stream::repeat_with(chunk))
    };
    // Without a signature not a byte is read, or this would never end.
    let unsigned = post("github").body(endless()).unwrap();
    assert_eq!(answered(&everybody(), unsigned).await, (401, "no_signature".to_owned()));
    let pretended = post("slack")
        .header("x-slack-request-timestamp", "1")
        .header("x-slack-signature", "v0=00")
        .body(endless())
        .unwrap();
    assert_eq!(answered(&everybody(), pretended).await, (413, "too_large".to_owned()));
}

/// Jenkins compared tokens byte by byte until the first that differs.
#[tokio::test]
async fn cve_2022_43411_and_43412_every_wrong_token_gets_the_same_answer() {
    let with = |token: &str| {
        let body = Body::from("{}");
        post("gitlab").header("x-gitlab-token", token).body(body).unwrap()
    };
    let (router, _queue) = door(&everybody());
    let first = send(&router, with("x")).await;
    for token in ["gitlab-toke", "gitlab-token ", "Gitlab-token", "", &"x".repeat(1_000)] {
        assert_eq!(send(&router, with(token)).await, first, "{token:?}");
    }
    let (without_secret, _queue) = door(&Settings::default());
    assert_eq!(send(&without_secret, with("gitlab-token")).await, first);
}

#[tokio::test]
async fn replay_of_a_captured_body_under_another_delivery_id_is_one_fact() {
    let mut house = House::open().await;
    let first = house.send(github("push", "d-1", PUSH)).await;
    for id in ["d-1", "d-2", "d-3"] {
        let again = house.send(github("push", id, PUSH)).await;
        assert_eq!((again.code(), again.delivery()), ("duplicate", first.delivery()), "{id}");
    }
    assert_eq!(house.events.recv().await.unwrap().0.len(), 1);
    assert!(house.events.try_recv().is_err());
    // Also of what gives no event.
    let kept = house.send(github("issues", "d-4", r#"{"action":"opened"}"#)).await;
    let again = house.send(github("issues", "d-5", r#"{"action":"opened"}"#)).await;
    assert_eq!((again.code(), again.delivery()), ("duplicate", kept.delivery()));
}

#[tokio::test]
async fn replay_of_a_signed_time_ends_after_five_minutes() {
    let now = Utc::now().timestamp();
    let body = r#"{"type":"url_verification","challenge":"x"}"#;
    for at in [now - 310, now + 310, 0] {
        let answer = answered(&everybody(), slack(body, at)).await;
        assert_eq!(answer, (401, "stale_signature".to_owned()), "{at}");
    }
    let mut other_time = slack(body, now);
    let headers = other_time.headers_mut();
    headers.insert("x-slack-request-timestamp", (now + 1).to_string().parse().unwrap());
    assert_eq!(answered(&everybody(), other_time).await.1, "bad_signature");
}

#[tokio::test]
async fn the_algorithm_is_not_chosen_by_the_sender() {
    let signed = |path: &str, header: &str, text: String| {
        let event = post(path).header("x-github-event", "push").header("x-github-delivery", "d");
        event
            .header("x-event-key", "repo:push")
            .header(header, text)
            .body(Body::from(PUSH))
            .unwrap()
    };
    let (sha1, sha256) =
        (sha1(GITHUB_SECRET, PUSH.as_bytes()), sha256(GITHUB_SECRET, PUSH.as_bytes()));
    for (what, request, code) in [
        ("sha1 alone", signed("github", "x-hub-signature", sha1.clone()), "no_signature"),
        (
            "sha1 in its place",
            signed("github", "x-hub-signature-256", sha1.clone()),
            "bad_signature",
        ),
        (
            "sha256 in GitHub's old header",
            signed("github", "x-hub-signature", sha256.clone()),
            "no_signature",
        ),
        (
            "sha1 where Bitbucket has sha256",
            signed("bitbucket", "x-hub-signature", sha1),
            "bad_signature",
        ),
        (
            "GitHub's header at Bitbucket",
            signed("bitbucket", "x-hub-signature-256", sha256.clone()),
            "no_signature",
        ),
        ("none", signed("github", "x-hub-signature-256", "none=".to_owned()), "bad_signature"),
        (
            "in capitals",
            signed("github", "x-hub-signature-256", sha256.replace("sha256", "SHA256")),
            "bad_signature",
        ),
    ] {
        assert_eq!(answered(&everybody(), request).await.1, code, "{what}");
    }
}

#[tokio::test]
async fn doubled_signature_id_and_time_headers_are_refused() {
    for name in ["x-hub-signature-256", "x-github-event", "x-github-delivery"] {
        let mut request = github("push", "d", PUSH);
        let value = request.headers()[name].clone();
        request.headers_mut().append(name, value);
        let house = House::open().await;
        let reply = house.send(request).await;
        assert_eq!(reply.status.as_u16(), 400, "{name}");
        assert!(["ambiguous_signature", "malformed"].contains(&reply.code()), "{name}");
    }
    let now = Utc::now().timestamp();
    let mut request = slack("{}", now);
    request.headers_mut().append("x-slack-request-timestamp", now.to_string().parse().unwrap());
    assert_eq!(answered(&everybody(), request).await.1, "ambiguous_signature");
}

#[tokio::test]
async fn bytes_are_verified_and_kept_as_they_came() {
    let house = House::open().await;
    // One more blank is another body: nothing is read and written anew before it is verified.
    for changed in [format!("{PUSH} "), PUSH.trim_end().replacen(": ", ":", 1)] {
        let mut request = github("push", "d", PUSH);
        *request.body_mut() = Body::from(changed);
        assert_eq!(house.send(request).await.code(), "bad_signature");
    }
    for (what, body) in [
        ("byte order mark", [b"\xef\xbb\xbf", PUSH.as_bytes()].concat()),
        ("not UTF-8", PUSH.as_bytes().iter().map(|b| if *b == b'j' { 0xff } else { *b }).collect()),
        ("UTF-16", PUSH.encode_utf16().flat_map(u16::to_le_bytes).collect()),
    ] {
        assert_eq!(house.send(github("push", "d", body)).await.code(), "malformed", "{what}");
    }
    let trailing = format!("{PUSH}\r\n\r\n");
    assert_eq!(house.send(github("push", "d-n", trailing.clone())).await.code(), "accepted");
    let kept: Vec<Vec<u8>> = sqlx::query_scalar("select body from contents order by received_at")
        .fetch_all(&house.pool)
        .await
        .unwrap();
    assert_eq!(kept.last().unwrap(), trailing.as_bytes());
}

#[tokio::test]
async fn a_key_that_comes_twice_is_refused() {
    let house = House::open().await;
    let doubled = PUSH.replacen("\"ref\"", "\"ref\": \"refs/heads/evil\", \"ref\"", 1);
    let reply = house.send(github("push", "d", doubled)).await;
    assert_eq!((reply.status.as_u16(), reply.code()), (400, "malformed"));
    let doubled = RUN.replacen("\"state\"", "\"state\": \"FINISHED\", \"state\"", 1);
    assert_eq!(house.send(spacelift(doubled)).await.code(), "malformed");
}

#[tokio::test]
async fn depth_and_number_bombs_are_refused_wherever_they_are() {
    let house = House::open().await;
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let long = "9".repeat(100_000);
    for bomb in [deep, long] {
        let body = PUSH.replacen('{', &format!("{{\"unread\":{bomb},"), 1);
        let reply = house.send(github("push", "d", body)).await;
        assert_eq!((reply.status.as_u16(), reply.code()), (400, "malformed"));
    }
}

#[tokio::test]
async fn compressed_bodies_are_not_undone() {
    for encoding in ["gzip", "br", "zstd", "deflate", "GZIP", "identity, gzip"] {
        let mut request = github("push", "d", PUSH);
        request.headers_mut().insert("content-encoding", encoding.parse().unwrap());
        let answer = answered(&everybody(), request).await;
        assert_eq!(answer, (415, "encoding_unsupported".to_owned()), "{encoding}");
    }
}

#[tokio::test]
async fn a_flood_is_shed_with_a_time_to_come_back_and_others_get_through() {
    let mut settings = everybody();
    settings.rate.source_per_second = 2;
    let (router, queue) = door(&settings);
    drop(queue);
    let mut shed = 0;
    for number in 0..20 {
        let reply = send(&router, github("push", &format!("d-{number}"), push_to("x"))).await;
        if reply.status.as_u16() == 429 {
            assert_eq!((reply.code(), reply.retry_after.as_deref()), ("rate_limited", Some("1")));
            shed += 1;
        }
    }
    assert!(shed >= 15, "{shed} of 20 were shed");
    assert_eq!(send(&router, spacelift(RUN)).await.code(), "overloaded", "not limited");
}

#[tokio::test]
async fn guessing_secrets_ends_after_a_few_tries() {
    let mut settings = everybody();
    settings.rate.unproven_per_minute = 10;
    let (router, _queue) = door(&settings);
    let mut codes = Vec::new();
    for guess in 0..15 {
        let guess = format!("guess-{guess}");
        let request = post("gitlab").header("x-gitlab-token", guess).body(Body::empty()).unwrap();
        codes.push(send(&router, request).await.code().to_owned());
    }
    assert_eq!(codes[9], "bad_signature");
    assert_eq!(codes[12], "rate_limited");
}

#[tokio::test]
async fn one_account_that_floods_is_shed_and_others_get_through() {
    let mut settings = everybody();
    settings.rate.account_per_second = 2;
    let house = House::open_as(&settings).await;
    let mut codes = Vec::new();
    for number in 0..10 {
        let body = push_to(&format!("b-{number}")).replace("acme/infra", "Flood/infra");
        codes.push(house.send(github("push", &format!("d-{number}"), body)).await);
    }
    let shed: Vec<_> = codes.iter().filter(|reply| reply.status.as_u16() == 429).collect();
    assert!(shed.len() >= 5, "{codes:?}");
    assert!(shed.iter().all(|reply| reply.code() == "account_rate_limited"));
    assert!(shed.iter().all(|reply| reply.retry_after.is_some()));
    assert_eq!(house.send(github("push", "d-x", PUSH)).await.code(), "accepted");
    assert_eq!(house.send(spacelift(RUN)).await.code(), "accepted");
}

/// Anybody can have GitHub send to our address, signed with a secret of their own.
#[tokio::test]
async fn who_fails_to_prove_themselves_shuts_no_door_to_others_behind_the_same_address() {
    let mut settings = everybody();
    settings.rate.unproven_per_minute = 5;
    let house = House::open_as(&settings).await;
    for number in 0..20 {
        let mut forged = github("push", &format!("f-{number}"), PUSH);
        let signature = sha256("of a stranger", PUSH.as_bytes()).parse().unwrap();
        forged.headers_mut().insert("x-hub-signature-256", signature);
        assert_eq!(house.send(forged).await.code(), "bad_signature");
    }
    assert_eq!(house.send(github("push", "d-1", PUSH)).await.code(), "accepted");
    // Where a secret could be guessed the door is shut to them, and only that one.
    let guess = || post("gitlab").header("x-gitlab-token", "x").body(Body::from("{}")).unwrap();
    for _ in 0..6 {
        house.send(guess()).await;
    }
    assert_eq!(house.send(guess()).await.code(), "rate_limited");
    assert_eq!(house.send(spacelift(RUN)).await.code(), "accepted");
}

/// Anybody can have gitlab.com send to our address, with a token of their own.
#[tokio::test]
async fn who_guesses_from_the_host_itself_does_not_shut_its_door_to_it() {
    let mut settings = everybody();
    settings.rate.unproven_per_minute = 5;
    let house = House::open_as(&settings).await;
    let with = async |token: &str, id: &str| {
        let request = post("gitlab")
            .header("x-gitlab-token", token)
            .header("x-gitlab-event", "Emoji Hook")
            .header("webhook-id", id);
        let body = json!({ "object_kind": "emoji", "id": id }).to_string();
        house.send(request.body(Body::from(body)).unwrap()).await.code().to_owned()
    };
    assert_eq!(with("gitlab-token", "d-1").await, "event_ignored");
    let mut last = String::new();
    for guess in 0..20 {
        last = with(&format!("guess-{guess}"), "g").await;
    }
    assert_eq!(last, "rate_limited");
    assert_eq!(with("gitlab-token", "d-2").await, "event_ignored");
    assert_eq!(with("guess", "g").await, "rate_limited");
}

/// Whoever owns one repository has the secret for it, and may want that of all.
#[tokio::test]
async fn who_has_a_secret_for_less_is_shut_out_where_they_guess() {
    for for_all in [vec!["gitlab-token"], vec![]] {
        let mut settings = everybody();
        settings.rate.unproven_per_minute = 5;
        settings.senders.gitlab.secrets = for_all.into_iter().map(SecretString::from).collect();
        let scoped = ["acme", "labs"]
            .map(|owner| (format!("{owner}/*"), vec![SecretString::from(format!("of-{owner}"))]));
        settings.senders.gitlab.scoped_secrets = scoped.into();
        let house = House::open_as(&settings).await;
        let with = async |token: &str| {
            let request = post("gitlab")
                .header("x-gitlab-token", token)
                .header("x-gitlab-event", "Emoji Hook")
                .header("webhook-id", Uuid::new_v4().to_string());
            let body = json!({ "object_kind": "emoji", "id": Uuid::new_v4() });
            house.send(request.body(Body::from(body.to_string())).unwrap()).await.code().to_owned()
        };
        with("of-acme").await;
        for _ in 0..20 {
            with("guess").await;
        }
        // They guess right, and are not told so.
        for more in ["of-labs", "gitlab-token", "guess"] {
            assert_eq!(with(more).await, "rate_limited", "{more}");
        }
        assert_ne!(with("of-acme").await, "rate_limited", "what they have is right all the same");
    }
}

#[tokio::test]
async fn secrets_are_rotated_without_a_gap() {
    let mut settings = everybody();
    settings.senders.github.secrets =
        vec![SecretString::from("the new one"), SecretString::from(GITHUB_SECRET)];
    let house = House::open_as(&settings).await;
    assert_eq!(house.send(github("push", "d-1", PUSH)).await.code(), "accepted");
    let body = push_to("next");
    let mut request = github("push", "d-2", body.clone());
    let signature = sha256("the new one", body.as_bytes()).parse().unwrap();
    request.headers_mut().insert("x-hub-signature-256", signature);
    request.headers_mut().remove("x-hub-signature");
    assert_eq!(house.send(request).await.code(), "accepted");
}

#[tokio::test]
async fn a_secret_of_one_repository_says_nothing_about_another() {
    let mut settings = everybody();
    settings.senders.github.scoped_secrets =
        [("acme-labs/*".to_owned(), vec![SecretString::from("of the labs")])].into();
    let house = House::open_as(&settings).await;
    let signed = |body: String| {
        let mut request = github("push", "d", body.clone());
        let signature = sha256("of the labs", body.as_bytes()).parse().unwrap();
        request.headers_mut().insert("x-hub-signature-256", signature);
        request.headers_mut().remove("x-hub-signature");
        request
    };
    let reply = house.send(signed(PUSH.to_owned())).await;
    assert_eq!((reply.status.as_u16(), reply.code()), (403, "secret_out_of_scope"));
    assert_eq!(house.count("remembered").await, 0);
    let own = PUSH.replace("acme/infra", "acme-labs/infra");
    assert_eq!(house.send(signed(own)).await.code(), "accepted");
    // What was refused has not taken the fact from who may tell it.
    assert_eq!(house.send(github("push", "d-1", PUSH)).await.code(), "accepted");
}

#[tokio::test]
async fn who_may_not_speak_of_a_repository_uses_up_nothing_of_its_owner_s_rate() {
    let mut settings = everybody();
    settings.rate.account_per_second = 1;
    settings.senders.github.scoped_secrets =
        [("acme-labs/*".to_owned(), vec![SecretString::from("of the labs")])].into();
    let house = House::open_as(&settings).await;
    let mut codes = Vec::new();
    for number in 0..5 {
        let body = push_to(&format!("b-{number}"));
        let signature = sha256("of the labs", body.as_bytes()).parse().unwrap();
        let mut foreign = github("push", &format!("f-{number}"), body);
        foreign.headers_mut().insert("x-hub-signature-256", signature);
        foreign.headers_mut().remove("x-hub-signature");
        codes.push(house.send(foreign).await.code().to_owned());
    }
    assert_eq!(codes[0], "secret_out_of_scope");
    assert!(codes.iter().any(|code| code == "account_rate_limited"), "{codes:?}");
    assert_eq!(house.send(github("push", "d-1", PUSH)).await.code(), "accepted");
}

#[tokio::test]
async fn a_secret_of_one_repository_takes_no_word_from_who_comments_in_another() {
    let mut settings = everybody();
    settings.senders.github.scoped_secrets =
        [("acme-labs/*".to_owned(), vec![SecretString::from("of the labs")])].into();
    let house = House::open_as(&settings).await;
    let event = |text: &str| {
        json!({
            "action": "created",
            "issue": { "number": 7, "pull_request": {} },
            "comment": {
                "id": 1_234, "body": text, "user": { "login": "grace" },
                "author_association": "MEMBER",
            },
            "repository": { "full_name": "acme/infra", "owner": { "login": "acme" } },
        })
        .to_string()
    };
    for (text, code) in [
        ("hi", "comment_ignored"),
        // Known to who said so before, and to nobody else.
        ("stackly dance", "duplicate"),
        ("stackly reject", "secret_out_of_scope"),
    ] {
        let body = event(text);
        let signature = sha256("of the labs", body.as_bytes()).parse().unwrap();
        let mut foretold = github("issue_comment", &format!("f-{code}"), body);
        foretold.headers_mut().insert("x-hub-signature-256", signature);
        foretold.headers_mut().remove("x-hub-signature");
        assert_eq!(house.send(foretold).await.code(), code, "{text}");
    }
    let said = github("issue_comment", "d-1", event("stackly reject"));
    assert_eq!(house.send(said).await.code(), "accepted");
    assert_eq!(house.count("orders").await, 1);
}

/// Azure's id is that of what happened, whichever subscription tells of it.
#[tokio::test]
async fn a_vote_is_taken_beside_what_another_subscription_tells_of_the_same_event() {
    let mut settings = everybody();
    settings.senders.azure_devops.commanders = vec!["ada@acme.example".to_owned()];
    let house = House::open_as(&settings).await;
    let told = async |subscription: &str, header: &str| {
        let mut body = azure_vote("03c164c2-8912-4d5e-8009-3707d5f83734", 10);
        body["subscriptionId"] = json!(subscription);
        let request = post("azure-devops")
            .header("authorization", format!("Basic {}", BASE64.encode("stackly:password")))
            .header(header, "vote");
        let body = Body::from(body.to_string());
        house.send(request.body(body).unwrap()).await.code().to_owned()
    };
    assert_eq!(told("of updates", "x-other").await, "accepted");
    assert_eq!(told("of votes", "x-stackly-change").await, "accepted");
    assert_eq!(told("of votes", "x-stackly-change").await, "duplicate");
    assert_eq!(told("of updates", "x-other").await, "duplicate");
    assert_eq!(house.count("orders").await, 1);
}

/// The second subscription may tell of a vote when the next one has been told of already.
#[tokio::test]
async fn a_vote_that_another_subscription_tells_late_is_not_given_anew() {
    let mut settings = everybody();
    settings.senders.azure_devops.commanders = vec!["ada@acme.example".to_owned()];
    let house = House::open_as(&settings).await;
    let told = async |event: u128, subscription: &str, vote: i32| {
        let mut body = azure_vote(&Uuid::from_u128(event).to_string(), vote);
        body["subscriptionId"] = json!(subscription);
        let request = post("azure-devops")
            .header("authorization", format!("Basic {}", BASE64.encode("stackly:password")))
            .header("x-stackly-change", "vote");
        let body = Body::from(body.to_string());
        house.send(request.body(body).unwrap()).await.code().to_owned()
    };
    assert_eq!(told(1, "a", 10).await, "accepted");
    assert_eq!(told(2, "a", 0).await, "accepted");
    assert_eq!(told(1, "b", 10).await, "duplicate", "late");
    assert_eq!(told(3, "a", 10).await, "accepted", "she votes so again");
    assert_eq!(told(4, "a", 10).await, "duplicate", "it is her vote already");
    assert_eq!(told(5, "a", 0).await, "accepted");
    for event in [1, 3, 4] {
        assert_eq!(told(event, "b", 10).await, "duplicate", "late: {event}");
    }
    assert_eq!(told(6, "b", 10).await, "accepted");
    assert_eq!(house.count("orders").await, 5);
}

#[tokio::test]
async fn a_form_is_verified_as_it_came_and_read_from_its_one_payload() {
    let house = House::open().await;
    let encoded: String = PUSH.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let form = |body: String| {
        let mut request = github("push", "d", body);
        let media = "application/x-www-form-urlencoded".parse().unwrap();
        request.headers_mut().insert("content-type", media);
        request
    };
    let twice = form(format!("payload={encoded}&payload={encoded}"));
    assert_eq!(house.send(twice).await.code(), "malformed");
    assert_eq!(house.send(form(format!("payload={encoded}"))).await.code(), "accepted");
}

#[tokio::test]
async fn nobody_learns_whether_a_source_is_configured() {
    let (with, _queue) = door(&everybody());
    let (without, _other) = door(&Settings::default());
    let now = Utc::now().timestamp();
    let forged = || {
        let mut request = slack("{}", now);
        let signature = format!("v0={}", "0".repeat(64)).parse().unwrap();
        request.headers_mut().insert("x-slack-signature", signature);
        request
    };
    assert_eq!(send(&with, forged()).await, send(&without, forged()).await);
}

#[tokio::test]
async fn nobody_learns_how_custom_senders_are_called() {
    let mut settings = everybody();
    let custom = toml::toml! {
        secrets = ["a secret"]
        header = "x-scanner-signature"
        prefix = "v1="
    };
    settings.senders.custom.insert("scanner".to_owned(), custom.try_into().unwrap());
    let standard = toml::toml! { secrets = ["whsec_QUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJD"] };
    settings.senders.standard.insert("registry".to_owned(), standard.try_into().unwrap());
    let (router, _queue) = door(&settings);
    for (there, not_there) in
        [("custom/scanner", "custom/other"), ("standard/registry", "standard/x")]
    {
        for (name, value) in [
            ("x-none", "1"),
            ("x-scanner-signature", "v1=00"),
            ("webhook-signature", "v1,AAAA"),
            ("content-encoding", "gzip"),
        ] {
            let request =
                |path: &str| post(path).header(name, value).body(Body::from("{}")).unwrap();
            let told = send(&router, request(there)).await;
            assert_eq!(told, send(&router, request(not_there)).await, "{there} {name}");
            assert!(matches!(told.status.as_u16(), 401 | 415), "{told:?}");
        }
    }
}

#[tokio::test]
async fn a_standard_webhook_that_is_replayed_under_another_id_than_the_signed_one_is_known() {
    let key = b"ABCABCABCABCABCABCABCABC";
    let mut settings = everybody();
    for prefix in ["webhook", "svix", "acme"] {
        let secret = format!("whsec_{}", BASE64.encode(key));
        let standard = format!("secrets = [\"{secret}\"]\nheader_prefix = \"{prefix}\"");
        let standard = toml::from_str(&standard).unwrap();
        settings.senders.standard.insert(prefix.to_owned(), standard);
    }
    let house = House::open_as(&settings).await;
    let at = Utc::now().timestamp();
    for prefix in ["webhook", "svix", "acme"] {
        let signed = |id: &str| {
            let mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
            let mac = mac.chain_update(format!("{id}.{at}.{{}}")).finalize().into_bytes();
            post(&format!("standard/{prefix}"))
                .header(format!("{prefix}-id"), id)
                .header(format!("{prefix}-timestamp"), at)
                .header(format!("{prefix}-signature"), format!("v1,{}", BASE64.encode(mac)))
        };
        let sent = |request: axum::http::request::Builder| {
            house.send(request.body(Body::from("{}")).unwrap())
        };
        assert_eq!(sent(signed("msg_1")).await.code(), "accepted", "{prefix}");
        for other in ["webhook", "svix"].into_iter().filter(|other| *other != prefix) {
            let replayed = signed("msg_1").header(format!("{other}-id"), "msg_2");
            assert_eq!(sent(replayed).await.code(), "duplicate", "{prefix}");
        }
        assert_eq!(sent(signed("msg_2")).await.code(), "accepted", "{prefix}");
    }
}

#[tokio::test]
async fn a_signed_push_of_gitlab_that_is_replayed_under_another_unsigned_id_is_known() {
    let key = b"ABCABCABCABCABCABCABCABC";
    let mut settings = everybody();
    settings.senders.gitlab.signed = true;
    settings.senders.gitlab.secrets =
        vec![SecretString::from(format!("whsec_{}", BASE64.encode(key)))];
    let house = House::open_as(&settings).await;
    let at = Utc::now().timestamp();
    let push = |id: &str, before: &str, after: &str| {
        let body = json!({
            "object_kind": "push", "ref": "refs/heads/main", "before": before.repeat(40),
            "after": after.repeat(40), "project": { "path_with_namespace": "acme/infra" },
        });
        let body = body.to_string();
        let mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
        let mac = mac.chain_update(format!("{id}.{at}.{body}")).finalize().into_bytes();
        post("gitlab")
            .header("x-gitlab-event", "Push Hook")
            .header("webhook-id", id)
            .header("webhook-timestamp", at)
            .header("webhook-signature", format!("v1,{}", BASE64.encode(mac)))
            .body(Body::from(body))
            .unwrap()
    };
    assert_eq!(house.send(push("one", "a", "b")).await.code(), "accepted");
    assert_eq!(house.send(push("two", "b", "a")).await.code(), "accepted");
    // The branch is where it was before the first, so a push like that may come again.
    for other in ["idempotency-key", "x-gitlab-event-uuid", "x-gitlab-webhook-uuid"] {
        let mut replayed = push("one", "a", "b");
        replayed.headers_mut().insert(other, "another".parse().unwrap());
        assert_eq!(house.send(replayed).await.code(), "duplicate", "{other}");
    }
    assert_eq!(house.send(push("three", "a", "b")).await.code(), "accepted");
}

/// The signature is over the body alone, and whoever catches a delivery can send it as something else.
#[tokio::test]
async fn a_header_that_nobody_signed_makes_no_other_event_of_a_body() {
    let house = House::open().await;
    let review = json!({
        "action": "submitted", "repository": { "full_name": "acme/infra" },
        "sender": { "login": "ann" },
        "review": { "id": 1, "state": "commented", "user": { "login": "ann" },
            "commit_id": "a".repeat(40), "author_association": "MEMBER", "body": "fine" },
        "pull_request": serde_json::from_str::<Value>(PULL_REQUEST).unwrap()["pull_request"],
    });
    let bodies = [
        ("push", PUSH.to_owned()),
        ("pull_request", PULL_REQUEST.to_owned()),
        ("pull_request_review", review.to_string()),
    ];
    for (event, body) in &bodies {
        for header in [
            "push",
            "pull_request",
            "merge_group",
            "issue_comment",
            "pull_request_review",
            "release",
        ] {
            if header != *event {
                let reply = house.send(github(header, "d", body.clone())).await;
                assert_ne!(reply.code(), "accepted", "{event} as {header}");
            }
        }
    }
}

/// Who opens a pull request chooses its title, and who owns the webhook sees how it was signed.
#[tokio::test]
async fn signed_json_is_not_read_as_a_form_that_somebody_wrote_into_a_text_of_it() {
    let house = House::open_as(&everybody()).await;
    let forged: String = push_to("forged").bytes().map(|byte| format!("%{byte:02X}")).collect();
    let body = PUSH.replacen('{', &format!("{{\"x\":\"&payload={forged}&\","), 1);
    let mut request = github("push", "d-1", body);
    let form = || "application/x-www-form-urlencoded".parse().unwrap();
    request.headers_mut().insert("content-type", form());
    assert_eq!(house.send(request).await.code(), "malformed");

    let button =
        r#"{"type":"block_actions","user":{"id":"U1"},"actions":[{"action_id":"approve"}]}"#;
    let button: String = button.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let told = format!(r#"{{"type":"event_callback","event":{{"text":"&payload={button}&"}}}}"#);
    let mut request = slack(&told, Utc::now().timestamp());
    request.headers_mut().insert("content-type", form());
    assert_eq!(house.send(request).await.code(), "malformed");
}

#[tokio::test]
async fn signatures_that_contradict_each_other_are_refused() {
    let house = House::open().await;
    for (mut request, header) in
        [(github("push", "d-1", PUSH), "x-hub-signature"), (spacelift(RUN), "x-signature")]
    {
        request.headers_mut().insert(header, sha1("other", b"{}").parse().unwrap());
        assert_eq!(house.send(request).await.code(), "bad_signature", "{header}");
    }
    // As their senders make them, both fit.
    assert_eq!(house.send(github("push", "d-1", PUSH)).await.code(), "accepted");
    assert_eq!(house.send(spacelift(RUN)).await.code(), "accepted");
}

#[tokio::test]
async fn an_answer_never_repeats_what_was_sent() {
    let house = House::open().await;
    let body = r#"{"ref":{"token":"hunter2"},"before":"hunter2"}"#;
    let reply = house.send(github("push", "d", body)).await;
    assert_eq!(reply.code(), "malformed");
    assert!(!reply.body.to_string().contains("hunter2"), "{}", reply.body);
}

/// The rest of the list is at the level of connections: see `server`, whose tests hold slow heads,
/// slow bodies, bodies without a length, doubled lengths, lengths beside chunks, and HTTP/2. What
/// the notifier must not be made to call is held by the tests of its `address`.
#[tokio::test]
async fn an_address_that_holds_its_share_of_connections_gets_no_more() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let (router, _queue) = door(&everybody());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let connections = crate::server::Connections {
        max: 100,
        per_address_max: 1,
        proxies: crate::peer::Proxies::default(),
        head_patience: Duration::from_secs(10),
    };
    let shutdown = tokio_util::sync::CancellationToken::new();
    tokio::spawn(crate::server::serve(listener, router, connections, shutdown.clone()));
    let request = b"POST /webhooks/github HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n";
    let mut first = tokio::net::TcpStream::connect(address).await.unwrap();
    first.write_all(request).await.unwrap();
    let mut start = [0; 12];
    first.read_exact(&mut start).await.unwrap();
    assert_eq!(&start, b"HTTP/1.1 401");

    let mut second = tokio::net::TcpStream::connect(address).await.unwrap();
    let _ = second.write_all(request).await;
    let mut all = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(10), second.read_to_end(&mut all)).await;
    let _ = read.expect("it is closed");
    assert_eq!(all, b"");
    shutdown.cancel();
}
