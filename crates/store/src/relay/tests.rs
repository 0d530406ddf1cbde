//! Forgetting, which nobody waits for.

use std::sync::Arc;

use contracts::Envelope;
use uuid::Uuid;

use super::*;
use crate::{Options, Remembered, remember};

mod cluster;
mod replicas;

async fn store(name: &'static str) -> Store {
    let postgres = embedded::shared_postgres().await;
    postgres.create_database(name).await.unwrap();
    let store = Store::connect(&Options::at(postgres.url(name)), name).await.unwrap();
    store.migrate(&sqlx::migrate::Migrator::with_migrations(Vec::new())).await.unwrap();
    store
}

fn answered(days_ago: i64, answers: Vec<Envelope>) -> Remembered {
    let at = Utc::now() - TimeDelta::days(days_ago);
    Remembered {
        consumer: "test-forgetting",
        event_id: Uuid::new_v4(),
        event_type: "test.asked".to_owned(),
        event_key: days_ago.to_string(),
        correlation: Uuid::new_v4(),
        event_at: at,
        answered_at: at,
        answers: Arc::new(answers),
    }
}

fn answer() -> Envelope {
    Envelope::first(
        "test",
        Uuid::new_v4(),
        ("test.answered", "a"),
        Utc::now(),
        serde_json::json!({}),
    )
    .within(Uuid::new_v4(), None)
}

#[tokio::test]
async fn what_nobody_can_ask_for_any_more_is_forgotten_unless_it_was_never_published() {
    let store = store("forgetting").await;
    let bus = bus::Options::at(embedded::shared_nats().await.url(), "forgetting");
    let bus = Bus::connect(&bus, "test").await.unwrap();
    let mut relay = Relay::new(store.clone(), bus);
    let mut connection = store.pool().acquire().await.unwrap();

    remember(&mut connection, &[answered(101, vec![answer()])]).await.unwrap();
    let old: Vec<_> = (0..1_200).map(|_| answered(101, Vec::new())).collect();
    remember(&mut connection, &old).await.unwrap();
    let published = [answered(101, vec![answer()]), answered(99, vec![answer()])];
    remember(&mut connection, &published).await.unwrap();
    relay.look().await.unwrap();
    relay.sweep().await.unwrap();
    remember(&mut connection, &[answered(101, vec![answer()])]).await.unwrap();

    let age = "update published_blocks set at = now() - interval '101 days'";
    sqlx::query(age).execute(store.pool()).await.unwrap();
    prune(store.pool()).await.unwrap();
    let left: Vec<(String, bool)> = sqlx::query_as(
        "select event_key, marked.position is not null
         from remembered left join (select unnest(positions) as position from published_blocks) marked
             using (position)
         order by position",
    )
    .fetch_all(store.pool())
    .await
    .unwrap();
    assert_eq!(left, [("99".to_owned(), true), ("101".to_owned(), false)]);
    let marks = "select unnest(positions) as position from published_blocks order by position";
    let marks: Vec<i64> = sqlx::query_scalar(marks).fetch_all(store.pool()).await.unwrap();
    assert_eq!(marks, [1_202, 1_203], "and the mark of the first with it, alone in its block");
}

#[tokio::test]
async fn answers_the_server_does_not_take_hold_nothing_up() {
    let options = embedded::NatsOptions { max_payload: 16 << 10, ..Default::default() };
    let nats = embedded::Nats::start(options).await.unwrap();
    let store = store("too_large").await;
    let bus = Bus::connect(&bus::Options::at(nats.url(), "too_large"), "test").await.unwrap();
    let mut relay = Relay::new(store.clone(), bus);
    let large = || Envelope { body: "x".repeat(20 << 10).into(), ..answer() };
    let count = usize::try_from(BATCH).unwrap() + 1;
    let rows: Vec<_> = (0..count).map(|_| answered(1, vec![large()])).collect();
    let mut connection = store.pool().acquire().await.unwrap();
    remember(&mut connection, &rows).await.unwrap();
    remember(&mut connection, &[answered(1, vec![answer()])]).await.unwrap();

    relay.look().await.unwrap();
    let patience = Duration::from_secs(60);
    tokio::time::timeout(patience, relay.sweep()).await.expect("a sweep ends").unwrap();
    let marks: i64 = sqlx::query_scalar("select count(*) from published_blocks")
        .fetch_one(store.pool())
        .await
        .unwrap();
    assert_eq!((marks, relay.too_large.len()), (1, count), "the one behind them is published");
    relay.sweep().await.unwrap();
    relay.sweep().await.unwrap();
    assert!(relay.swept > 0, "they are not looked at again and again");
}

#[tokio::test]
async fn what_stands_nowhere_is_looked_for_in_steps_that_pass_over_what_was_forgotten() {
    let store = store("in_steps").await;
    let pool = store.pool();
    let mut connection = pool.acquire().await.unwrap();
    let rows: Vec<_> = (0..3).map(|_| answered(1, vec![answer()])).collect();
    remember(&mut connection, &rows).await.unwrap();
    let far = "select setval(pg_get_serial_sequence('remembered', 'position'), 90000000)";
    sqlx::query(far).execute(pool).await.unwrap();
    let more: Vec<_> = (0..2).map(|_| answered(1, vec![answer()])).collect();
    remember(&mut connection, &more).await.unwrap();

    let horizon = published::horizon(pool).await.unwrap().position;
    let mut pages = Vec::new();
    let mut above = 0;
    while let Some(Page { rows, end }) =
        published::unpublished(pool, (above, horizon), Utc::now(), 2).await.unwrap()
    {
        assert!(end > above);
        above = end;
        pages.push(rows.iter().map(|row| row.position).collect::<Vec<_>>());
    }
    let last = 90_000_001;
    assert_eq!(pages, [vec![1, 2], vec![3], vec![last, last + 1]]);
}
