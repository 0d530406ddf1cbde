//! Negative controls: executors that do one thing wrong each, at the real Spacelift double and the
//! real broker. The checker that all tests here end with must see it.

mod double_ack;
mod naive;

use harness::{
    accounts,
    checker::{self, Violation},
};
use simulator::{Fault, FaultKind, Pace, Simulator};

use naive::{Manners, Naive};

/// How many chains a wrong executor drives before it must have been seen.
const CHAINS: usize = 12;

/// What the checker says of chains driven with these manners under this fault.
async fn violations(manners: Manners, fault: Fault) -> Vec<Violation> {
    let options = simulator::Options::new(accounts::diamond());
    let options = simulator::Options { pace: Pace::uniform(5), ..options };
    let simulator = Simulator::start(options).await.unwrap();
    let naive = Naive::new(&simulator, manners);
    simulator.control().add_fault(fault);
    let mut pages = Vec::new();
    for _ in 0..CHAINS {
        pages.push(naive.drive().await);
    }
    let violations = checker::check(&simulator.control().journal(0), &pages);
    simulator.stop().await;
    violations
}

fn answers_lost() -> Fault {
    Fault::always(FaultKind::AnswerLost).with_probability(0.3).on("runTrigger")
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_looks_before_it_repeats_passes_the_checker() {
    let seen = violations(Manners::Looks, answers_lost()).await;
    assert_eq!(seen, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_repeats_blindly_fails_the_checker() {
    let seen = violations(Manners::RepeatsBlindly, answers_lost()).await;
    assert!(!seen.is_empty(), "it triggered twice and nobody saw it");
    let doubled = |it: &Violation| matches!(it, Violation::TriggeredTwice { .. });
    assert!(seen.iter().all(doubled), "{seen:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_takes_a_lost_request_for_done_fails_the_checker() {
    let lost = Fault::always(FaultKind::DroppedBeforeAccept).with_probability(0.3);
    let seen = violations(Manners::TakesItForDone, lost.on("runTrigger")).await;
    assert!(seen.iter().any(|it| matches!(it, Violation::NeverRan { .. })), "{seen:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_does_not_wait_for_parents_fails_the_checker() {
    let nothing = Fault::once(FaultKind::Slow { delay_ms: 1 });
    let seen = violations(Manners::WaitsForNobody, nothing).await;
    assert!(seen.iter().any(|it| matches!(it, Violation::BeforeItsParent { .. })), "{seen:#?}");
}
