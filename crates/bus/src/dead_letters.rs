//! Dead letters: the original message, why it could not be handled, and by whom.

use std::time::Duration;

use async_nats::{
    HeaderMap,
    header::NATS_MESSAGE_ID,
    jetstream::consumer::{DeliverPolicy, pull},
};
use chrono::{DateTime, Utc};
use contracts::topology::DEAD_LETTERS;
use futures::TryStreamExt;
use serde::Serialize;
use serde_json::Value;

use crate::{Bus, BusError, wire};

pub(crate) const REASON: &str = "Dead-Letter-Reason";
/// Who gave it up; on what a person gave back, whom it is meant for.
pub(crate) const CONSUMER: &str = "Dead-Letter-Consumer";
pub(crate) const SUBJECT: &str = "Dead-Letter-Subject";
/// When it was given up: a broker that lost it is given it again later.
pub(crate) const TIME: &str = "Dead-Letter-Time";
/// What the message ids of those begin with that a person gave back.
const REQUEUED: &str = "requeue/";
/// How long the next dead letter may take to come.
const PATIENCE: Duration = Duration::from_secs(5);

/// A message that could not be handled.
#[derive(Debug, Clone, Serialize)]
pub struct DeadLetter {
    /// Its place in the stream of dead letters: what people name it by.
    pub sequence: u64,
    /// The consumer that could not handle it.
    pub consumer: String,
    /// `<code>: <text>`.
    pub reason: String,
    /// The subject it came on.
    pub subject: String,
    /// Its event type, if it could be read.
    pub kind: Option<String>,
    /// When it was given up.
    pub at: DateTime<Utc>,
    /// Its body: JSON if it is, otherwise text.
    pub body: Value,
}

impl Bus {
    /// The dead letters, oldest first.
    pub async fn dead_letters(&self, limit: usize) -> Result<Vec<DeadLetter>, BusError> {
        let what = "list the dead letters";
        let stream = self
            .jetstream
            .get_stream(self.stream_name(DEAD_LETTERS.name))
            .await
            .map_err(|error| BusError::request(what, error))?;
        if stream.cached_info().state.messages == 0 {
            return Ok(Vec::new());
        }
        let config =
            pull::OrderedConfig { deliver_policy: DeliverPolicy::All, ..Default::default() };
        let consumer =
            stream.create_consumer(config).await.map_err(|error| BusError::request(what, error))?;
        let mut messages =
            consumer.messages().await.map_err(|error| BusError::request(what, error))?;
        let no_headers = HeaderMap::new();
        let mut letters = Vec::new();
        while letters.len() < limit {
            let next = tokio::time::timeout(PATIENCE, messages.try_next()).await;
            let next = next.map_err(|error| BusError::request(what, error))?;
            let Some(message) = next.map_err(|error| BusError::request(what, error))? else {
                break;
            };
            let info = message
                .info()
                .map_err(|error| BusError::request(what, anyhow::Error::from_boxed(error)))?;
            letters.push(letter(Raw {
                sequence: info.stream_sequence,
                at: at(info.published),
                headers: message.headers.as_ref().unwrap_or(&no_headers),
                body: &message.payload,
                subject: &message.subject,
            }));
            // Not by a count taken before: letters may be given back meanwhile.
            if info.pending == 0 {
                break;
            }
        }
        Ok(letters)
    }

    /// One dead letter.
    pub async fn dead_letter(&self, sequence: u64) -> Result<Option<DeadLetter>, BusError> {
        Ok(self.message_at(&DEAD_LETTERS, sequence).await?.map(|raw| {
            letter(Raw {
                sequence,
                at: at(raw.time),
                headers: &raw.headers,
                body: &raw.payload,
                subject: &raw.subject,
            })
        }))
    }

    /// Gives a dead letter back to the consumer that gave it up; all others acknowledge it unseen, or
    /// one that no two of them can read would become more letters each time. Tells whether there
    /// was such a letter.
    pub async fn requeue(&self, sequence: u64) -> Result<bool, BusError> {
        let what = "requeue a dead letter";
        let Some(raw) = self.message_at(&DEAD_LETTERS, sequence).await? else { return Ok(false) };
        let Some(subject) = wire::optional(&raw.headers, SUBJECT).map(str::to_owned) else {
            return Ok(false);
        };
        let mut headers = HeaderMap::new();
        for (name, values) in raw.headers.iter() {
            if ![REASON, SUBJECT, TIME].contains(&name.to_string().as_str()) {
                values.iter().for_each(|value| headers.append(name.clone(), value.clone()));
            }
        }
        // A new message id, or the server's duplicate window may drop it; `ce-id` stays.
        headers.insert(NATS_MESSAGE_ID, format!("{REQUEUED}{}", uuid::Uuid::new_v4()));
        self.jetstream
            .publish_with_headers(subject, headers, raw.payload.clone())
            .await
            .map_err(|error| BusError::request(what, error))?
            .await
            .map_err(|error| BusError::request(what, error))?;
        let stream = self
            .jetstream
            .get_stream_no_info(self.stream_name(DEAD_LETTERS.name))
            .await
            .map_err(|error| BusError::request(what, error))?;
        stream.delete_message(sequence).await.map_err(|error| BusError::request(what, error))?;
        Ok(true)
    }
}

/// Whether a message was a dead letter that a person gave back.
pub(crate) fn is_requeued(headers: Option<&HeaderMap>) -> bool {
    let id = headers.and_then(|headers| headers.get(NATS_MESSAGE_ID));
    id.is_some_and(|id| id.as_str().starts_with(REQUEUED))
}

/// Whether a message is for a consumer: what a person gave back is for the one that gave it up.
pub(crate) fn is_for(headers: Option<&HeaderMap>, consumer: &str) -> bool {
    let meant = headers.and_then(|headers| wire::optional(headers, CONSUMER));
    meant.is_none_or(|meant| meant == consumer)
}

/// A dead letter as it is in its stream.
struct Raw<'a> {
    sequence: u64,
    at: DateTime<Utc>,
    headers: &'a HeaderMap,
    body: &'a [u8],
    subject: &'a str,
}

fn letter(raw: Raw<'_>) -> DeadLetter {
    let text = |name| wire::optional(raw.headers, name).unwrap_or_default().to_owned();
    let consumer = match text(CONSUMER) {
        consumer if consumer.is_empty() => {
            raw.subject.rsplit('.').next().unwrap_or_default().to_owned()
        }
        consumer => consumer,
    };
    let given_up = wire::optional(raw.headers, TIME)
        .and_then(|at| DateTime::parse_from_rfc3339(at).ok())
        .map(|at| at.with_timezone(&Utc));
    DeadLetter {
        sequence: raw.sequence,
        consumer,
        reason: text(REASON),
        subject: text(SUBJECT),
        kind: wire::optional(raw.headers, "ce-type").map(str::to_owned),
        at: given_up.unwrap_or(raw.at),
        body: serde_json::from_slice(raw.body)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(raw.body).into_owned())),
    }
}

/// A time of the client library as one of ours.
fn at(time: async_nats::datetime::DateTime) -> DateTime<Utc> {
    i64::try_from(time.unix_timestamp_nanos())
        .map(DateTime::from_timestamp_nanos)
        .unwrap_or_default()
}
