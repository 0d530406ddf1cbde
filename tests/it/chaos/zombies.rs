//! A process freezes for longer than its lease, another takes over, and the first goes on.

use std::time::Duration;

use embedded::process::Signal;
use harness::{Pipeline, Setup, accounts, fleet::FAILPOINT};
use simulator::{JournalEvent, RunState};

use super::setup;

/// Where the executor freezes, and at which time it comes there.
const PLACES: &[&str] = &[
    "engine.before_commit=3",
    "engine.after_commit=4",
    "effect.before_call=1",
    "spacelift.before_trigger=2",
    "spacelift.after_trigger=1",
    "effect.after_call=3",
    "consume.before_ack=2",
];
/// How long the other may take for a whole chain: what was handed to the frozen process first has to
/// be handed out again.
const TAKEOVER: Duration = Duration::from_secs(90);
/// How long a service may take to come to a place.
const FREEZE: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn an_executor_that_freezes_beyond_its_lease_triggers_nothing_twice_when_it_goes_on() {
    let setup = Setup { account: accounts::diamond(), pace: simulator::Pace::zero(), ..setup() };
    let mut pipeline = Pipeline::with(setup).await;
    let mut commits = Vec::new();

    for place in PLACES {
        let (commit, written) = freeze_at(&mut pipeline, place).await;
        pipeline.fleet.process("executor").signal(Signal::SIGCONT);
        pipeline.fleet.wrote("executor", "going on after a pause", written, FREEZE).await;
        commits.push(commit);
        // Both work on this one.
        commits.push(pipeline.push(&["stacks/a/main.tf"]).await);
        let chains = pipeline.all_ended(&commits, TAKEOVER).await;
        assert_eq!(pipeline.violations(&chains), [], "frozen at {place}");
        assert_eq!(pipeline.fleet.process("executor").has_exited(), None);
        pipeline.fleet.remove("executor-2").await;
    }

    let chains = pipeline.all_ended(&commits, TAKEOVER).await;
    pipeline.assert_all_well(&chains);
    pipeline.stop().await;
}

/// Freezes the executor during a chain that another replica brings to its end; gives its commit, and
/// how long the log of the frozen one was before.
async fn freeze_at(pipeline: &mut Pipeline, place: &str) -> (String, usize) {
    pipeline.fleet.kill("executor").await;
    let written = pipeline.fleet.log("executor").len();
    let order = format!("{place}=pause");
    pipeline.fleet.start("executor", &[(FAILPOINT, &order)]);
    let before = pipeline.spacelift.journal(0).last().map_or(0, |entry| entry.number);
    let commit = pipeline.push(&["stacks/a/main.tf"]).await;
    let words = "fail point reached; pausing";
    pipeline.fleet.wrote("executor", words, written, FREEZE).await;

    pipeline.fleet.start_as("executor-2", "executor", &[]);
    // Not by asking the executor: the frozen one might be asked.
    let last_of_the_chain = |entry: &simulator::JournalEntry| match &entry.event {
        JournalEvent::Transition(it) => {
            &*it.stack == "d" && *it.commit == *commit && it.to == RunState::Finished
        }
        JournalEvent::Mutation(_) => false,
    };
    let ended = pipeline.spacelift.wait_for_entry(before, TAKEOVER, last_of_the_chain).await;
    assert!(ended.is_ok(), "frozen at {place}, nobody took over: {ended:?}");
    (commit, written)
}
