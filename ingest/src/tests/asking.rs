//! What people ask and order, over the wire.

use std::sync::atomic::{AtomicBool, Ordering};

use bus::{Problem, ProblemKind};
use chrono::{Datelike, TimeDelta};
use contracts::{GateId, gate::ReviewGate, hook::ReplayDeliveries};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::SecretString;
use sha2::Sha256;

use super::*;
use crate::{
    carry::Carrier,
    order::{Act, ChainOrder, Target, Word},
    store::orders::Open,
    testing::order,
};

const SLACK_SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";

async fn start() -> Running {
    let mut settings = Settings::default();
    settings.senders.slack.secrets = vec![SecretString::from(SLACK_SECRET)];
    settings.senders.people.insert("slack:U1".to_owned(), "grace".to_owned());
    Running::start_as(embedded::shared_nats().await.url(), settings).await
}

impl Running {
    /// A policy service that approves everything, but not of eve; told in a channel.
    async fn with_policy(&self) -> tokio::sync::mpsc::UnboundedReceiver<Value> {
        let (asked, reviews) = tokio::sync::mpsc::unbounded_channel();
        let (bus, shutdown) = (self.bus.clone(), self.shutdown.clone());
        let review = move |body: Value| {
            let asked = asked.clone();
            async move {
                asked.send(body.clone()).unwrap();
                if body["by"] == "slack:EVE" {
                    return Err(Problem::new(
                        ProblemKind::Refused,
                        "not_an_approver",
                        "slack:EVE may not approve this",
                    ));
                }
                Ok(json!({ "gate": body["gate"], "outcome": "pass" }))
            }
        };
        tokio::spawn(async move {
            bus.respond(&subject::command(ReviewGate::TYPE), review, shutdown).await.unwrap();
        });
        // Answers when it is there.
        let probe = json!({ "gate": GateId(Uuid::nil()), "probe": true });
        let there = async {
            while self.bus.request(&subject::command(ReviewGate::TYPE), &probe).await.is_err() {}
        };
        timeout(SOON, there).await.unwrap();
        reviews
    }

    async fn slash(&self, user: &str, text: &str, trigger: &str) -> (u16, Value) {
        let text = text.replace(' ', "+");
        let body = format!("user_id={user}&command=%2Fstackly&text={text}&trigger_id={trigger}");
        let at = chrono::Utc::now().timestamp().to_string();
        let mac = Hmac::<Sha256>::new_from_slice(SLACK_SECRET.as_bytes()).unwrap();
        let mac = mac.chain_update(format!("v0:{at}:{body}"));
        let signature = format!("v0={}", hex::encode(mac.finalize().into_bytes()));
        let response = reqwest::Client::new()
            .post(format!("http://{}/webhooks/slack", self.address))
            .header("content-type", "application/x-www-form-urlencoded")
            .header("x-slack-request-timestamp", at)
            .header("x-slack-signature", signature)
            .body(body)
            .send()
            .await
            .unwrap();
        (response.status().as_u16(), response.json().await.unwrap())
    }
}

#[tokio::test]
async fn a_slash_command_is_a_review_and_its_author_is_told_what_came_of_it() {
    let ingest = start().await;
    let mut reviews = ingest.with_policy().await;
    while reviews.try_recv().is_ok() {}
    let gate = GateId(Uuid::from_u128(7)).to_string();

    let (status, answer) = ingest.slash("U1", &format!("approve {gate} looks right"), "1").await;
    assert_eq!((status, &answer["response_type"]), (200, &json!("ephemeral")));
    let text = answer["text"].as_str().unwrap();
    assert!(text.contains("approved") && text.contains("it goes on"), "{text}");
    let review = reviews.recv().await.unwrap();
    assert_eq!((&review["by"], &review["approve"]), (&json!("grace"), &json!(true)));
    assert_eq!((&review["note"], &review["gate"]), (&json!("looks right"), &json!(gate)));
    let listed: Vec<Listed> = ingest.ask("deliveries", json!({ "source": "slack" })).await;
    let said_at = review["said_at"].as_str().unwrap().parse::<chrono::DateTime<_>>().unwrap();
    let came = said_at - listed[0].received_at;
    assert_eq!(came.num_milliseconds(), 0, "it counts from when it came");

    // The same press delivered again is the same delivery: no second review.
    let (status, _) = ingest.slash("U1", &format!("approve {gate} looks right"), "1").await;
    assert_eq!(status, 200);
    let (_, refused) = ingest.slash("EVE", &format!("approve {gate}"), "2").await;
    assert_eq!(refused["text"], "slack:EVE may not approve this");
    assert_eq!(reviews.recv().await.unwrap()["by"], "slack:EVE");
    let (_, unknown) = ingest.slash("U1", "dance", "3").await;
    assert!(unknown["text"].as_str().unwrap().contains("is not a command"), "{unknown}");

    let listed: Vec<Listed> = ingest.ask("deliveries", json!({ "source": "slack" })).await;
    let told: Value = ingest.ask("delivery", json!({ "about": listed[2].id })).await;
    assert_eq!(told["orders"][0]["code"], "approved");
    assert_eq!(told["repeats"][0]["times"], 1);
    ingest.stop().await;
}

