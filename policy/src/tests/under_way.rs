//! Gates that are being decided while something is said that concerns them.

use sqlx::PgPool;

use super::*;
use crate::commit_words::CommitWord;

/// Somebody must approve; who broke the glass of the chain need not wait.
const HELD: &str = "policy \"people\" {\n approval { min_approvers = 1 }\n}\n\
                    break_glass \"oncall\" {\n allowed_users = [\"olga\"]\n}";

/// Asks again until it is so.
async fn until(pool: &PgPool, what: &str, question: &'static str) {
    let mut ticks = tokio::time::interval(Duration::from_millis(10));
    let asked = async {
        while !sqlx::query_scalar::<_, bool>(question).fetch_one(pool).await.unwrap() {
            ticks.tick().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), asked).await.expect(what);
}

/// Asks a second gate of the chain, keeps its decision from being committed until `said` has been
/// taken in by the keeper, and gives what becomes of it.
async fn decided_meanwhile(said: impl AsyncFnOnce(&PgPool)) -> Outcome {
    let mut running = Running::start(HELD).await;
    let mut decisions = running.decisions().await;
    let first = prod(Moment::BeforePlan);
    // Its stack applies by itself, so that the code is approved with the plan.
    let mut first = GateRequested { gate: GateId(Uuid::from_u128(70)), ..first };
    first.stacks[0].autodeploy = true;
    running.request(&first).await;
    assert!(!next(&mut decisions).await.outcome.is_final());

    let store = ::store::Store::connect(&running.config.store, CARD.service).await.unwrap();
    let pool = store.pool();
    let mut lock = pool.begin().await.unwrap();
    sqlx::raw_sql("lock table gates in share mode").execute(&mut *lock).await.unwrap();
    let second = GateRequested { gate: GateId(Uuid::from_u128(71)), ..first };
    running.request(&second).await;
    let waits = "select exists (select from pg_locks where not granted \
                 and relation = 'gates'::regclass)";
    until(pool, "its decision waits for the lock", waits).await;
    said(pool).await;
    // The first gate is there to be seen: whoever wakes it has taken in what was said.
    until(pool, "the first gate is woken", "select exists (select from nudges)").await;
    lock.rollback().await.unwrap();

    let outcome = async {
        loop {
            let decided = next(&mut decisions).await;
            if decided.gate == second.gate && decided.outcome.is_final() {
                return decided.outcome;
            }
        }
    };
    let outcome = outcome.await;
    running.stop().await;
    outcome
}

#[tokio::test(flavor = "multi_thread")]
async fn a_word_about_its_commit_reaches_a_gate_that_was_being_decided() {
    let outcome = decided_meanwhile(async |pool| {
        let now = Utc::now();
        let asked = prod(Moment::BeforePlan).change;
        let word = CommitWord {
            repository: asked.repository,
            pull_request: 7,
            commit: asked.commit,
            review: review::Review { at: now, ..crate::fixtures::review(1, "bob", true) },
            kept_at: now,
        };
        store::keep_word(pool, &word).await.unwrap();
    });
    assert_eq!(outcome.await, Outcome::Pass);
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_glass_of_its_chain_reaches_a_gate_that_was_being_decided() {
    let outcome = decided_meanwhile(async |pool| {
        let broken = "insert into reviews (id, gate, number, by, approve, note, at, word, until, \
                      whole_chain) values ($1, $2, 0, 'olga', false, 'it burns', now(), 'override', \
                      now() + interval '1 hour', true)";
        let query = sqlx::query(broken).bind(Uuid::from_u128(9)).bind(Uuid::from_u128(70));
        query.execute(pool).await.unwrap();
    });
    assert_eq!(outcome.await, Outcome::Pass);
}
