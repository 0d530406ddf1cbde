//! One run for several chains.

use contracts::ChainId;

use super::*;

/// `own` before `s` before `t`, which only follow.
fn chain(id: u128, own: &str) -> ChainFixture {
    let stacks: &[(&str, &[&str])] = &[(own, &[]), ("s", &[own]), ("t", &["s"])];
    ChainFixture::planned_as(planned(id, stacks)).following().running()
}

async fn waiting(database: &Database, chain: u128, stack: &str) -> Vec<(u128, Vec<String>)> {
    let shares = database.load(chain).await.shares;
    let waiting = shares.waiting.get(&StackId::from(stack)).into_iter().flatten();
    let said = waiting.map(|other| {
        let open = other.open.iter().map(ToString::to_string).collect();
        (other.chain.0.as_u128(), open)
    });
    said.collect()
}

async fn done(database: &Database, chain: u128, stack: &str) -> Option<(ChainId, RunId)> {
    let shares = database.load(chain).await.shares;
    shares.done.get(&StackId::from(stack)).map(|it| (it.chain, it.run.clone()))
}

#[tokio::test]
async fn a_run_finds_who_waits_for_its_stack_and_they_find_it_when_it_has_ended() {
    let database = Database::new().await;
    let later = |mut fixture: ChainFixture| {
        let steps = &mut fixture.state.as_mut().unwrap().steps;
        steps.iter_mut().for_each(|step| step.since += TimeDelta::hours(1));
        fixture
    };
    let queues = later(chain(2, "b").with("s", S::Queued));
    let asks = chain(3, "c").with("c", S::Finished);
    let mut runs = chain(1, "a").with("s", S::Queued);
    database.save(&[&runs, &queues, &asks]).await.unwrap();
    // Who still asks its gate may have to wait for days.
    assert_eq!(waiting(&database, 1, "s").await, [(2, vec![])]);
    assert_eq!(done(&database, 2, "s").await, None);

    runs.state = Some(database.load(1).await);
    let mut runs = runs.with("s", S::Triggering);
    database.save(&[&runs]).await.unwrap();
    assert_eq!(database.load(1).await.steps[1].course.serves.len(), 1);
    runs = runs.with("s", S::Planning);
    database.save(&[&runs]).await.unwrap();
    assert_eq!(done(&database, 2, "s").await, None, "it may end badly");

    runs = runs.with("s", S::Finished);
    database.save(&[&runs]).await.unwrap();
    let by = (ChainId(Uuid::from_u128(1)), crate::fixtures::run_of("s"));
    assert_eq!(done(&database, 2, "s").await, Some(by));
    assert_eq!(done(&database, 3, "s").await, None, "its parents had not ended by then");
    // Below it, who is served above is as good as through; there, `s` is still in the queue.
    assert_eq!(waiting(&database, 1, "t").await, [(2, vec!["s".to_owned()])]);
}
