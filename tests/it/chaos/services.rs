//! Every service is killed, over and over.

use harness::{Pipeline, moments::Moments};
use stackly::system::SERVICES;

use super::{CHAINS, load, setup};

/// How many lines the journal grows between two kills; a run writes about ten.
const LINES: std::ops::RangeInclusive<u64> = 10..=60;

#[tokio::test(flavor = "multi_thread")]
async fn every_service_is_killed_at_random_moments_during_fifty_chains() {
    let mut pipeline = Pipeline::with(setup()).await;
    let mut moments = Moments::of(&pipeline.spacelift);
    let load = load(CHAINS).start(&pipeline);
    let mut kills = Vec::new();

    while !load.is_finished() {
        moments.next(LINES).await;
        // Each in its turn once, so that none is left out; then at random.
        let service = match SERVICES.get(kills.len()) {
            Some(service) => *service,
            None => *moments.choose(&SERVICES),
        };
        pipeline.fleet.kill(service).await;
        pipeline.fleet.start(service, &[]);
        kills.push(service);
    }

    assert!(kills.len() >= SERVICES.len(), "only {kills:?} were killed");
    pipeline.ready().await;
    pipeline.assert_all_well(&load.await.unwrap());
    tracing_kills(&kills);
    pipeline.stop().await;
}

#[expect(clippy::print_stdout, reason = "how much was done belongs to what was seen")]
fn tracing_kills(kills: &[&str]) {
    println!("{} kills: {}", kills.len(), kills.join(" "));
}
