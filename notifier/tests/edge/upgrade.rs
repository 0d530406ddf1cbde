//! Two builds beside each other.

use sqlx::Executor;

use crate::desk::{Desk, seen, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_only_a_newer_build_can_make_is_left_to_it() {
    let mut desk = Desk::start("").await;
    let mut database = desk.database().await;
    let newer = "insert into notifier.effects
             (id, key, lane, kind, body, correlation, claimed, due_at, created_at)
         select gen_random_uuid(), gen_random_uuid(), kind, kind, '{\"rain\": 1}',
             gen_random_uuid(), false, now(), now()
         from unnest(array['slack.post', 'slack.announce', 'github.status', 'gitlab.status',
             'webhook.send', 'pigeon.send']) as kind";
    database.execute(newer).await.unwrap();
    let waiting = "select count(*) from notifier.effects
         where open and not claimed and due_at > now() and reason->>'code' = 'unreadable'";
    until("all six wait for a build that reads them", async || {
        let all: i64 = sqlx::query_scalar(waiting).fetch_one(&mut database).await.unwrap();
        seen(all, |all| *all == 6)
    })
    .await;
    desk.stop().await;
}
