//! The database goes away in the middle of commits, and comes back.

use harness::{Pipeline, moments::Moments};

use super::{CHAINS, load, setup};

/// How often it goes: killed, or ended in order, by turns.
const RESTARTS: usize = 6;

#[tokio::test(flavor = "multi_thread")]
async fn postgres_is_killed_and_restarted_fast_during_chains() {
    let mut pipeline = Pipeline::with(setup()).await;
    let mut moments = Moments::of(&pipeline.spacelift);
    let load = load(CHAINS).start(&pipeline);

    for number in 0..RESTARTS {
        moments.next(20..=100).await;
        let postgres = &mut pipeline.servers.expect_own().postgres;
        if number % 2 == 0 {
            postgres.restart().await.unwrap();
        } else {
            postgres.restart_fast().await.unwrap();
        }
    }

    pipeline.assert_all_well(&load.await.unwrap());
    pipeline.stop().await;
}
