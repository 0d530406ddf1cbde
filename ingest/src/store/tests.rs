use serde_json::{Value, json};

use crate::page::Listed;
use crate::testing::{House, PING, PULL_REQUEST, PUSH, RUN, github, push_to, spacelift};

use super::{
    read::{Filter, newest},
    *,
};

async fn listed(house: &House) -> Vec<Listed> {
    newest(&house.pool, &Filter { limit: 1000, ..Filter::default() }).await.unwrap()
}

#[tokio::test]
async fn what_is_accepted_is_committed_with_its_event_before_the_answer() {
    let mut house = House::open().await;
    let reply = house.send(github("push", "d-1", PUSH)).await;
    assert_eq!((reply.status.as_u16(), reply.code()), (202, "accepted"));

    let row = sqlx::query("select * from deliveries").fetch_one(&house.pool).await.unwrap();
    assert_eq!(row.get::<Uuid, _>("id"), reply.delivery());
    let body: Vec<u8> =
        sqlx::query_scalar("select body from contents").fetch_one(&house.pool).await.unwrap();
    assert_eq!(body, PUSH.as_bytes());
    assert_eq!(row.get::<i32, _>("bytes"), PUSH.len() as i32);
    assert_eq!(row.get::<String, _>("repository"), "acme/infra");
    assert_eq!(row.get::<String, _>("sender_id"), "d-1");
    let remembered = sqlx::query("select * from remembered").fetch_one(&house.pool).await.unwrap();
    assert_eq!(remembered.get::<String, _>("event_type"), "github.push");
    assert_eq!(remembered.get::<Uuid, _>("event_id"), row.get::<Uuid, _>("fact_id"));
    assert!(remembered.get::<bool, _>("has_answers"));

    let (events, _) = house.events.recv().await.unwrap();
    assert_eq!(events.len(), 1);
    assert_eq!(reply.body["event"], events[0][0].id.to_string());
    assert_eq!(events[0][0].kind, "change.pushed");
    assert_eq!(house.count("published").await, 0);
}

#[tokio::test]
async fn a_duplicate_is_told_which_was_the_first_and_nothing_follows() {
    let mut house = House::open().await;
    let first = house.send(github("push", "d-1", PUSH)).await;
    let again = [
        ("sent again", github("push", "d-1", PUSH)),
        ("replayed under another id", github("push", "d-2", PUSH)),
        ("another body under the same id", github("push", "d-1", push_to("next"))),
    ];
    for (what, request) in again {
        let reply = house.send(request).await;
        assert_eq!((reply.status.as_u16(), reply.code()), (200, "duplicate"), "{what}");
        assert_eq!(reply.delivery(), first.delivery(), "{what}");
    }
    let run = house.send(spacelift(RUN)).await;
    let other_words = RUN.replace("Waits for the orchestrator", "in other words");
    let again = house.send(spacelift(other_words)).await;
    assert_eq!((again.code(), again.delivery()), ("duplicate", run.delivery()));
    assert_eq!((house.count("deliveries").await, house.count("remembered").await), (2, 2));
    let mut published = 0;
    while let Ok((events, _)) = house.events.try_recv() {
        published += events.len();
    }
    assert_eq!(published, 2);
}

#[tokio::test]
async fn two_facts_of_one_head_are_both_kept() {
    let house = House::open().await;
    let head = "ec26c3e57ca3a959ca5aad62de7213c562f8c821";
    let push = PUSH.replace("59b20b8d5c6ff8d09518454d4dd8b7b30f095ab5", head);
    for (event, delivery, body) in [
        ("push", "d-1", push),
        ("pull_request", "d-2", PULL_REQUEST.to_owned()),
        ("pull_request", "d-3", PULL_REQUEST.replace("\"opened\"", "\"synchronize\"")),
    ] {
        let reply = house.send(github(event, delivery, body)).await;
        assert_eq!(reply.code(), "accepted", "{reply:?}");
    }
    assert_eq!(house.count("remembered").await, 3);
}

