//! When calls to Spacelift rest because too many failed, people are told once, and once more when
//! they go on; and other executors are told, so that not each has to find it out.

use std::sync::{Mutex, MutexGuard, PoisonError};

use bus::{Answers, Problem};
use chrono::{DateTime, TimeDelta, Utc};
use contracts::{Code, Outgoing, StackId, catalogue::AccountAlerted, envelope::Cause, plain};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use spacelift::{Client, Error, Rest, TriggerPolicy};
use sqlx::PgPool;
use uuid::Uuid;

use crate::store::{Telling, tell_end_of_rest, tell_rest, told_rest};

/// Under which name what is told of the account is remembered.
const CONSUMER: &str = "executor-account";

/// The same time, told twice, may differ by less: each time it is reckoned anew from two clocks.
const ABOUT: TimeDelta = TimeDelta::seconds(1);

/// Looks whether calls rest, tells it, and heeds what others tell. What was told stands in the database:
/// the process that told it may be gone when calls go on.
pub(crate) struct Watch {
    spacelift: Client,
    pool: PgPool,
    account: String,
    heard: Mutex<Option<Heard>>,
}

/// What another process has found, and whether it is so here.
#[derive(Debug, Clone, Copy)]
struct Heard {
    /// Until about when that process makes no call: each time it has tried again, another.
    until: DateTime<Utc>,
    is_so_here: bool,
}

impl Watch {
    pub(crate) fn new(spacelift: Client, pool: PgPool, endpoint: &str) -> Self {
        let (account, heard) = (spacelift::account_name(endpoint), Mutex::default());
        Self { spacelift, pool, account, heard }
    }

    pub(crate) async fn look(&self) -> anyhow::Result<()> {
        let Self { spacelift, pool, account, .. } = self;
        let told = told_rest(pool, account).await?;
        let is_past = told.as_ref().is_some_and(|told| told.is_past);
        if spacelift.own_rest().is_none() {
            // Whoever found it and is gone may have been started anew with a better key.
            self.heed(told.filter(|_| !is_past).and_then(|told| told.rest)).await;
        }
        // The next call is due that decides, and nobody may have one to make.
        if spacelift.own_rest().is_some_and(|rest| rest.until <= Utc::now()) {
            let _ = spacelift.who_am_i().await;
        }
        if let Some(rest) = spacelift.own_rest() {
            tell_rest(pool, account, &rest, telling(&begins(account, &rest))).await?;
            return Ok(());
        }
        // Nothing is said on a guess: this process may have made no call yet.
        if is_past && spacelift.who_am_i().await.is_ok() {
            tell_end_of_rest(pool, account, telling(&ends(account))).await?;
        }
        Ok(())
    }

    /// Makes no calls because another process has found that they fail, if one from here fails, too: a
    /// wrong key or a broken network may be the other's alone. That is tried as often as the other tries.
    async fn heed(&self, told: Option<Rest>) {
        let heard = *self.heard();
        let Some(rest) = told else { return self.spacelift.others_rest(None) };
        let is_known = |heard: &Heard| (heard.until - rest.until).abs() < ABOUT;
        let is_so_here = match heard.filter(is_known) {
            Some(heard) => heard.is_so_here,
            None => {
                self.spacelift.others_rest(None);
                let is_so_here = match self.spacelift.who_am_i().await.err() {
                    None => false,
                    Some(error) if says_so(&error) => true,
                    // It says nothing of the account; the next look tries it again.
                    Some(_) => return,
                };
                *self.heard() = Some(Heard { until: rest.until, is_so_here });
                is_so_here
            }
        };
        self.spacelift.others_rest(is_so_here.then_some(rest));
    }

    fn heard(&self) -> MutexGuard<'_, Option<Heard>> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a call that ends so finds the account in trouble, too.
fn says_so(error: &Error) -> bool {
    matches!(error, Error::Unauthorized | Error::Unreachable { .. } | Error::Unavailable { .. })
}

fn telling(alert: &AccountAlerted) -> Telling {
    let (id, now) = (Uuid::new_v4(), Utc::now());
    let cause = Cause { id, correlation: id, trace: None, consumer: CONSUMER, now };
    let answers = Answers::new(vec![Outgoing::new(alert).answer(&cause, 0)]);
    Telling { consumer: CONSUMER, id, answers, now }
}

fn begins(account: &str, rest: &Rest) -> AccountAlerted {
    AccountAlerted {
        account: account.to_owned(),
        severity: "ERROR".to_owned(),
        title: "Calls to Spacelift rest".to_owned(),
        text: format!(
            "{}: too many calls failed in a row, so none are made for a while, and everything \
             that needs one waits. The last one met: {}. One call is tried from time to time; \
             when it succeeds, everything goes on by itself.",
            Code::CircuitOpen,
            rest.why
        ),
    }
}

fn ends(account: &str) -> AccountAlerted {
    AccountAlerted {
        account: account.to_owned(),
        severity: "INFO".to_owned(),
        title: "Calls to Spacelift go on".to_owned(),
        text: "A call has succeeded again, and what waited goes on by itself.".to_owned(),
    }
}

/// `spacelift`: whether calls rest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Calls {
    /// Whether they do.
    pub resting: bool,
    /// How, if they do.
    #[serde(flatten)]
    pub rest: Option<Resting>,
}

/// How calls rest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resting {
    /// Since when.
    pub since: DateTime<Utc>,
    /// When the next is tried.
    pub until: DateTime<Utc>,
    /// What the last in vain met.
    pub why: String,
    /// For machines.
    pub code: Code,
}

impl From<Option<Rest>> for Calls {
    fn from(rest: Option<Rest>) -> Self {
        let code = Code::CircuitOpen;
        let rest = rest.map(|Rest { since, until, why }| Resting { since, until, why, code });
        Self { resting: rest.is_some(), rest }
    }
}

/// `triggers`: what else starts runs at Spacelift.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Triggers {
    /// Each policy that does.
    pub triggers: Vec<Trigger>,
}

/// A policy that starts runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trigger {
    /// Its name.
    pub policy: String,
    /// The stacks it is attached to.
    pub stacks: Vec<StackId>,
}

/// What else starts runs at Spacelift, which `stackly doctor` asks, too.
pub(crate) async fn triggers(spacelift: Client) -> Result<Value, Problem> {
    let found = spacelift.trigger_policies().await.map_err(|error| {
        Problem::unavailable(format!("Spacelift does not say which policies there are: {error}"))
    })?;
    let trigger = |it: TriggerPolicy| Trigger { policy: it.name, stacks: it.stacks };
    Ok(plain(&Triggers { triggers: found.into_iter().map(trigger).collect() }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_told_says_why_calls_rest() {
        let now = Utc::now();
        let rest = Rest { since: now, until: now, why: "spacelift answered 502".to_owned() };
        let begins = begins("acme", &rest);
        assert!(begins.severity == "ERROR" && begins.text.contains("answered 502"), "{begins:?}");
        assert!(begins.text.starts_with("circuit_open: "), "{begins:?}");
        assert_eq!(ends("acme").severity, "INFO");
        let told = plain(&Calls::from(Some(rest)));
        assert_eq!((&told["resting"], &told["code"]), (&json!(true), &json!("circuit_open")));
        assert_eq!(plain(&Calls::from(None)), json!({ "resting": false }));
        for calls in [told, json!({ "resting": false })] {
            assert_eq!(plain(&serde_json::from_value::<Calls>(calls.clone()).unwrap()), calls);
        }
    }
}
