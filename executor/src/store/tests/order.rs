//! Which of several chains of one branch is the newer one, and what follows.

use contracts::Action;

use super::*;
use crate::store::superseded;

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