#[tokio::test]
async fn what_gives_no_event_is_kept_with_its_reason() {
    let house = House::open().await;
    let ping = house.send(github("ping", "d-1", PING)).await;
    assert_eq!((ping.status.as_u16(), ping.code()), (200, "ping"));
    let unknown = house.send(github("issues", "d-2", "{\"action\":\"opened\"}")).await;
    assert_eq!((unknown.status.as_u16(), unknown.code()), (200, "event_ignored"));
    let custom = house.send(spacelift("{\"text\":\"hello\"}")).await;
    assert_eq!((custom.status.as_u16(), custom.code()), (200, "event_ignored"));
    assert_eq!((house.count("deliveries").await, house.count("remembered").await), (3, 0));
    let listed = listed(&house).await;
    let kinds: Vec<_> = listed.iter().map(|delivery| delivery.kind.as_str()).collect();
    assert_eq!(kinds, ["unknown", "issues", "ping"]);
    assert!(listed.iter().all(|delivery| delivery.verdict == "kept" && delivery.event.is_none()));
    assert!(listed[1].message.contains("`issues`"));
    let filter = Filter { limit: 1000, before: Some(listed[1].id), ..Filter::default() };
    let older = newest(&house.pool, &filter).await.unwrap();
    assert_eq!(older, listed[2..], "the page that comes after");
    let github = newest(
        &house.pool,
        &Filter { source: Some("github".to_owned()), limit: 1, ..Filter::default() },
    )
    .await
    .unwrap();
    assert_eq!((github.len(), github[0].kind.as_str()), (1, "issues"));
}

#[tokio::test]
async fn what_is_malformed_but_signed_is_kept_once_and_leaves_its_id_free() {
    let house = House::open().await;
    let first = house.send(github("push", "d-1", "{}")).await;
    assert_eq!((first.status.as_u16(), first.code()), (400, "malformed"));
    let again = house.send(github("push", "d-1", "{}")).await;
    assert_eq!((again.status.as_u16(), again.delivery()), (400, first.delivery()));
    // A build that can read it, or a sender that mends it, must not find the door shut.
    let mended = house.send(github("push", "d-1", PUSH)).await;
    assert_eq!(mended.code(), "accepted");
    assert_eq!(house.count("deliveries").await, 2);
    assert_eq!(listed(&house).await[1].verdict, "malformed");
}

#[tokio::test]
async fn refused_deliveries_leave_nothing_behind() {
    let house = House::open().await;
    let mut forged = github("push", "d-1", PUSH);
    forged.headers_mut().insert("x-hub-signature-256", "sha256=00".parse().unwrap());
    assert_eq!(house.send(forged).await.code(), "bad_signature");
    assert_eq!(house.count("deliveries").await, 0);
}

#[tokio::test]
async fn it_is_kept_who_sent_a_delivery_and_who_sent_it_again_also_of_what_was_refused() {
    let mut settings = crate::testing::Settings::default();
    settings.http.trusted_proxies = vec!["10.0.0.0/8".to_owned()];
    let github_secret = secrecy::SecretString::from(crate::testing::GITHUB_SECRET);
    settings.senders.github.secrets = Vec::new();
    settings.senders.github.scoped_secrets =
        [("acme-labs/*".to_owned(), vec![github_secret])].into();
    let house = House::open_as(&settings).await;
    let from = |mut request: axum::http::Request<axum::body::Body>, peer: &str, hops: &str| {
        request.extensions_mut().insert(crate::peer::Peer(peer.parse().unwrap()));
        request.headers_mut().insert("x-forwarded-for", hops.parse().unwrap());
        request
    };
    let ours = PUSH.replace("acme/infra", "acme-labs/infra");
    // What stands left of what the proxy wrote, anybody could have written.
    let first = from(github("push", "d-1", ours.clone()), "10.1.1.1", "192.0.2.1, 203.0.113.9");
    assert_eq!(house.send(first).await.code(), "accepted");
    let refused = from(github("push", "d-2", PUSH), "2001:db8::7", "203.0.113.9");
    assert_eq!(house.send(refused).await.code(), "secret_out_of_scope");
    // Somebody who has caught what was sent.
    for peer in ["198.51.100.1", "198.51.100.2"] {
        let again = from(github("push", "d-3", ours.clone()), peer, "203.0.113.9");
        assert_eq!(house.send(again).await.code(), "duplicate");
    }

    let kept: Vec<_> = listed(&house).await.into_iter().map(|one| one.address).collect();
    assert_eq!(kept, [Some("2001:db8::7".to_owned()), Some("203.0.113.9".to_owned())]);
    let first = listed(&house).await.pop().unwrap();
    let repeats = read::repeats(&house.pool, first.id).await.unwrap();
    let repeats: Vec<_> = repeats.into_iter().map(|one| (one.times, one.address)).collect();
    assert_eq!(repeats, [(2, Some("198.51.100.2".to_owned()))]);
}

