//! All deciders in memory, on one thread per seed: messages, calls and wake-ups are doubled,
//! delayed, reordered and lost, and services die between any two durable writes. Whatever happens,
//! what [`checker`] says must hold.
//!
//! A seed is everything: [`AGAIN`] runs one again and prints each of its steps.

use std::{
    collections::BTreeSet,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use contracts::{
    Message,
    chain::{ChainIgnored, ChainRefused},
    order::ChainOrdered,
    step::{StepApplying, StepState},
};
use violation::Violation;
use world::{Ended, Switches, World};

mod arriving;
mod broker;
mod calling;
mod calls;
mod checker;
mod delivery;
mod dice;
mod effects;
mod natives;
mod node;
mod outside;
mod people;
mod rigs;
mod scenario;
mod service;
mod spacelift;
mod stacks;
mod violation;
mod world;

/// How many seeds are run.
const SEEDS: u64 = 3_000;
/// Put a seed here to see what happens in it, step by step.
const AGAIN: Option<u64> = None;

/// The seeds below `seeds` in which something happened that must not, with what it was.
fn failures(seeds: u64, switches: Switches) -> Vec<(u64, Vec<Violation>)> {
    let (next, failures) = (AtomicU64::new(0), Mutex::new(Vec::new()));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds {
                        break;
                    }
                    let run = || World::new(seed, switches).run().violations;
                    let violations = catch_unwind(AssertUnwindSafe(run))
                        .unwrap_or_else(|_| panic!("seed {seed} panicked; put it into AGAIN"));
                    if !violations.is_empty() {
                        failures.lock().unwrap().push((seed, violations));
                    }
                }
            });
        }
    });
    let mut failures = failures.into_inner().unwrap();
    failures.sort_by_key(|(seed, _)| *seed);
    failures
}

#[test]
fn nothing_is_forgotten_doubled_or_untimely_in_any_seed() {
    if let Some(seed) = AGAIN {
        let told = Switches { told: true, ..Switches::default() };
        let Ended { violations, steps, story, .. } = World::new(seed, told).run();
        panic!("{}\nseed {seed} after {steps} steps: {violations:#?}", story.join("\n"));
    }
    let failures = failures(SEEDS, Switches::default());
    let seeds: Vec<_> = failures.iter().map(|(seed, _)| *seed).collect();
    if let Some(first) = failures.first() {
        let all = seeds.len();
        panic!(
            "{all} of {SEEDS} seeds failed: {seeds:?}; put one into AGAIN. The first: {first:#?}"
        );
    }
}

#[test]
fn a_seed_is_the_same_each_time() {
    for seed in 0..10 {
        let outcome = || World::new(seed, Switches::default()).run();
        let (one, other) = (outcome(), outcome());
        assert_eq!((one.steps, one.reached), (other.steps, other.reached), "seed {seed}");
    }
}

#[test]
fn the_seeds_come_by_everything_that_can_happen() {
    let mut missing: BTreeSet<String> = [
        ChainIgnored::TYPE,
        ChainRefused::TYPE,
        ChainOrdered::TYPE,
        StepApplying::TYPE,
        "gate pass",
        "gate deny",
        "gate hold_until",
        "gate hold_for_approvals",
        "adopted",
    ]
    .map(str::to_owned)
    .into();
    missing.extend(StepState::ALL.map(|state| state.as_str().to_owned()));
    // Where every step begins; and what only a Spacelift that forgets runs leads to.
    missing.remove(StepState::Waiting.as_str());
    missing.remove(StepState::Unknown.as_str());
    for seed in 0..200 {
        let reached = World::new(seed, Switches::default()).run().reached;
        missing.retain(|what| !reached.contains(what));
        if missing.is_empty() {
            return;
        }
    }
    panic!("never seen: {missing:?}");
}

/// How often the checker found something in the first seeds with something switched off.
fn found(switches: Switches, what: fn(&Violation) -> bool) -> usize {
    failures(60, switches).iter().filter(|(_, violations)| violations.iter().any(what)).count()
}

#[test]
fn repeating_a_call_without_looking_is_found_out() {
    let switches = Switches { blind: true, ..Switches::default() };
    assert!(found(switches, |it| matches!(it, Violation::TwoRuns { .. })) > 0);
}

#[test]
fn taking_over_no_run_that_spacelift_made_is_found_out() {
    let switches = Switches { heedless: true, ..Switches::default() };
    assert!(found(switches, |it| matches!(it, Violation::TwoRuns { .. })) > 0);
}

#[test]
fn forgetting_what_was_answered_is_found_out() {
    let switches = Switches { amnesia: true, ..Switches::default() };
    assert!(found(switches, |it| matches!(it, Violation::Forgotten { .. })) > 0);
}

#[test]
fn trusting_the_broker_to_keep_what_it_has_is_found_out() {
    let switches = Switches { no_refill: true, ..Switches::default() };
    assert!(found(switches, |it| matches!(it, Violation::Forgotten { .. })) > 0);
}
