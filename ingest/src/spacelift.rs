//! What Spacelift says: run states, its audit trail and its internal errors.
//!
//! Its webhooks carry neither a delivery id nor an event type; the fields tell them apart.

use chrono::{DateTime, TimeDelta, Utc};
use contracts::{
    CommitSha, Outgoing, RunId,
    catalogue::{AccountAlerted, AccountAudited},
    run::{Delta, RunReported, RunState, RunType},
};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    delivery::{Reading, Signed, Verdict},
    payload::{self, Malformed, Text, name, plain},
};

/// HMAC-SHA256 of the body.
pub(crate) const SIGNATURE: &str = "x-signature-256";
/// HMAC-SHA1 of the body: looked at only where configuration says so and the other is absent.
pub(crate) const SIGNATURE_SHA1: &str = "x-signature";

/// Equal internal errors of one such stretch of the clock are one. They carry neither id nor time:
/// without a bound a fault that comes back next week would not be heard, with none at all Spacelift's
/// three retries would be heard as four faults. Retries on both sides of a full ten minutes are heard
/// as two, which is one alert too many at the worst.
const ALERT_REPEATS_WITHIN: TimeDelta = TimeDelta::minutes(10);

/// The fields of every kind, each unread until it is known which kind it is: a notification policy
/// may send any shape.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    #[serde(borrow, default)]
    account: Field<'a>,
    #[serde(borrow, default)]
    state: Field<'a>,
    #[serde(borrow, default)]
    state_version: Field<'a>,
    #[serde(borrow, default)]
    timestamp: Field<'a>,
    #[serde(borrow, default, rename = "timestamp_millis")]
    timestamp_millis: Field<'a>,
    #[serde(borrow, default)]
    note: Field<'a>,
    #[serde(borrow, default)]
    run: Field<'a>,
    #[serde(borrow, default)]
    stack: Field<'a>,
    #[serde(borrow, default)]
    action: Field<'a>,
    #[serde(borrow, default)]
    actor: Field<'a>,
    #[serde(borrow, default)]
    data: Field<'a>,
    #[serde(borrow, default)]
    severity: Field<'a>,
    #[serde(borrow, default)]
    title: Field<'a>,
    #[serde(borrow, default)]
    body: Field<'a>,
    #[serde(borrow, default)]
    error: Field<'a>,
    #[serde(borrow, default, rename = "stackly_ping")]
    ping: Field<'a>,
}

type Field<'a> = Option<&'a RawValue>;

fn optional<'a, T: Deserialize<'a>>(field: Field<'a>, what: &str) -> Result<Option<T>, Malformed> {
    let read = |raw: &'a RawValue| payload::json(raw.get().as_bytes());
    field.map(read).transpose().map_err(|Malformed(text)| Malformed(format!("`{what}`: {text}")))
}

fn required<'a, T: Deserialize<'a>>(field: Field<'a>, what: &str) -> Result<T, Malformed> {
    optional(field, what)?.ok_or_else(|| Malformed(format!("`{what}` is missing")))
}

fn optional_text(field: Field<'_>, what: &str) -> Result<Option<String>, Malformed> {
    let text: Option<Text<'_>> = optional(field, what)?;
    Ok(text.filter(|text| !text.as_str().is_empty()).map(|text| plain(text.as_str())))
}