/// A delivery made by hand: the `number`-th fact.
#[tokio::test]
async fn of_many_repeats_of_one_fact_the_newest_are_noted() {
    let house = House::open().await;
    let first = delivery(1);
    keep(&house.lender(), std::slice::from_ref(&first)).await.unwrap();
    for number in 0..25 {
        let again = Delivery {
            id: Uuid::now_v7(),
            sender_id: Some(format!("again-{number:02}")),
            received_at: Utc::now() + chrono::TimeDelta::seconds(number),
            ..first.clone()
        };
        keep(&house.lender(), &[again]).await.unwrap();
    }

    let noted = read::repeats(&house.pool, first.id).await.unwrap();
    let mut noted: Vec<_> = noted.into_iter().map(|one| one.sender_id).collect();
    noted.sort();
    let newest: Vec<_> = (5..25).map(|number| format!("again-{number:02}")).collect();
    assert_eq!(noted, newest);
}

fn delivery(number: u128) -> Delivery {
    Delivery {
        id: Uuid::now_v7(),
        source: "github".into(),
        sender_id: Some(format!("d-{number}")),
        fact_id: Uuid::from_u128(number),
        content_key: format!("push/{number}"),
        kind: "push".to_owned(),
        received_at: Utc::now(),
        headers: "{}".to_owned(),
        body: Bytes::from_static(b"{}"),
        verdict: "accepted",
        code: "accepted",
        message: "gives change.pushed".to_owned(),
        secret: 0,
        scopes: None,
        repository: None,
        head: None,
        account: None,
        further_heads: Vec::new(),
        found: false,
        address: None,
        event: None,
        order: None,
        turns: Vec::new(),
    }
}

#[tokio::test]
async fn a_batch_keeps_what_is_new_and_names_the_first_of_what_is_not() {
    let house = House::open().await;
    let (one, two, three) = (delivery(1), delivery(2), delivery(3));
    let first = keep(&house.lender(), std::slice::from_ref(&one)).await.unwrap();
    assert_eq!(first.kept, [Kept::Now]);
    let same_fact = Delivery { id: Uuid::now_v7(), sender_id: None, ..two.clone() };
    let same_sender = Delivery {
        id: Uuid::now_v7(),
        fact_id: Uuid::from_u128(99),
        sender_id: one.sender_id.clone(),
        ..delivery(4)
    };
    let batch = [two.clone(), same_fact, same_sender, three, one.clone()];
    let kept = keep(&house.lender(), &batch).await.unwrap().kept;
    let expected = [Kept::Now, Kept::Before(two.id), Kept::Before(one.id), Kept::Now, Kept::Now];
    // The last is the very delivery of before, as after a commit whose answer was lost.
    assert_eq!(kept, expected);
    assert_eq!(house.count("deliveries").await, 3);
}

#[tokio::test]
async fn one_the_database_will_not_have_does_not_take_others_with_it() {
    let house = House::open().await;
    let poison = Delivery { kind: "a\0b".to_owned(), ..delivery(2) };
    let fault = keep(&house.lender(), &[delivery(1), poison.clone()]).await.unwrap_err();
    assert!(is_about_the_rows(&fault), "{fault:?}");
    assert_eq!(house.count("deliveries").await, 0, "all or nothing");
    assert!(!is_about_the_rows(&sqlx::Error::PoolTimedOut));

    let (publisher, _events) = crate::publish::queue();
    let (intake, queue) = crate::intake::queue(10, std::time::Duration::from_secs(1));
    let pool = house.pool.clone();
    let budget = crate::body::Budget::new(1_000_000);
    let kept = [delivery(1), poison, delivery(3)].map(|delivery| {
        let reservation = budget.reserve(1).unwrap();
        let intake = intake.clone();
        async move { intake.keep(delivery, reservation).await.unwrap() }
    });
    let writer = crate::intake::write(pool, queue, publisher, std::time::Duration::from_secs(5));
    drop(intake);
    let (kept, ()) = tokio::join!(futures::future::join_all(kept), writer);
    assert_eq!(kept, [Kept::Now, Kept::Never, Kept::Now]);
}

