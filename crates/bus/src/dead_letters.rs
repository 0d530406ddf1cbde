//! Dead letters: the original message, why it could not be handled, and by whom.

use async_nats::{
    header::NATS_MESSAGE_ID,
    jetstream::{
        Message,
        consumer::{DeliverPolicy, pull},
    },
};
use chrono::{DateTime, Utc};
use contracts::{subject, topology::DEAD_LETTERS};
use futures::TryStreamExt;
use serde::Serialize;
use serde_json::Value;

use crate::{Bus, BusError, wire};

const REASON: &str = "Dead-Letter-Reason";
const CONSUMER: &str = "Dead-Letter-Consumer";
const SUBJECT: &str = "Dead-Letter-Subject";

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

/// Copies a message to the dead letters.
pub(crate) async fn bury(
    bus: &Bus,
    consumer: &str,
    message: &Message,
    code: &str,
    reason: &anyhow::Error,
) -> anyhow::Result<()> {
    let mut headers = message.headers.clone().unwrap_or_default();
    headers.insert(REASON, format!("{code}: {reason:#}").replace(['\n', '\r'], " "));
    headers.insert(CONSUMER, consumer);
    headers.insert(SUBJECT, message.subject.as_str());
    // The stream drops ids it has seen: two consumers that give up one message are two letters.
    let id = headers.get(NATS_MESSAGE_ID).map_or("unknown", |id| id.as_str()).to_owned();
    headers.insert(NATS_MESSAGE_ID, format!("{consumer}/{id}"));
    let subject = bus.subject(&subject::dead_letter(consumer));
    bus.jetstream.publish_with_headers(subject, headers, message.payload.clone()).await?.await?;
    Ok(())
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
        let waiting = stream.cached_info().state.messages;
        if waiting == 0 {
            return Ok(Vec::new());
        }
        let config =
            pull::OrderedConfig { deliver_policy: DeliverPolicy::All, ..Default::default() };
        let consumer =
            stream.create_consumer(config).await.map_err(|error| BusError::request(what, error))?;
        let mut messages =
            consumer.messages().await.map_err(|error| BusError::request(what, error))?;
        let mut letters = Vec::new();
        while letters.len() < limit.min(waiting as usize) {
            let next = messages.try_next().await;
            match next.map_err(|error| BusError::request(what, error))? {
                Some(message) => {
                    let sequence = message
                        .info()
                        .map_err(|error| BusError::request(what, anyhow::Error::from_boxed(error)))?
                        .stream_sequence;
                    letters.push(letter(
                        sequence,
                        &message.headers.clone().unwrap_or_default(),
                        &message.payload,
                        &message.message.subject,
                    ));
                }
                None => break,
            }
        }
        Ok(letters)
    }

    /// One dead letter.
    pub async fn dead_letter(&self, sequence: u64) -> Result<Option<DeadLetter>, BusError> {
        Ok(self
            .raw_letter(sequence)
            .await?
            .map(|raw| letter(sequence, &raw.headers, &raw.payload, &raw.subject)))
    }

    /// Gives a dead letter back to the pipeline. Consumers that handled it already answer from
    /// memory; the one that gave it up tries again. Tells whether there was such a letter.
    pub async fn requeue(&self, sequence: u64) -> Result<bool, BusError> {
        let what = "requeue a dead letter";
        let Some(raw) = self.raw_letter(sequence).await? else { return Ok(false) };
        let Some(subject) = wire::optional(&raw.headers, SUBJECT).map(str::to_owned) else {
            return Ok(false);
        };
        let mut headers = async_nats::HeaderMap::new();
        for (name, values) in raw.headers.iter() {
            if ![REASON, CONSUMER, SUBJECT].contains(&name.to_string().as_str()) {
                values.iter().for_each(|value| headers.append(name.clone(), value.clone()));
            }
        }
        // A new message id, or the server's duplicate window may drop it; `ce-id` stays.
        headers.insert(NATS_MESSAGE_ID, format!("requeue/{}", uuid::Uuid::new_v4()));
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

    async fn raw_letter(
        &self,
        sequence: u64,
    ) -> Result<Option<async_nats::jetstream::message::StreamMessage>, BusError> {
        let what = "read a dead letter";
        let stream = self
            .jetstream
            .get_stream_no_info(self.stream_name(DEAD_LETTERS.name))
            .await
            .map_err(|error| BusError::request(what, error))?;
        match stream.direct_get(sequence).await {
            Ok(raw) => Ok(Some(raw)),
            Err(error)
                if error.kind() == async_nats::jetstream::stream::DirectGetErrorKind::NotFound =>
            {
                Ok(None)
            }
            Err(error) => Err(BusError::request(what, error)),
        }
    }
}

fn letter(
    sequence: u64,
    headers: &async_nats::HeaderMap,
    body: &[u8],
    subject: &str,
) -> DeadLetter {
    let text = |name| wire::optional(headers, name).unwrap_or_default().to_owned();
    let consumer = match text(CONSUMER) {
        consumer if consumer.is_empty() => {
            subject.rsplit('.').next().unwrap_or_default().to_owned()
        }
        consumer => consumer,
    };
    DeadLetter {
        sequence,
        consumer,
        reason: text(REASON),
        subject: text(SUBJECT),
        kind: wire::optional(headers, "ce-type").map(str::to_owned),
        at: wire::optional(headers, "ce-time").and_then(|t| t.parse().ok()).unwrap_or_default(),
        body: serde_json::from_slice(body)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(body).into_owned())),
    }
}
