//! A small decider: a counter for each key, and all that can go wrong about it.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use contracts::{Code, Envelope, Message, inbound};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sqlx::{PgConnection, Row};
use store::{Decider, Decision, Effect, Refusal};
use uuid::Uuid;

/// Something is added to a counter.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Added {
    pub(crate) counter: Uuid,
    pub(crate) amount: i64,
    pub(crate) also: Also,
}

/// What is to happen besides.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) enum Also {
    #[default]
    Nothing,
    /// It concerns nobody.
    Nobody,
    /// It never works.
    Never,
    /// It does not work yet.
    Later,
    /// The decision panics, after it changed the state.
    Panic,
    /// Finding the key panics.
    PanicAtKeys,
    /// The answer is larger than the broker takes.
    Large,
    /// Nothing is answered.
    Silent,
    /// A call on a lane.
    Call(String),
    /// Wants to be woken so many milliseconds from now.
    WakeIn(i64),
    /// Wants to be woken no more.
    WakeNever,
    /// Wakes another counter.
    Nudge(Uuid),
}

impl Message for Added {
    const TYPE: &'static str = "counter.added";
    const MEANING: &'static str = "Something was added.";

    fn key(&self) -> String {
        self.counter.to_string()
    }
}

/// How far a counter got.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Counted {
    pub(crate) counter: Uuid,
    pub(crate) total: i64,
    text: String,
}

impl Message for Counted {
    const TYPE: &'static str = "counter.counted";
    const MEANING: &'static str = "A counter went on.";

    fn key(&self) -> String {
        self.counter.to_string()
    }
}

/// More than the broker takes in one message.
const MUCH_BYTES: usize = 16 * 1024 * 1024;
/// What came of a call that leads to such an answer.
pub(crate) const MUCH: &str = "much";

/// What came of a call.
#[derive(Debug, Clone)]
pub(crate) struct Called {
    pub(crate) counter: Uuid,
    pub(crate) result: String,
}

inbound! {
    #[derive(Debug, Clone)]
    pub(crate) enum Input {
        Added(Added)
        ; also Called(Called), Woken(Uuid)
    }
}

/// A counter.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counter {
    pub(crate) total: i64,
    /// How often it was decided upon.
    pub(crate) decisions: i64,
    pub(crate) wake_at: Option<DateTime<Utc>>,
    pub(crate) woken: i64,
    pub(crate) called: Vec<String>,
    nudges: Option<Uuid>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Counting;

impl Decider for Counting {
    type Input = Input;
    type State = Counter;

    async fn keys(
        &self,
        _: &mut PgConnection,
        inputs: &[&Input],
    ) -> Result<Vec<Option<Uuid>>, sqlx::Error> {
        let key = |input: &&Input| match input {
            Input::Added(added) if added.also == Also::Nobody => None,
            Input::Added(added) => {
                assert_ne!(added.also, Also::PanicAtKeys, "as the test wants");
                Some(added.counter)
            }
            Input::Called(called) => Some(called.counter),
            Input::Woken(counter) => Some(*counter),
        };
        Ok(inputs.iter().map(key).collect())
    }

    async fn load(
        &self,
        connection: &mut PgConnection,
        keys: &[Uuid],
        _: DateTime<Utc>,
    ) -> Result<HashMap<Uuid, Counter>, sqlx::Error> {
        let rows = sqlx::query("select * from counters where id = any($1)")
            .bind(keys)
            .fetch_all(connection)
            .await?;
        rows.iter().map(|row| Ok((row.try_get("id")?, read(row)?))).collect()
    }

    fn decide(
        &self,
        state: &mut Counter,
        input: &Envelope<Input>,
        now: DateTime<Utc>,
    ) -> Result<Decision, Refusal> {
        state.decisions += 1;
        let mut decision = Decision::none();
        match &input.body {
            Input::Added(added) => add(state, added, input.correlation, now, &mut decision)?,
            Input::Called(called) if called.result == MUCH => {
                let text = "x".repeat(MUCH_BYTES);
                decision.send(&Counted { counter: called.counter, total: state.total, text });
            }
            Input::Called(called) => state.called.push(called.result.clone()),
            Input::Woken(_) => {
                state.woken += 1;
                // One that wants to be woken in the past wants it for ever.
                if state.wake_at.is_some_and(|at| at > DateTime::UNIX_EPOCH) {
                    state.wake_at = None;
                }
                if state.total < 0 {
                    return Err(Refusal::Later { text: "a debtor does not wake up".to_owned() });
                }
            }
        }
        Ok(decision)
    }

    async fn save(
        &self,
        connection: &mut PgConnection,
        states: &[(Uuid, &Counter)],
    ) -> Result<Vec<Uuid>, sqlx::Error> {
        for (id, state) in states {
            sqlx::query(
                "insert into counters (id, total, decisions, wake_at, woken, called)
                 values ($1, $2, $3, $4, $5, $6)
                 on conflict (id) do update set total = excluded.total,
                     decisions = excluded.decisions, wake_at = excluded.wake_at,
                     woken = excluded.woken, called = excluded.called",
            )
            .bind(id)
            .bind(state.total)
            .bind(state.decisions)
            .bind(state.wake_at)
            .bind(state.woken)
            .bind(&state.called)
            .execute(&mut *connection)
            .await?;
        }
        Ok(states.iter().filter_map(|(_, state)| state.nudges).collect())
    }

    fn wake_at(&self, state: &Counter) -> Option<DateTime<Utc>> {
        state.wake_at
    }

    fn wake(&self, key: Uuid) -> Option<Input> {
        (!key.is_nil()).then_some(Input::Woken(key))
    }
}

fn add(
    state: &mut Counter,
    added: &Added,
    correlation: Uuid,
    now: DateTime<Utc>,
    decision: &mut Decision,
) -> Result<(), Refusal> {
    state.total += added.amount;
    match &added.also {
        Also::Never => {
            return Err(Refusal::Never { code: Code::Cycle, text: "it goes in circles".into() });
        }
        Also::Later => return Err(Refusal::Later { text: "not yet".into() }),
        Also::Panic => panic!("as the test wants"),
        Also::WakeIn(milliseconds) if *milliseconds < 0 => {
            state.wake_at = Some(DateTime::UNIX_EPOCH);
        }
        Also::WakeIn(milliseconds) => {
            state.wake_at = Some(now + TimeDelta::milliseconds(*milliseconds));
        }
        Also::WakeNever => state.wake_at = None,
        Also::Nudge(other) => state.nudges = Some(*other),
        Also::Call(lane) => decision.effect(Effect {
            id: Uuid::new_v5(&added.counter, format!("{lane}/{}", state.total).as_bytes()),
            key: added.counter,
            lane: lane.clone(),
            kind: "test.call",
            body: serde_json::json!({ "counter": added.counter, "total": state.total }),
            correlation,
            trace: None,
        }),
        _ => {}
    }
    if added.also != Also::Silent {
        let size = if added.also == Also::Large { MUCH_BYTES } else { 0 };
        let text = "x".repeat(size);
        decision.send(&Counted { counter: added.counter, total: state.total, text });
    }
    Ok(())
}

pub(crate) fn read(row: &sqlx::postgres::PgRow) -> Result<Counter, sqlx::Error> {
    Ok(Counter {
        total: row.try_get("total")?,
        decisions: row.try_get("decisions")?,
        wake_at: row.try_get("wake_at")?,
        woken: row.try_get("woken")?,
        called: row.try_get("called")?,
        nudges: None,
    })
}