#[tokio::test]
async fn a_flood_of_doubles_is_kept_once_each() {
    let house = House::open().await;
    let requests = (0..200).map(|number| {
        // Every push twice, under two delivery ids.
        let body = push_to(&format!("branch-{}", number / 2));
        house.send(github("push", &format!("d-{number}"), body))
    });
    let replies = futures::future::join_all(requests).await;
    let accepted = replies.iter().filter(|reply| reply.code() == "accepted").count();
    let duplicates = replies.iter().filter(|reply| reply.code() == "duplicate").count();
    assert_eq!((accepted, duplicates), (100, 100));
    for pair in replies.chunks(2) {
        assert_eq!(pair[0].delivery(), pair[1].delivery());
    }
    assert_eq!((house.count("deliveries").await, house.count("remembered").await), (100, 100));
}

/// A push at GitLab, which does not say when it was.
fn gitlab(delivery: &str, before: char, after: char) -> axum::http::Request<axum::body::Body> {
    let commit = |digit: char| digit.to_string().repeat(40);
    let body = json!({
        "object_kind": "push", "ref": "refs/heads/main", "before": commit(before),
        "after": commit(after), "project": { "path_with_namespace": "acme/infra" },
    });
    axum::http::Request::post("/webhooks/gitlab")
        .header("content-type", "application/json")
        .header("x-gitlab-event", "Push Hook")
        .header("idempotency-key", delivery)
        .header("x-gitlab-token", "gitlab-token")
        .body(axum::body::Body::from(body.to_string()))
        .unwrap()
}

#[tokio::test]
async fn the_same_move_is_another_fact_once_the_branch_has_been_elsewhere() {
    let mut settings = crate::testing::Settings::default();
    settings.senders.gitlab.secrets = vec![secrecy::SecretString::from("gitlab-token")];
    let mut house = House::open_as(&settings).await;
    let first = house.send(gitlab("d-1", 'a', 'b')).await;
    assert_eq!(first.code(), "accepted");
    // Another webhook tells of the same push.
    let twice = house.send(gitlab("d-2", 'a', 'b')).await;
    assert_eq!((twice.code(), twice.delivery()), ("duplicate", first.delivery()));

    assert_eq!(house.send(gitlab("d-3", 'b', 'a')).await.code(), "accepted");
    // What was told before and is only tried again tells nothing anew.
    for id in ["d-1", "d-2"] {
        assert_eq!(house.send(gitlab(id, 'a', 'b')).await.code(), "duplicate", "{id}");
    }
    let again = house.send(gitlab("d-4", 'a', 'b')).await;
    assert_eq!(again.code(), "accepted");
    assert_ne!(again.body["event"], first.body["event"]);
    assert_eq!(house.send(gitlab("d-5", 'a', 'b')).await.code(), "duplicate");
    // The branch is at b, so nothing has moved it from a.
    assert_eq!(house.send(gitlab("d-6", 'b', 'c')).await.code(), "accepted");
    assert_eq!(house.send(gitlab("d-7", 'a', 'b')).await.code(), "duplicate");

    let mut told = Vec::new();
    while let Ok((events, _)) = house.events.try_recv() {
        told.extend(events.iter().map(|one| one[0].id.to_string()));
    }
    assert_eq!(told.len(), 4);
    assert_eq!(again.body["event"], told[2]);
    assert_eq!(house.count("remembered").await, 4);
}