#[tokio::test]
async fn an_order_nobody_can_carry_out_now_is_taken_down_and_tried_on() {
    let ingest = start().await;
    let gate = GateId(Uuid::from_u128(8)).to_string();
    let (status, answer) = ingest.slash("U1", &format!("reject {gate}"), "1").await;
    assert_eq!(
        (status, &answer["text"]),
        (200, &json!("taken down; you are told here when it is done"))
    );
    let told: Vec<Listed> = ingest.ask("deliveries", json!({ "source": "slack" })).await;
    let shown: Value = ingest.ask("delivery", json!({ "about": told[0].id })).await;
    assert_eq!(shown["orders"][0]["done_at"], Value::Null);
    ingest.stop().await;
}

#[tokio::test]
async fn the_changes_a_delivery_tells_of_are_given_with_the_events_that_told_them() {
    let ingest = Running::start().await;
    let (_, push) = ingest.push("d-1", PUSH).await;
    let signature = sha256(GITHUB_SECRET, PULL_REQUEST.as_bytes());
    let headers = [
        ("x-github-event", "pull_request"),
        ("x-github-delivery", "d-2"),
        ("x-hub-signature-256", &signature),
    ];
    let (_, proposal) = ingest.post("github", &headers, PULL_REQUEST).await;
    for (told, kind) in [(push, "pushed"), (proposal, "proposed")] {
        let asked = json!({ "delivery": told["delivery"] });
        let changes: Value = ingest.ask("changes", asked).await;
        assert_eq!(changes.as_array().unwrap().len(), 1, "{changes}");
        assert_eq!(changes[0]["event"], told["event"]);
        assert_eq!(changes[0][kind]["change"]["repository"], "acme/infra", "{changes}");
    }
    ingest.stop().await;
}

#[tokio::test]
async fn why_answers_for_a_delivery_its_sender_s_id_its_event_and_a_commit() {
    let ingest = Running::start().await;
    let (_, answer) = ingest.push("d-1", PUSH).await;
    ingest.push("d-2", PUSH).await;
    let (delivery, event) =
        (answer["delivery"].as_str().unwrap(), answer["event"].as_str().unwrap());
    for about in
        [delivery, event, "d-1", "d-2", "59b20b8d5c6ff8d09518454d4dd8b7b30f095ab5", "59B20B8"]
    {
        let why: Value = ingest.ask("why", json!({ "about": about })).await;
        assert_eq!(why["deliveries"][0]["delivery"]["id"], delivery, "{about}");
        assert_eq!(why["deliveries"][0]["events"][0]["id"], event, "{about}");
        assert_eq!(why["deliveries"][0]["repeats"][0]["sender_id"], "d-2", "{about}");
    }
    let why: Value = ingest.ask("why", json!({ "about": "deadbeef" })).await;
    assert_eq!(why["deliveries"], json!([]));

    let sources: Value = ingest.ask("sources", json!(null)).await;
    let github = &sources["sources"][0];
    assert_eq!(
        (&github["source"], &github["path"]),
        (&json!("github"), &json!("/webhooks/github"))
    );
    assert!(github["secrets"][0]["last_used_at"].is_string(), "{github}");
    assert!(!sources.to_string().contains(GITHUB_SECRET));
    ingest.stop().await;
}

