//! Stacks that people have locked through us.

use contracts::{Code, Reason};

use super::*;
use crate::{
    Said,
    lock::{self, Lock, LockState},
};

fn lock(state: LockState) -> Lock {
    Lock {
        stack: "a".into(),
        state,
        reason: Reason::new(Code::StackLocked, "jane has locked it"),
        since: at(0),
        said: Said { by: "jane".to_owned(), note: None, at: at(0) },
        mark: "stackly 7".to_owned(),
        operations: Vec::new(),
    }
}

async fn save(database: &Database, lock: Lock) -> Vec<u128> {
    let mut connection = database.pool().acquire().await.unwrap();
    let (key, state) = (lock::key(&lock.stack), State::from(lock));
    numbers(database.0.save(&mut connection, &[(key, &state)]).await.unwrap())
}

#[tokio::test]
async fn a_lock_is_read_as_it_was_written() {
    let database = Database::new().await;
    let all = [LockState::Free, LockState::Locking, LockState::Locked, LockState::Unlocking];
    for state in all {
        save(&database, lock(state)).await;
        let mut connection = database.pool().acquire().await.unwrap();
        let key = lock::key(&"a".into());
        let loaded = database
            .0
            .load(&mut connection, &[key], Utc::now())
            .await
            .unwrap()
            .remove(&key)
            .unwrap();
        assert_eq!((loaded.lock, loaded.chain), (Some(lock(state)), None));
    }
}

#[tokio::test]
async fn whoever_waits_for_a_locked_stack_takes_no_place_and_is_woken_when_it_is_unlocked() {
    let database = Database::limited(Limits { account: 1, ..Limits::default() }).await;
    let waits = chain(1, &["a"]).with("a", S::Queued);
    let other = chain(2, &["b"]).with("b", S::Queued);
    database.save(&[&waits, &other]).await.unwrap();
    for state in [LockState::Locking, LockState::Locked, LockState::Unlocking] {
        save(&database, lock(state)).await;
        let mut connection = database.pool().acquire().await.unwrap();
        let next = database.0.queue.next(&mut connection).await.unwrap();
        assert_eq!(numbers(next), [2], "{state}");
        let held = database.holders(1).await;
        assert!(matches!(&held["a"], (1, Hold::Locked(said)) if said.by == "jane"), "{held:?}");
    }
    assert_eq!(save(&database, lock(LockState::Free)).await, [1]);
    assert!(!matches!(database.holders(1).await.get("a"), Some((_, Hold::Locked(_)))));
}

#[tokio::test]
async fn nobody_is_woken_for_a_stack_as_long_as_it_is_locked() {
    let database = Database::new().await;
    database.save(&[&chain(1, &["a"]).with("a", S::Queued)]).await.unwrap();
    assert_eq!(numbers(queued_on_free_stacks(database.pool()).await.unwrap()), [1]);
    save(&database, lock(LockState::Locked)).await;
    assert!(queued_on_free_stacks(database.pool()).await.unwrap().is_empty());
}

#[tokio::test]
async fn when_a_stack_is_unlocked_a_delivery_is_woken_before_what_puts_drift_right() {
    let database = Database::new().await;
    let mut drift = chain(1, &["a"]).with("a", S::Queued);
    drift.state.as_mut().unwrap().course.action = contracts::Action::FixDrift;
    let delivery = chain(2, &["a"]).with("a", S::Queued);
    database.save(&[&drift, &delivery]).await.unwrap();
    assert_eq!(save(&database, lock(LockState::Free)).await, [2]);
}
