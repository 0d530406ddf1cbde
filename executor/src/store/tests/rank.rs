//! Who goes first on one stack: a broken glass, then deliveries, then what puts drift right.

use contracts::Action;

use super::*;

/// A chain whose step queues for `a` since so many seconds.
fn queued(id: u128, seconds: i64, action: Action) -> ChainFixture {
    let mut chain = chain(id, &["a"]).with("a", S::Queued);
    let state = chain.state.as_mut().unwrap();
    state.course.action = action;
    state.steps[0].since = at(seconds);
    chain
}

fn urgent(mut chain: ChainFixture) -> ChainFixture {
    chain.state.as_mut().unwrap().steps[0].course.urgent = true;
    chain
}

#[tokio::test]
async fn a_broken_glass_goes_before_deliveries_and_these_before_drift_whoever_queued_first() {
    let limited = Limits { account: 1, ..Limits::default() };
    for limits in [Limits::default(), limited] {
        let is_limited = !limits.is_none();
        let database = Database::limited(limits).await;
        let mut runs = chain(1, &["a"]).with("a", S::Planning);
        let drift = queued(2, 10, Action::FixDrift);
        let delivery = queued(3, 20, Action::Deliver);
        let broken = urgent(queued(4, 30, Action::Deliver));
        let (newcomer, first) = (chain(5, &["a"]), urgent(chain(6, &["a"])));
        let all = [&runs, &drift, &delivery, &broken, &newcomer, &first];
        database.save(&all).await.unwrap();

        runs.tell(runs.reported("a", RunState::Finished, 9));
        let woken = numbers(database.save(&[&runs]).await.unwrap());
        assert!(woken.iter().all(|chain| *chain == 4) && !woken.is_empty(), "{woken:?}");
        let pushed = match is_limited {
            true => {
                let mut connection = database.pool().acquire().await.unwrap();
                database.0.queue.next(&mut connection).await.unwrap()
            }
            false => queued_on_free_stacks(database.pool()).await.unwrap(),
        };
        assert_eq!(numbers(pushed), [4], "who was not woken is found later");
        assert_eq!(database.holders(4).await, HashMap::new());
        for other in [2, 3, 5, 6] {
            let held = database.holders(other).await;
            assert!(matches!(held["a"], (3 | 4, Hold::Queues)), "{other}: {held:?}");
        }
    }
}

#[tokio::test]
async fn a_delivery_that_comes_to_a_free_stack_does_not_wait_for_what_puts_drift_right() {
    let database = Database::new().await;
    let drift = queued(1, 10, Action::FixDrift);
    let delivery = chain(2, &["a"]);
    database.save(&[&drift, &delivery]).await.unwrap();
    assert_eq!(database.holders(2).await, HashMap::new());
    let also = queued(3, 20, Action::FixDrift);
    database.save(&[&also]).await.unwrap();
    assert_eq!(database.holders(3).await, HashMap::from([("a".to_owned(), (1, Hold::Queues))]));
}
