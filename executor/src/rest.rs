//! When calls to Spacelift rest because too many failed, people are told once, and once more when
//! they go on.

use bus::Answers;
use chrono::{DateTime, Utc};
use contracts::{Code, Outgoing, catalogue::AccountAlerted, envelope::Cause};
use serde_json::{Value, json};
use spacelift::{Client, Rest};
use sqlx::PgPool;
use tokio::sync::Mutex;
use uuid::Uuid;

use crate::store::tell;

/// Under which name what is told of the account is remembered.
const CONSUMER: &str = "executor-account";

/// Looks whether calls rest, and tells.
pub(crate) struct Watch {
    spacelift: Client,
    pool: PgPool,
    account: String,
    /// Since when they rest, as it was told.
    told: Mutex<Option<DateTime<Utc>>>,
}

impl Watch {
    pub(crate) fn new(spacelift: Client, pool: PgPool, endpoint: &str) -> Self {
        Self { spacelift, pool, account: account(endpoint), told: Mutex::new(None) }
    }

    pub(crate) async fn look(&self) -> anyhow::Result<()> {
        let mut told = self.told.lock().await;
        let rest = self.spacelift.rest();
        let Some(alert) = alert(&self.account, told.is_some(), rest.as_ref()) else {
            return Ok(());
        };
        let now = Utc::now();
        let id = Uuid::new_v4();
        let cause = Cause { id, correlation: id, trace: None, consumer: CONSUMER, now };
        let answers = Answers::new(vec![Outgoing::new(&alert).answer(&cause, 0)]);
        tell(&self.pool, CONSUMER, id, &answers, now).await?;
        *told = rest.map(|rest| rest.since);
        Ok(())
    }
}

/// What is to be told, if it is news. Several executors say the same, in the same words, so that
/// it is one message for people.
fn alert(account: &str, was_told: bool, rest: Option<&Rest>) -> Option<AccountAlerted> {
    let (severity, title, text) = match (was_told, rest) {
        (false, Some(rest)) => (
            "ERROR",
            "Calls to Spacelift rest",
            format!(
                "{}: too many calls failed in a row, so none are made for a while, and everything \
                 that needs one waits. The last one met: {}. One call is tried from time to time; \
                 when it succeeds, everything goes on by itself.",
                Code::CircuitOpen,
                rest.why
            ),
        ),
        (true, None) => (
            "INFO",
            "Calls to Spacelift go on",
            "A call has succeeded again, and what waited goes on by itself.".to_owned(),
        ),
        _ => return None,
    };
    Some(AccountAlerted {
        account: account.to_owned(),
        severity: severity.to_owned(),
        title: title.to_owned(),
        text,
    })
}

/// What `stackly doctor` asks.
pub(crate) fn shown(rest: Option<&Rest>) -> Value {
    match rest {
        None => json!({ "resting": false }),
        Some(Rest { since, until, why }) => json!({
            "resting": true, "since": since, "until": until, "why": why,
            "code": Code::CircuitOpen,
        }),
    }
}

/// `acme` of `https://acme.app.spacelift.io`; otherwise the whole host.
fn account(endpoint: &str) -> String {
    let host = endpoint.split("://").last().unwrap_or(endpoint);
    let host = host.split(['/', ':']).next().unwrap_or(host);
    match host.split_once(".app.") {
        Some((account, _)) => account.to_owned(),
        None => host.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_told_once_that_calls_rest_and_once_that_they_go_on() {
        let now = Utc::now();
        let rest = Rest { since: now, until: now, why: "spacelift answered 502".to_owned() };
        assert_eq!(alert("acme", false, None), None);
        let begins = alert("acme", false, Some(&rest)).unwrap();
        assert!(begins.severity == "ERROR" && begins.text.contains("answered 502"), "{begins:?}");
        assert!(begins.text.starts_with("circuit_open: "), "{begins:?}");
        assert_eq!(alert("acme", true, Some(&rest)), None);
        assert_eq!(alert("acme", true, None).unwrap().severity, "INFO");
        assert_eq!(shown(Some(&rest))["resting"], true);
    }

    #[test]
    fn an_account_is_known_by_its_address() {
        assert_eq!(account("https://acme.app.spacelift.io/graphql"), "acme");
        assert_eq!(account("http://127.0.0.1:8180"), "127.0.0.1");
    }
}