#[tokio::test]
async fn a_delivery_read_again_gives_an_event_of_its_own_and_a_dry_run_none() {
    let ingest = Running::start().await;
    let (_, answer) = ingest.push("d-1", PUSH).await;
    let mut events = ingest.events().await;
    let delivery: Uuid = answer["delivery"].as_str().unwrap().parse().unwrap();
    let replay = |dry_run| {
        let asked = ReplayDeliveries { deliveries: vec![delivery], dry_run, by: "ada".to_owned() };
        let body = serde_json::to_value(asked).unwrap();
        let bus = ingest.bus.clone();
        async move {
            let command = subject::command(ReplayDeliveries::TYPE);
            bus.request(&command, &body).await.unwrap().unwrap()
        }
    };
    let dry = replay(true).await;
    assert_eq!(
        (&dry["deliveries"][0]["difference"], &dry["deliveries"][0]["event"]),
        (&json!([]), &Value::Null)
    );
    let real = replay(false).await;
    let event = real["deliveries"][0]["event"].as_str().unwrap();
    assert_ne!(json!(event), answer["event"]);
    // The first may come, too: it was published a moment ago.
    let found = async {
        loop {
            let told = next(&mut events).await;
            if told.id.to_string() == event {
                return told;
            }
        }
    };
    let told = timeout(SOON, found).await.unwrap();
    assert_eq!(told.body["change"]["commit"], "59b20b8d5c6ff8d09518454d4dd8b7b30f095ab5");
    let why: Value = ingest.ask("why", json!({ "about": delivery })).await;
    assert_eq!(why["deliveries"][0]["replays"], json!([event]));

    // Of what the relay has forgotten nobody knows whether it differs.
    assert_eq!(dry["deliveries"][0]["uncompared"], Value::Null);
    let store = Store::connect(&ingest.store, "ingest").await.unwrap();
    sqlx::query("delete from remembered").execute(store.pool()).await.unwrap();
    let old = &replay(true).await["deliveries"][0];
    assert_eq!((&old["message"], &old["difference"]), (&json!("gives change.pushed"), &json!([])));
    assert!(old["uncompared"].as_str().unwrap().contains("remembered no more"), "{old}");
    ingest.stop().await;
}

#[tokio::test]
async fn of_a_command_all_deliveries_are_read_again_or_none_and_once() {
    let ingest = Running::start().await;
    let mut deliveries = Vec::new();
    for branch in ["one", "two"] {
        let (_, answer) = ingest.push(branch, &push_to(branch)).await;
        deliveries.push(answer["delivery"].as_str().unwrap().parse::<Uuid>().unwrap());
    }
    let store = Store::connect(&ingest.store, "ingest").await.unwrap();
    let refuse = format!(
        "create function refuse() returns trigger language plpgsql as
             $$ begin raise exception 'the disk is full'; end $$;
         create trigger refuse before insert on replays for each row
             when (new.delivery = '{}') execute function refuse()",
        deliveries[1]
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(refuse)).execute(store.pool()).await.unwrap();
    let asked = ReplayDeliveries { deliveries, dry_run: false, by: "ada".to_owned() };
    let replay = async |id: Uuid| ingest.bus.command(id, &asked).await.unwrap();
    let count = async || -> i64 {
        let counted = sqlx::query_scalar("select count(*) from replays").fetch_one(store.pool());
        counted.await.unwrap()
    };
    let refused = replay(Uuid::from_u128(1)).await.unwrap_err();
    assert!(refused.message.contains("the disk is full"), "{refused}");
    assert_eq!(count().await, 0);

    sqlx::raw_sql("drop trigger refuse on replays").execute(store.pool()).await.unwrap();
    let told = replay(Uuid::from_u128(1)).await.unwrap();
    assert_eq!(replay(Uuid::from_u128(1)).await.unwrap(), told);
    assert_eq!(count().await, 2);
    replay(Uuid::from_u128(2)).await.unwrap();
    assert_eq!(count().await, 4);
    ingest.stop().await;
}

