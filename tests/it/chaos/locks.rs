//! The executor dies at every place between the intent, the call and the record of a lock.

use bus::{BusError, Problem};
use contracts::{
    Message, StackId,
    order::{LockStack, UnlockStack},
    subject,
};
use executor::LockPage;
use harness::{
    Pipeline, Setup, accounts,
    fleet::FAILPOINT,
    patience::{PATIENCE, eventually},
};
use serde_json::{Value, json};
use simulator::JournalEvent;
use uuid::Uuid;

use super::{points::has_died, setup};

/// Before and after the intent is kept, around the call, before and after its result is.
const PLACES: &[&str] = &[
    "engine.before_commit=1",
    "engine.after_commit=1",
    "effect.before_call=1",
    "spacelift.after_act=1",
    "effect.after_call=1",
    "engine.before_commit=2",
    "engine.after_commit=2",
];

/// Short leases, so that what a death leaves behind is taken up soon.
const SOON: [(&str, &str); 2] =
    [("STACKLY__STORE__LEASE", "2s"), ("EXECUTOR__SPACELIFT__TIMEOUT", "1s")];

/// How often Spacelift did this.
fn accepted(pipeline: &Pipeline, name: &str) -> usize {
    let journal = pipeline.spacelift.journal(0);
    let did = journal.iter().filter(|entry| {
        matches!(&entry.event, JournalEvent::Mutation(it) if it.name == name && it.accepted)
    });
    did.count()
}

/// The same order, however often it is sent.
fn order(lock: bool) -> (String, Value) {
    let (stack, by, note) = (StackId::from("a"), "jane".to_owned(), None);
    let (kind, mut order) = match lock {
        true => (LockStack::TYPE, json!(LockStack { stack, by, note })),
        false => (UnlockStack::TYPE, json!(UnlockStack { stack, force: false, by, note })),
    };
    order["id"] = json!(Uuid::new_v4());
    (subject::command(kind), order)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_executor_dies_at_every_place_of_a_lock_which_is_taken_and_taken_off_once() {
    let environment = SOON.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let account = accounts::account(&[("a", &[])]);
    let mut pipeline = Pipeline::with(Setup { account, environment, ..setup() }).await;
    let mut times = 0;
    for place in PLACES {
        for (lock, name) in [(true, "stackLock"), (false, "stackUnlock")] {
            pipeline.fleet.kill("executor").await;
            let written = pipeline.fleet.log("executor").len();
            pipeline.fleet.start("executor", &[(FAILPOINT, place)]);
            let (subject, order) = order(lock);
            let give = || pipeline.bus.request(&subject, &order);
            // Until it is there, nobody answers; then it dies of it.
            tokio::select! {
                _ = eventually("the order to be heard", PATIENCE, give, Result::is_ok) => {}
                _ = pipeline.fleet.process("executor").exited() => {}
            }
            has_died(&mut pipeline, "executor", place, written).await;
            pipeline.fleet.start("executor", &[]);

            let give = || pipeline.bus.request(&subject, &order);
            let wanted = if lock { "locked" } else { "free" };
            let is_so = |answer: &Result<Result<Value, Problem>, BusError>| matches!(answer, Ok(Ok(line)) if line["state"] == wanted);
            let what = format!("{name} to count after {place}");
            eventually(&what, PATIENCE, give, is_so).await.unwrap().unwrap();
            times += usize::from(lock);
            assert_eq!(accepted(&pipeline, name), times, "{name}s after {place}");
        }
    }
    let locks = subject::question("executor", "locks");
    let page = pipeline.bus.request(&locks, &json!({ "stack": "a" })).await.unwrap().unwrap();
    let page: LockPage = serde_json::from_value(page).unwrap();
    let events: Vec<_> = page.history.iter().map(|it| it.event.as_str()).collect();
    let round = ["lock_asked", "locked", "unlock_asked", "unlocked"];
    assert_eq!(events, round.repeat(PLACES.len()));
    pipeline.stop().await;
}
