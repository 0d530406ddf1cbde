//! Steps of unknown outcome, which keep their stacks.

use chrono::Utc;
use contracts::order::OrderKind;

use super::*;
use crate::{
    fixtures::reminders,
    store::{may_be_late, of_stack},
    why::Late,
};

#[tokio::test]
async fn a_step_of_unknown_outcome_keeps_its_stack_until_somebody_has_looked() {
    let database = Database::new().await;
    let pool = database.pool();
    let single = |id| ChainFixture::planned_as(planned(id, &[("a", &[])])).running();
    let mut unknown = single(1).with("a", S::Unknown);
    let queued = single(2).with("a", S::Queued);
    database.save(&[&unknown, &queued]).await.unwrap();

    let busy = database.load(2).await.busy[&StackId::from("a")].clone().unwrap();
    assert_eq!((busy.chain.0.as_u128(), busy.hold), (1, Hold::Unknown));
    assert!(queued_on_free_stacks(pool).await.unwrap().is_empty());
    let shown = async || (of_stack(pool, &"a".into(), 9).await.unwrap().len(), late(pool).await);
    assert_eq!(shown().await, (2, 1), "people are told of it");
    let asked = in_flight(pool, at(1_000), 9).await.unwrap();
    assert!(asked.len() == 1 && asked[0].is_unknown, "{asked:?}");
    let report = unknown.report("a", RunState::Finished, 9);
    assert_eq!(database.owner(report).await, Some(1));

    unknown.tell(unknown.order(OrderKind::Cancel, Some("a"), false));
    database.save(&[&unknown]).await.unwrap();
    assert_eq!(database.load(2).await.busy[&StackId::from("a")], None);
    assert_eq!(queued_on_free_stacks(pool).await.unwrap(), [Uuid::from_u128(2)]);
    assert_eq!(shown().await, (1, 0));
    assert!(in_flight(pool, at(1_000), 9).await.unwrap().is_empty());
}

/// How many chains people are to be told of, after years.
async fn late(pool: &PgPool) -> usize {
    let late = Late::all(&reminders());
    let from = (Utc::now(), ChainId(Uuid::nil()));
    may_be_late(pool, &late, from, 9).await.unwrap().len()
}