#[tokio::test]
async fn what_was_refused_stays_refused_when_it_is_read_again() {
    let mut settings = Settings::default();
    settings.senders.github.scoped_secrets =
        [("acme-labs/*".to_owned(), vec![SecretString::from("of the labs")])].into();
    let ingest = Running::start_as(embedded::shared_nats().await.url(), settings).await;
    let signature = sha256("of the labs", PUSH.as_bytes());
    let headers = [
        ("x-github-event", "push"),
        ("x-github-delivery", "d-1"),
        ("x-hub-signature-256", signature.as_str()),
    ];
    let (status, answer) = ingest.post("github", &headers, PUSH).await;
    assert_eq!((status, &answer["code"]), (403, &json!("secret_out_of_scope")));

    let mut events = ingest.events().await;
    let delivery = answer["delivery"].as_str().unwrap().parse().unwrap();
    let asked =
        ReplayDeliveries { deliveries: vec![delivery], dry_run: false, by: "ada".to_owned() };
    let command = subject::command(ReplayDeliveries::TYPE);
    let body = serde_json::to_value(asked).unwrap();
    let told = ingest.bus.request(&command, &body).await.unwrap().unwrap();
    let told = &told["deliveries"][0];
    assert_eq!((&told["code"], &told["event"]), (&json!("refused"), &Value::Null));
    assert!(told["message"].as_str().unwrap().contains("secret_out_of_scope"), "{told}");
    // Had anything been published, it would have come first.
    ingest.push("d-2", &push_to("next")).await;
    assert_eq!(next(&mut events).await.body["change"]["branch"], "next");
    let why: Value = ingest.ask("why", json!({ "about": delivery })).await;
    assert_eq!(why["deliveries"][0]["replays"], json!([]));
    ingest.stop().await;
}

#[tokio::test]
async fn bodies_go_by_whole_months_and_what_became_of_them_stays() {
    let house = House::open().await;
    let now = Utc::now();
    crate::store::contents::turn(&house.pool, now, now - TimeDelta::days(400)).await.unwrap();
    let first = house.send(github("push", "d-1", PUSH)).await;
    let month: String = sqlx::query_scalar("select tableoid::regclass::text from contents")
        .fetch_one(&house.pool)
        .await
        .unwrap();
    assert!(month.ends_with(&format!("{}{:02}", now.year(), now.month())), "{month}");
    assert_eq!(house.count("contents_rest").await, 0);

    // Half a year later everything of today is old.
    let later = now + TimeDelta::days(180);
    let dropped = crate::store::contents::turn(&house.pool, later, later).await.unwrap();
    assert!(dropped >= 1, "{dropped}");
    assert_eq!((house.count("contents").await, house.count("deliveries").await), (0, 1));
    let again = house.send(github("push", "d-2", PUSH)).await;
    assert_eq!((again.code(), again.delivery()), ("duplicate", first.delivery()));
}

#[tokio::test]
async fn a_backup_keeps_no_delivery_waiting_behind_the_months_that_are_to_go() {
    let house = House::open().await;
    let now = Utc::now();
    let later = now + TimeDelta::days(180);
    crate::store::contents::turn(&house.pool, now, now - TimeDelta::days(400)).await.unwrap();
    let mut backup = house.pool.begin().await.unwrap();
    sqlx::query("select count(*) from contents").execute(&mut *backup).await.unwrap();

    let turning = crate::store::contents::turn(&house.pool, later, later);
    let turned = tokio::time::timeout(Duration::from_secs(10), turning).await;
    assert_eq!(turned.expect("it does not wait for the backup").unwrap(), 0);
    assert_eq!(house.send(github("push", "d-1", PUSH)).await.code(), "accepted");

    backup.rollback().await.unwrap();
    let dropped = crate::store::contents::turn(&house.pool, later, later).await.unwrap();
    assert!(dropped >= 1, "{dropped}");
}

#[tokio::test]
async fn an_answer_that_cannot_be_read_is_said_to_be_one_and_not_that_nothing_is_known() {
    let (ingest, house) = (start().await, House::open().await);
    for (service, question) in [("planner", "proposal"), ("executor", "chains")] {
        let (bus, shutdown) = (ingest.bus.clone(), ingest.shutdown.clone());
        tokio::spawn(async move {
            let answer = |_| async { Ok(json!("of another version")) };
            bus.respond(&subject::question(service, question), answer, shutdown).await.unwrap();
        });
    }
    let (bus, shutdown) = (ingest.bus.clone(), ingest.shutdown.clone());
    let carrier = Carrier::new(house.pool.clone(), bus, "https://hooks.slack.com/", shutdown);
    let carrier = carrier.unwrap();
    for act in [Act::Review(Word::Approve), Act::Chain(ChainOrder::Retry)] {
        let repository = "acme/infra".to_owned();
        let target = Target::PullRequest { repository, number: 7, stack: None, commit: None };
        let order = order(act, target);
        let said = async {
            loop {
                if let Ok(outcome) = carrier.say(Uuid::new_v4(), order.clone()).await {
                    break outcome;
                }
            }
        };
        assert_eq!(timeout(SOON, said).await.unwrap().code, "garbled", "{act:?}");
    }
    ingest.stop().await;
}

