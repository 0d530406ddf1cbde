//! Two of every service, and one of them dies.

use harness::{Pipeline, moments::Moments};
use stackly::system::SERVICES;

use super::{CHAINS_FEW, load, setup};

/// The second replicas, in the order of the way.
const SECONDS: [&str; 5] = ["ingest-2", "planner-2", "policy-2", "executor-2", "notifier-2"];

#[tokio::test(flavor = "multi_thread")]
async fn of_two_replicas_of_every_service_one_is_killed_and_the_other_goes_on() {
    let mut pipeline = Pipeline::with(setup()).await;
    let port = embedded::free_port().unwrap();
    let elsewhere = format!("127.0.0.1:{port}");
    for (name, service) in SECONDS.into_iter().zip(SERVICES) {
        pipeline.fleet.start_as(name, service, &[("INGEST__HTTP__LISTEN", &elsewhere)]);
        pipeline.fleet.wrote(name, "started", 0, harness::patience::PATIENCE).await;
    }
    let mut moments = Moments::of(&pipeline.spacelift);
    let load = load(CHAINS_FEW).start(&pipeline);

    for (second, first) in SECONDS.into_iter().zip(SERVICES) {
        moments.next(5..=40).await;
        // The first ingest is the one that GitHub knows.
        let victim = if first == "ingest" { second } else { *moments.choose(&[first, second]) };
        pipeline.fleet.remove(victim).await;
    }

    pipeline.assert_all_well(&load.await.unwrap());
    pipeline.stop().await;
}