#[tokio::test]
async fn of_two_turns_in_one_batch_the_one_that_came_first_is_not_told_anew() {
    let house = House::open().await;
    let turn = |came_from: &str, went_to: &str| {
        let (came_from, went_to) = (Some(came_from.to_owned()), went_to.to_owned());
        vec![Turn { place: "push/acme/infra/refs/heads/main".to_owned(), came_from, went_to }]
    };
    let there = Delivery { turns: turn("a", "b"), ..delivery(1) };
    keep(&house.lender(), std::slice::from_ref(&there)).await.unwrap();
    let twice =
        Delivery { id: Uuid::now_v7(), sender_id: None, received_at: Utc::now(), ..there.clone() };
    let back = Delivery { turns: turn("b", "a"), ..delivery(2) };
    let kept = keep(&house.lender(), &[twice, back.clone()]).await.unwrap().kept;
    assert_eq!(kept, [Kept::Before(there.id), Kept::Now]);
    let again = Delivery { id: Uuid::now_v7(), sender_id: None, received_at: Utc::now(), ..there };
    let kept = keep(&house.lender(), std::slice::from_ref(&again)).await.unwrap().kept;
    assert_eq!(kept, [Kept::Returned(back.id)]);
    let kept = keep(&house.lender(), &[again.again(back.id)]).await.unwrap().kept;
    assert_eq!(kept, [Kept::Now]);
}

#[tokio::test]
async fn a_commit_finds_all_that_spoke_of_it_also_where_it_was_cut_short_or_one_of_several() {
    let house = House::open().await;
    let commit = |digit: char| digit.to_string().repeat(40);
    let short = Delivery { head: Some("abcdef012345".to_owned()), ..delivery(1) };
    let several = Delivery {
        head: Some(commit('1')),
        further_heads: vec![commit('2'), format!("abcdef012345{}", "6".repeat(28))],
        ..delivery(2)
    };
    keep(&house.lender(), &[short.clone(), several.clone()]).await.unwrap();
    let found = |start: String| {
        let pool = house.pool.clone();
        async move {
            let found = super::read::of_commit(&pool, &start).await.unwrap();
            found.iter().map(|one| one.id).collect::<Vec<_>>()
        }
    };
    assert_eq!(found(commit('1')).await, [several.id]);
    assert_eq!(found("2222222".to_owned()).await, [several.id]);
    for start in ["abcdef0".to_owned(), format!("abcdef012345{}", "6".repeat(28))] {
        assert_eq!(found(start.clone()).await, [short.id, several.id], "{start}");
    }
    assert_eq!(found(format!("abcdef012345{}", "7".repeat(28))).await, [short.id]);
    assert!(found(commit('3')).await.is_empty());
}

/// A delivery as it is read from a push to a branch that nobody else pushes to.
fn delivery_of(number: usize) -> Delivery {
    let body = push_to(&format!("branch-{number}"));
    let mut headers = axum::http::HeaderMap::new();
    headers.insert("content-type", "application/json".parse().unwrap());
    headers.insert("x-github-event", "push".parse().unwrap());
    headers.insert("x-github-delivery", Uuid::new_v4().to_string().parse().unwrap());
    let arrival = record::Arrival {
        headers,
        body: body.into(),
        received_at: Utc::now(),
        address: Some([203, 0, 113, 9].into()),
        trace: None,
    };
    let source = crate::testing::source(crate::source::Kind::Github);
    record::record(&source, arrival, record::Proof::default()).0
}

#[tokio::test]
async fn old_deliveries_go_with_all_that_hangs_on_them_and_what_is_younger_stays() {
    let house = House::open().await;
    let first = house.send(github("push", "d-1", PUSH)).await;
    house.send(github("push", "d-again", PUSH)).await;
    let pool = &house.pool;
    let events = crate::store::replays::first_events(
        pool,
        first.body["event"].as_str().unwrap().parse().unwrap(),
    );
    let answers = record::under(Uuid::now_v7(), &events.await.unwrap().unwrap());
    let again = vec![(first.delivery(), answers)];
    replays::keep(pool, "jane", again, Utc::now()).await.unwrap();
    let hanging = ["deliveries", "contents", "repeats", "replays"];
    for table in hanging {
        assert_eq!(house.count(table).await, 1, "{table}");
    }

    let before = Utc::now() - chrono::TimeDelta::days(30);
    assert_eq!(old::forget(pool, before).await.unwrap(), 0, "it is not old");
    let later = Utc::now() + chrono::TimeDelta::seconds(1);
    assert_eq!(old::forget(pool, later).await.unwrap(), 1);
    for table in hanging {
        assert_eq!(house.count(table).await, 0, "{table}");
    }
    assert_eq!(house.count("remembered").await, 2, "who published it has it still");
    // It is not known any more.
    assert_eq!(house.send(github("push", "d-1", PUSH)).await.code(), "accepted");
}