fn required_name(field: Field<'_>, what: &str) -> Result<String, Malformed> {
    name(required::<Text<'_>>(field, what)?.as_str(), what)
}

pub(crate) fn read(signed: &Signed<'_>) -> Result<Reading, Malformed> {
    let body: Body<'_> = payload::object(signed.body)?;
    let (kind, content_key, verdict) = match &body {
        Body { state: Some(_), run: Some(_), stack: Some(_), .. } => {
            let reported = reported(&body)?;
            let content_key = format!("run/{}/{}", reported.run, reported.state_version);
            ("run", content_key, Verdict::Event(Outgoing::new(&reported)))
        }
        Body { state: Some(_), run: Some(_), .. } => {
            let text = "the run belongs to no stack; the delivery is kept";
            ("run", signed.body_key(), Verdict::kept("stack_missing", text))
        }
        Body { action: Some(_), .. } => {
            let content_key = format!("audit/{}", signed.digest());
            ("audit", content_key, Verdict::Event(Outgoing::new(&audited(&body)?)))
        }
        Body { title: Some(_), severity: Some(_), .. } => {
            let bucket = signed.received_at.timestamp() / ALERT_REPEATS_WITHIN.num_seconds();
            let content_key = format!("alert/{}/{bucket}", signed.digest());
            ("internal_error", content_key, Verdict::Event(Outgoing::new(&alerted(&body)?)))
        }
        Body { ping: Some(_), .. } => {
            let text = "`stackly doctor` sent it: where Spacelift sends to leads here";
            ("ping", signed.body_key(), Verdict::kept("ping", text))
        }
        _ => {
            let text = "no run, no audit entry and no internal error; the delivery is kept";
            ("unknown", signed.body_key(), Verdict::kept("event_ignored", text))
        }
    };
    let account = optional_text(body.account, "account").ok().flatten();
    Ok(Reading::new(None, kind, content_key, verdict).of_account(account))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Run<'a> {
    #[serde(borrow)]
    id: Text<'a>,
    #[serde(borrow, rename = "type")]
    run_type: Text<'a>,
    #[serde(borrow)]
    commit: Commit<'a>,
    #[serde(borrow, default)]
    triggered_by: Field<'a>,
    #[serde(default)]
    delta: Option<Resources>,
    #[serde(borrow, default)]
    url: Field<'a>,
}

#[derive(Deserialize)]
struct Commit<'a> {
    #[serde(borrow)]
    hash: Text<'a>,
}

#[derive(Deserialize)]
struct Resources {
    #[serde(default)]
    added: i64,
    #[serde(default)]
    changed: i64,
    #[serde(default)]
    deleted: i64,
}

#[derive(Deserialize)]
struct Stack<'a> {
    #[serde(borrow)]
    id: Text<'a>,
}

fn reported(body: &Body<'_>) -> Result<RunReported, Malformed> {
    let run: Run<'_> = required(body.run, "run")?;
    let stack: Stack<'_> = required(body.stack, "stack")?;
    Ok(RunReported {
        stack: name(stack.id.as_str(), "stack.id")?.into(),
        run: RunId(name(run.id.as_str(), "run.id")?),
        run_type: RunType::from(name(run.run_type.as_str(), "run.type")?),
        state: RunState::from(required_name(body.state, "state")?),
        state_version: required(body.state_version, "stateVersion")?,
        at: entered_at(body)?,
        commit: CommitSha(name(run.commit.hash.as_str(), "run.commit.hash")?),
        triggered_by: optional_text(run.triggered_by, "run.triggeredBy")?,
        delta: run.delta.map(|Resources { added, changed, deleted }| Delta {
            added,
            changed,
            deleted,
        }),
        note: optional_text(body.note, "note")?,
        url: optional_text(run.url, "run.url")?,
    })
}

fn entered_at(body: &Body<'_>) -> Result<DateTime<Utc>, Malformed> {
    match optional(body.timestamp_millis, "timestamp_millis")? {
        Some(milliseconds) => DateTime::from_timestamp_millis(milliseconds),
        None => DateTime::from_timestamp(required(body.timestamp, "timestamp")?, 0),
    }
    .ok_or_else(|| Malformed::new("`timestamp` is out of range"))
}

/// The arguments of the mutation; their shape is that of the mutation.
#[derive(Deserialize)]
struct Entity<'a> {
    #[serde(borrow, rename = "ID")]
    id: Text<'a>,
}

fn audited(body: &Body<'_>) -> Result<AccountAudited, Malformed> {
    let entity: Option<Entity<'_>> = optional(body.data, "data").unwrap_or_default();
    Ok(AccountAudited {
        account: account(body)?,
        action: required_name(body.action, "action")?,
        actor: optional_text(body.actor, "actor")?.unwrap_or_else(|| "unknown".to_owned()),
        entity: entity.map(|entity| plain(entity.id.as_str())),
    })
}

fn alerted(body: &Body<'_>) -> Result<AccountAlerted, Malformed> {
    let details = [optional_text(body.body, "body")?, optional_text(body.error, "error")?];
    let mut details: Vec<_> = details.into_iter().flatten().collect();
    details.dedup();
    Ok(AccountAlerted {
        account: account(body)?,
        severity: required_name(body.severity, "severity")?,
        title: optional_text(body.title, "title")?.unwrap_or_default(),
        text: details.join("\n"),
    })
}

fn account(body: &Body<'_>) -> Result<String, Malformed> {
    Ok(optional_text(body.account, "account")?.unwrap_or_else(|| "unknown".to_owned()))
}

#[cfg(test)]
mod tests;
