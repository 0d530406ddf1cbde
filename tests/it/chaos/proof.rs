//! In short what the load program does at length: `load kills`, `load storm` and `load
//! deliveries`.

use std::time::Duration;

use harness::{
    Pipeline, checker,
    deliveries::{self, Plan, Trial},
    kills,
    moments::Moments,
    storm::{self, Weather},
};

/// How often the executor dies: at every place, and once anywhere.
const DEATHS: usize = 12;

#[tokio::test(flavor = "multi_thread")]
async fn an_executor_that_dies_at_every_step_while_answers_get_lost_doubles_and_misses_nothing() {
    let mut pipeline = Pipeline::with(kills::setup(env!("CARGO_BIN_EXE_serve").into())).await;
    let mut moments = Moments::of(&pipeline.spacelift);

    let killed = kills::run(&mut pipeline, DEATHS, &mut moments).await;

    assert_eq!(killed.deaths.values().sum::<usize>(), DEATHS);
    pipeline.assert_all_well(&killed.chains);
    let journal = pipeline.spacelift.journal(0);
    assert_eq!(checker::check_ends(&journal, &killed.chains), []);
    pipeline.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn random_graphs_end_as_they_must_whatever_fails_and_whoever_is_restarted() {
    let weather = Weather {
        graphs: 3,
        stacks_max: 30,
        seed: rand::random(),
        patience: Duration::from_secs(150),
    };
    let program = env!("CARGO_BIN_EXE_serve").into();
    let mut pipeline = Pipeline::with(storm::setup(program, &weather)).await;

    let weathered = storm::run(&mut pipeline, &weather).await;

    assert_eq!(weathered.chains.len(), weather.graphs);
    assert_eq!(weathered.violations, [], "with {weather:?}");
    pipeline.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_doubled_and_late_deliveries_end_in_the_decisions_of_a_clean_run_whoever_dies() {
    let trial = Trial {
        plan: Plan { seed: rand::random(), count: 400, per_second: 150, stormy: false },
        program: env!("CARGO_BIN_EXE_serve").into(),
        durable: false,
        outage: Duration::from_secs(2),
        patience: Duration::from_secs(90),
    };
    let clean = deliveries::clean(&trial).await.unwrap();
    assert_eq!((clean.outcomes.len(), clean.told.len()), (400, 320));
    assert!(clean.answered.len() > 200, "{}", clean.answered.len());

    let (disturbed, struck) = deliveries::disturbed(&trial).await.unwrap();

    assert_eq!(clean.differences(&disturbed), [""; 0], "with {trial:?}");
    assert!(struck.found >= i64::try_from(struck.lost).unwrap(), "{struck:?}");
    assert_eq!(struck.times.len(), 4, "{struck:?}");
}
