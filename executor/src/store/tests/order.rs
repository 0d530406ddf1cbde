//! Which of several chains of one branch is the newer one, and what follows.

use contracts::{Action, chain::ChainState, order::OrderKind};

use super::*;
use crate::store::{superseded, work::SUPERSEDED};

/// A chain over `a`, which gives way; its commit is of the branch's `number`th minute.
fn chain(number: u128) -> ChainFixture {
    let mut chain = ChainFixture::planned_as(planned(number, &[("a", &[])])).giving_way().running();
    chain.state.as_mut().unwrap().began_at = at(60 * i64::try_from(number).unwrap());
    chain
}

async fn gives_way(database: &Database, chains: &[&ChainFixture]) -> Vec<(u128, u128)> {
    database.save(chains).await.unwrap();
    let found = superseded(database.pool()).await.unwrap();
    found.into_iter().map(|(old, _, new)| (old.as_u128(), new.as_u128())).collect()
}

#[tokio::test]
async fn a_delivery_gives_way_to_the_newest_delivery_of_its_branch_and_to_nothing_else() {
    let database = Database::new().await;
    assert_eq!(gives_way(&database, &[&chain(1)]).await, []);
    let mut drift = chain(4);
    drift.state.as_mut().unwrap().course.action = Action::FixDrift;
    assert_eq!(gives_way(&database, &[&drift]).await, [], "it brings no change");
    assert_eq!(gives_way(&database, &[&chain(2), &chain(3)]).await, [(1, 3), (2, 3)]);
    assert_eq!(gives_way(&database, &[&chain(5)]).await, [(1, 5), (2, 5), (3, 5)]);
}

/// How many rows of chains the question reads, as the database counts them.
async fn chains_read(database: &Database) -> f64 {
    sqlx::query("analyze chains").execute(database.pool()).await.unwrap();
    let explain = format!("explain (analyze, format json) {SUPERSEDED}");
    let plan: serde_json::Value =
        sqlx::query_scalar(sqlx::AssertSqlSafe(explain)).fetch_one(database.pool()).await.unwrap();
    rows_read(&plan[0]["Plan"])
}

fn rows_read(node: &serde_json::Value) -> f64 {
    let below = node["Plans"].as_array().into_iter().flatten().map(rows_read).sum::<f64>();
    let count = |name: &str| node[name].as_f64().unwrap_or_default();
    let read = (count("Actual Rows") + count("Rows Removed by Filter")) * count("Actual Loops");
    if node["Relation Name"] == "chains" { below + read } else { below }
}

#[tokio::test]
async fn what_ended_on_other_branches_is_not_read_to_find_what_gives_way() {
    let database = Database::new().await;
    database.save(&[&chain(1), &chain(2), &chain(3)]).await.unwrap();
    // As many chains again as a busy day brings, each of its own branch.
    sqlx::query(
        "insert into chains select (jsonb_populate_record(null::chains, to_jsonb(chains) ||
             jsonb_build_object('id', gen_random_uuid(), 'ended_at', now(), 'began_at',
                 began_at + interval '1 hour', 'change', change::jsonb ||
                 jsonb_build_object('branch', 'b' || number)))).*
         from chains, generate_series(1, 3000) number where id = $1",
    )
    .bind(uuid::Uuid::from_u128(1))
    .execute(database.pool())
    .await
    .unwrap();

    let read = chains_read(&database).await;
    assert!(read < 20.0, "{read} rows of chains are read");
    assert_eq!(gives_way(&database, &[]).await, [(1, 3), (2, 3)]);
}

#[tokio::test]
async fn nothing_gives_way_to_what_was_called_off_before_it_had_a_run() {
    let database = Database::new().await;
    let mut called_off = ChainFixture::planned_as(planned(2, &[("a", &[])])).giving_way().gating();
    called_off.state.as_mut().unwrap().began_at = at(120);
    called_off.tell(called_off.order(OrderKind::Cancel, None, false));
    assert_eq!(called_off.chain().state, ChainState::Canceled);
    assert_eq!(gives_way(&database, &[&chain(1), &called_off]).await, []);

    let mut begun = chain(3).with("a", S::Planning);
    begun.tell(begun.order(OrderKind::Cancel, None, false));
    begun.tell(begun.reported("a", RunState::Canceled, 9));
    assert_eq!(begun.chain().state, ChainState::Canceled);
    assert_eq!(gives_way(&database, &[&begun]).await, [(1, 3)], "it had one");
}

/// Otherwise it would be submitted with every round, for ever.
#[tokio::test]
async fn a_chain_that_a_person_has_begin_again_gives_way_to_what_is_newer_than_that() {
    let database = Database::new().await;
    let mut again = chain(1).with("a", S::Failed);
    again.tell(again.order(OrderKind::Retry, None, false));
    let course = &mut again.state.as_mut().unwrap().course;
    assert!(course.again_at.is_some());
    course.again_at = Some(at(150));
    assert_eq!(gives_way(&database, &[&again, &chain(2)]).await, []);
    assert_eq!(gives_way(&database, &[&chain(3)]).await, [(1, 3), (2, 3)]);
}

async fn overtaken(database: &Database, mine: &ChainFixture) -> Option<u128> {
    database.save(&[mine]).await.unwrap();
    let chain = database.load(mine.chain().id.0.as_u128()).await;
    chain.overtaken.get(&StackId::from("a")).map(|chain| chain.0.as_u128())
}

/// The run of another commit on `a`, which has come so far.
fn other(number: u128, state: S) -> ChainFixture {
    let mut other = chain(number).with("a", state);
    let chain = other.state.as_mut().unwrap();
    chain.change.commit = "0ther".into();
    chain.steps[0].since = at(3_600);
    other
}

#[tokio::test]
async fn a_stack_that_a_newer_change_of_the_branch_has_run_is_not_to_be_run_with_an_older_one() {
    let database = Database::new().await;
    let mine = chain(5);
    for not_newer in [other(4, S::Finished), other(6, S::GatingPlan), other(6, S::Denied)] {
        database.save(&[&not_newer]).await.unwrap();
        assert_eq!(overtaken(&database, &mine).await, None);
    }
    let mut drift = other(7, S::Finished);
    drift.state.as_mut().unwrap().course.action = Action::FixDrift;
    let mut elsewhere = other(8, S::Finished);
    elsewhere.state.as_mut().unwrap().change.branch = "release".to_owned();
    let mut same = other(9, S::Finished);
    same.state.as_mut().unwrap().change.commit = mine.chain().change.commit.clone();
    database.save(&[&drift, &elsewhere, &same]).await.unwrap();
    assert_eq!(overtaken(&database, &mine).await, None);

    database.save(&[&other(6, S::Finished)]).await.unwrap();
    assert_eq!(overtaken(&database, &mine).await, Some(6));
    let mut insisted = mine.clone();
    insisted.state.as_mut().unwrap().steps[0].course.insisted = true;
    assert_eq!(overtaken(&database, &insisted).await, None);
}