#[tokio::test]
async fn a_delivery_stays_while_what_was_ordered_in_it_is_open() {
    let house = House::open().await;
    let sent = house.send(github("push", "d-1", PUSH)).await;
    let order = "insert into orders (id, delivery, body, ordered_at, next_at)
        values ($1, $2, '{}', now(), now())";
    let order = sqlx::query(order).bind(Uuid::now_v7()).bind(sent.delivery());
    order.execute(&house.pool).await.unwrap();
    let later = Utc::now() + chrono::TimeDelta::seconds(1);
    assert_eq!(old::forget(&house.pool, later).await.unwrap(), 0);
    let done = sqlx::query("update orders set done_at = now()").execute(&house.pool).await;
    assert_eq!(done.unwrap().rows_affected(), 1);
    assert_eq!(old::forget(&house.pool, later).await.unwrap(), 1);
    assert_eq!(house.count("orders").await, 0);
}

#[tokio::test]
async fn what_a_newer_build_was_ordered_is_left_to_it_with_its_attempts_and_keeps_no_other_back() {
    let house = House::open().await;
    let delivery = house.send(github("push", "d-1", PUSH)).await.delivery();
    let now = Utc::now();
    let order = async |body: &Value, minutes: i64| {
        let id = Uuid::now_v7();
        let at = now - chrono::TimeDelta::minutes(minutes);
        let written = sqlx::query(
            "insert into orders (id, delivery, body, ordered_at, next_at, attempts)
             values ($1, $2, $3, $4, $4, 1)",
        );
        let written = written.bind(id).bind(delivery).bind(sqlx::types::Json(body)).bind(at);
        written.execute(&house.pool).await.unwrap();
        id
    };
    let gate = json!({ "gate": contracts::GateId(Uuid::nil()) });
    let by = |act: &str, target: &Value| json!({ "act": act, "target": target, "by": "grace" });
    // Older than what is known, and more of them than are taken at once.
    let mut unknown = vec![order(&by("reject", &json!({ "wave": 3 })), 9).await];
    for _ in 0..3 {
        unknown.push(order(&by("pause", &gate), 8).await);
    }
    let known = [order(&by("approve", &gate), 2).await, order(&by("reject", &gate), 1).await];

    let taken = orders::take(&house.pool, now, 2).await.unwrap();
    assert_eq!(taken.iter().map(|open| open.id).collect::<Vec<_>>(), known);
    assert!(orders::take(&house.pool, now, 2).await.unwrap().is_empty());
    let rows = sqlx::query("select id, attempts, next_at, done_at from orders order by id");
    for row in rows.fetch_all(&house.pool).await.unwrap() {
        let is_known = known.contains(&row.get("id"));
        let is_due = row.get::<chrono::DateTime<Utc>, _>("next_at") < now;
        assert_eq!(
            (row.get::<i32, _>("attempts"), is_due),
            if is_known { (2, false) } else { (1, true) }
        );
        assert!(row.get::<Option<chrono::DateTime<Utc>>, _>("done_at").is_none());
    }
    // People see them all the same.
    let told = orders::of(&house.pool, delivery).await.unwrap();
    assert_eq!(told.len(), unknown.len() + known.len());
    assert!(told.iter().any(|one| one.order["act"] == "pause"));
}

