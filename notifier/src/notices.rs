//! What people ask about what was told, and what they have told again: the questions `notices` and
//! `notice`, and the command `notice.retry`.
//!
//! A message, a status or a comment is told again as its story stands now, in its place: nothing old is
//! put over something new. A webhook is the same event under the same id, so that a receiver that has
//! it already can tell. What was announced is announced again, in the same words.

use bus::{Command, Problem, read, read_as};
use chrono::{DateTime, Utc};
use contracts::{Envelope, Message, hook::RetryNotices, plain};
use serde::Deserialize;
use serde_json::Value;
use sqlx::PgPool;
use store::Engine;
use tracing::info;
use uuid::Uuid;

use crate::{
    call::{SLACK_ANNOUNCE, SLACK_POST, SLACK_UPDATE, WEBHOOK_SEND},
    decider::Notifier,
    input::{Again, Input, Outlets},
    page::{Deliveries, Retried, ToldAgain},
    store::{Standing, notices as tables},
};

/// The most that is listed, or told again, at one time.
const LIMIT_MAX: i64 = 1_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Asked {
    limit: i64,
    channel: Option<String>,
    standing: Option<String>,
    since: Option<DateTime<Utc>>,
    until: Option<DateTime<Utc>>,
    before: Option<Uuid>,
}

impl Default for Asked {
    fn default() -> Self {
        let (channel, standing) = (None, None);
        Self { limit: 50, channel, standing, since: None, until: None, before: None }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Which {
    effect: Uuid,
}

/// `notices`: what was told where, the newest attempts first.
pub(crate) async fn recent(pool: PgPool, body: Value) -> Result<Value, Problem> {
    let Asked { limit, channel, standing, since, until, before } = read(body)?;
    if !(1..=LIMIT_MAX).contains(&limit) {
        return Err(Problem::malformed(format!("`limit` is between 1 and {LIMIT_MAX}")));
    }
    if let Some(standing) = &standing
        && !Standing::ALL.iter().any(|it| it.as_str() == standing)
    {
        let all = Standing::ALL.map(Standing::as_str).join(", ");
        return Err(Problem::malformed(format!("`standing` is one of {all}")));
    }
    let filter = tables::Filter { limit, channel, standing, since, until, before };
    let deliveries = tables::recent(&pool, &filter).await.map_err(unreadable)?;
    Ok(plain(&Deliveries { deliveries }))
}

/// `notice`: one call, with what it says.
pub(crate) async fn one(pool: PgPool, body: Value) -> Result<Value, Problem> {
    let Which { effect } = read_as("ask with {\"effect\": …}", body)?;
    match tables::one(&pool, effect).await.map_err(unreadable)? {
        Some(found) => Ok(plain(&found.told)),
        None => Err(Problem::not_found(unknown(effect))),
    }
}

/// Carries out `notice.retry`.
pub(crate) async fn retry(
    pool: PgPool,
    engine: Engine<Notifier>,
    body: Value,
) -> Result<Value, Problem> {
    let Command { id, command: RetryNotices { notices, by } } =
        read_as("the command has `notices` and `by`", body)?;
    let most = usize::try_from(LIMIT_MAX).unwrap_or(usize::MAX);
    if by.trim().is_empty() || !(1..=most).contains(&notices.len()) {
        let text = format!("`notices` names 1 to {LIMIT_MAX}, and `by` who says so");
        return Err(Problem::malformed(text));
    }
    info!(by, notices = notices.len(), "a person has things told again");
    let mut told = Vec::with_capacity(notices.len());
    for effect in notices {
        let (code, message) =
            again(&pool, &engine, Uuid::new_v5(&id, effect.as_bytes()), effect).await?;
        told.push(ToldAgain { effect, code: code.to_owned(), message });
    }
    Ok(plain(&Retried { notices: told }))
}

/// Has one told again; gives what came of it, or why it is not.
async fn again(
    pool: &PgPool,
    engine: &Engine<Notifier>,
    id: Uuid,
    effect: Uuid,
) -> Result<(&'static str, String), Problem> {
    let Some(found) = tables::one(pool, effect).await.map_err(unreadable)? else {
        return Ok(("unknown", unknown(effect)));
    };
    let delivery = &found.told.delivery;
    if found.told.open {
        return Ok(match tables::hurry(pool, effect).await.map_err(unreadable)? {
            true => ("tried_now", "it waited for its next attempt, which is made now".to_owned()),
            false => ("under_way", "an attempt is under way just now".to_owned()),
        });
    }
    let what = match &*delivery.kind {
        _ if !found.is_kept => {
            let text = "its story was kept for as long as is configured and is gone";
            return Ok(("forgotten", text.to_owned()));
        }
        kind @ (WEBHOOK_SEND | SLACK_ANNOUNCE) => {
            let said = found.told.said.unwrap_or_default();
            let what = match kind {
                WEBHOOK_SEND => serde_json::from_value(said).map(Outlets::Webhook),
                _ => serde_json::from_value(said).map(Outlets::Announcement),
            };
            let Ok(what) = what else {
                let text = "what was sent was kept for some days and is gone";
                return Ok(("forgotten", text.to_owned()));
            };
            what
        }
        SLACK_POST | SLACK_UPDATE => Outlets::Slack,
        kind if kind.ends_with(".overview") => Outlets::Overview,
        _ => Outlets::Host,
    };
    let (key, kind) = (found.story, RetryNotices::TYPE);
    let input = Input::Again(Again { key, what });
    let envelope =
        Envelope::first(engine.consumer(), id, (kind, key.to_string()), Utc::now(), input);
    engine.submit(envelope.within(key, None)).await.map_err(|error| {
        Problem::unavailable(format!("the notifier cannot decide now: {error}; try again"))
    })?;
    Ok(("told_again", format!("{} is told again, as it stands now", delivery.target)))
}

fn unknown(effect: Uuid) -> String {
    format!("{effect} is no call that is known; `stackly notices list` names them")
}

fn unreadable(error: sqlx::Error) -> Problem {
    Problem::unavailable(format!("cannot read: {error}"))
}