#[tokio::test]
async fn an_order_is_tried_again_that_a_service_cannot_carry_out_now() {
    let (ingest, house) = (start().await, House::open().await);
    let (bus, shutdown) = (ingest.bus.clone(), ingest.shutdown.clone());
    let away = Arc::new(AtomicBool::new(true));
    let is_away = away.clone();
    let [first, second] = [7, 8].map(|id| GateId(Uuid::from_u128(id)));
    tokio::spawn(async move {
        let review = move |body: Value| {
            let away = body["gate"] == json!(second) && is_away.load(Ordering::Relaxed);
            let passed = json!({ "gate": body["gate"], "outcome": "pass" });
            async move { if away { Err(Problem::unavailable("try again")) } else { Ok(passed) } }
        };
        bus.respond(&subject::command(ReviewGate::TYPE), review, shutdown).await.unwrap();
    });
    let (bus, shutdown) = (ingest.bus.clone(), ingest.shutdown.clone());
    let carrier = Carrier::new(house.pool.clone(), bus, "https://hooks.slack.com/", shutdown);
    let carrier = carrier.unwrap();
    let subject = subject::command(ReviewGate::TYPE);
    let there = async { while ingest.bus.request(&subject, &json!({})).await.is_err() {} };
    timeout(SOON, there).await.unwrap();
    let approve = order(Act::Review(Word::Approve), Target::Gate(first));
    let open = |ordered_at| {
        let open = Open::new(Uuid::new_v4(), approve.clone(), ordered_at);
        Open { gates: Some(vec![first, second]), ..open }
    };

    let carried = carrier.carry(open(Utc::now())).await;
    assert!(carried.is_err(), "it is left to the sweep: {carried:?}");
    let late = carrier.carry(open(Utc::now() - TimeDelta::hours(2))).await.unwrap();
    assert_eq!(late.code, "given_up", "{late:?}");
    away.store(false, Ordering::Relaxed);
    assert_eq!(carrier.carry(open(Utc::now())).await.unwrap().code, "approved");
    ingest.stop().await;
}

#[tokio::test]
async fn a_repository_of_which_two_hosts_tell_is_told_of_as_ambiguous() {
    let mut settings = Settings::default();
    settings.senders.gitlab.secrets = vec![SecretString::from("gitlab-token")];
    let ingest = Running::start_as(embedded::shared_nats().await.url(), settings).await;
    ingest.push("d-1", PUSH).await;
    let sources: Value = ingest.ask("sources", json!(null)).await;
    assert_eq!(sources["ambiguous"], json!([]));
    let push = |repository: &str| {
        let commit = "b".repeat(40);
        let body = json!({
            "object_kind": "push", "ref": "refs/heads/main", "before": "a".repeat(40),
            "after": commit, "user_username": "jane", "total_commits_count": 1,
            "project": { "id": 15, "path_with_namespace": repository },
            "commits": [{ "id": commit, "title": "t", "url": "https://gitlab.example/c/1",
                "added": [], "modified": ["a/main.tf"], "removed": [] }],
        });
        body.to_string()
    };
    let headers = [("x-gitlab-event", "Push Hook"), ("x-gitlab-token", "gitlab-token")];
    for repository in ["acme/apps", "Acme/Infra"] {
        let (status, answer) = ingest.post("gitlab", &headers, &push(repository)).await;
        assert_eq!(status, 202, "{answer}");
    }
    let sources: Value = ingest.ask("sources", json!(null)).await;
    let [told] = &sources["ambiguous"].as_array().unwrap()[..] else { panic!("{sources}") };
    assert_eq!(told["code"], "repository_ambiguous");
    assert!(told["repository"].as_str().unwrap().eq_ignore_ascii_case("acme/infra"), "{told}");
    assert_eq!(told["sources"], json!(["github", "gitlab"]));
    ingest.stop().await;
}