#[tokio::test]
async fn deliveries_are_as_large_as_is_said_and_go_in_small_batches_by_their_ids() {
    const COUNT: usize = 10_000;
    let house = House::open().await;
    let all: Vec<_> = (0..COUNT).map(delivery_of).collect();
    for batch in all.chunks(500) {
        keep(&house.lender(), batch).await.unwrap();
    }
    // docs/sources/README.md says how much a million are.
    let bytes: i64 = sqlx::query_scalar("select pg_total_relation_size('deliveries')")
        .fetch_one(&house.pool)
        .await
        .unwrap();
    let each = bytes / COUNT as i64;
    assert!((400..800).contains(&each), "{each} bytes each");

    let later = Utc::now() + chrono::TimeDelta::seconds(1);
    let plan: Vec<String> = sqlx::query_scalar(
        "explain select id from deliveries where id < $1 order by id limit 1000",
    )
    .bind(read::first_id(later))
    .fetch_all(&house.pool)
    .await
    .unwrap();
    assert!(plan.join("\n").contains("using deliveries_once"), "{plan:?}");
    assert_eq!(old::forget(&house.pool, later).await.unwrap(), old::BATCH);
    crate::upkeep::forget(&house.pool, later).await.unwrap();
    assert_eq!(house.count("deliveries").await, 0);
}

#[tokio::test]
async fn deliveries_of_a_time_are_read_without_those_before_it() {
    let house = House::open().await;
    let mut connection = house.pool.acquire().await.unwrap();
    let newest =
        sqlx::AssertSqlSafe(format!("prepare asked as {}", read::statement(read::NEWEST).0));
    sqlx::raw_sql(newest).execute(&mut *connection).await.unwrap();
    let explain = "explain execute asked (null, null, null, null, 50)";
    let plan = sqlx::raw_sql(explain).fetch_all(&mut *connection).await.unwrap();
    let plan: Vec<String> = plan.iter().map(|row| row.get(0)).collect();
    let bounds = "Index Cond: ((id >= $1) AND (id < $2))";
    assert!(plan.iter().any(|line| line.contains(bounds)), "{plan:#?}");
}

#[tokio::test]
async fn a_sender_s_id_is_looked_for_by_an_index_whatever_became_of_the_delivery() {
    let house = House::open().await;
    sqlx::raw_sql(
        "insert into deliveries (id, source, sender_id, fact_id, content_key, kind, received_at,
             verdict, code, message, secret)
         select gen_random_uuid(), 'github', 'd-' || number, gen_random_uuid(), '', 'push', now(),
             case when number % 10 = 0 then 'kept' else 'accepted' end, '', '', 0
         from generate_series(1, 20000) number;
         analyze deliveries",
    )
    .execute(&house.pool)
    .await
    .unwrap();
    let mut connection = house.pool.acquire().await.unwrap();
    let meant = read::statement(read::MEANT).0;
    for (name, statement, asked) in [
        ("known", read::KNOWN, "'github', array['d-10', 'd-11', 'd-20001']"),
        ("meant", meant.as_str(), "null, 'd-10', array['github', 'gitlab']"),
    ] {
        let prepare = sqlx::AssertSqlSafe(format!("prepare {name} as {statement}"));
        sqlx::raw_sql(prepare).execute(&mut *connection).await.unwrap();
        let explain = sqlx::AssertSqlSafe(format!("explain execute {name} ({asked})"));
        let plan = sqlx::raw_sql(explain).fetch_all(&mut *connection).await.unwrap();
        let plan: Vec<String> = plan.iter().map(|row| row.get(0)).collect();
        let plan = plan.join("\n");
        assert!(plan.contains("deliveries_sender_kept"), "{plan}");
        assert!(plan.contains("deliveries_sender "), "{plan}");
        assert!(!plan.contains("Seq Scan on deliveries"), "{plan}");
    }
    let ids = ["d-10", "d-11", "d-20001"].map(str::to_owned);
    let mut known = read::known(&house.pool, "github", &ids).await.unwrap();
    known.sort_unstable();
    assert_eq!(known, ["d-10", "d-11"]);
    let meant = read::meant(&house.pool, "d-10", &["gitlab", "github"]).await.unwrap();
    assert_eq!((meant.len(), meant[0].verdict.as_str()), (1, "kept"));
}

#[tokio::test]
async fn how_a_repository_is_written_is_looked_for_among_what_came_of_late() {
    let house = House::open().await;
    house.send(github("push", "d-1", PUSH)).await;
    let place = heads::Place { source: "github", repository: "Acme/Infra", branch: "main" };
    let written = async |now| heads::written(&house.pool, place, now).await.unwrap();
    let now = Utc::now();
    assert_eq!(written(now).await.as_deref(), Some("acme/infra"));
    assert_eq!(written(now + chrono::TimeDelta::days(31)).await, None);
}
