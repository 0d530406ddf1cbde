//! A dead letter on its way to its stream, and whether it is still there.

use async_nats::{
    HeaderMap,
    header::NATS_MESSAGE_ID,
    jetstream::{Message, context::PublishErrorKind},
};
use chrono::{SecondsFormat, Utc};
use contracts::{subject, topology::DEAD_LETTERS};
use uuid::Uuid;

use crate::{
    Bus, BusError,
    dead_letters::{CONSUMER, REASON, SUBJECT, TIME},
    wire,
};

/// The most characters of a reason: with all its causes it may quote the message itself.
const REASON_MAX: usize = 2_000;

/// A message that is given up, with all that is published of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// The consumer that gives it up.
    pub consumer: String,
    /// The same each time this consumer gives this event up.
    pub key: Uuid,
    /// The headers of the message, and those that say why.
    pub headers: Vec<(String, String)>,
    /// The body of the message.
    pub payload: Vec<u8>,
}

/// Where a letter stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LetterPlace {
    /// The life of the stream of dead letters: another one once it was deleted and made again.
    pub life: Uuid,
    /// The sequence in it.
    pub sequence: u64,
}

/// What became of a letter that was published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LetterFate {
    /// It is where it was put.
    Stands,
    /// Somebody took it out, or it was too old.
    Taken,
    /// The broker lost it.
    Lost,
}

impl Letter {
    /// A message that `consumer` gives up.
    pub(crate) fn of(
        consumer: &str,
        message: &Message,
        code: &str,
        reason: &anyhow::Error,
    ) -> anyhow::Result<Self> {
        let mut headers = message.headers.clone().unwrap_or_default();
        let reason: String = format!("{code}: {reason:#}").chars().take(REASON_MAX).collect();
        headers.insert(REASON, wire::single_line(&reason));
        headers.insert(CONSUMER, consumer);
        headers.insert(SUBJECT, message.subject.as_str());
        headers.insert(TIME, Utc::now().to_rfc3339_opts(SecondsFormat::Micros, true));
        // The stream drops ids it has seen: two consumers that give up one message are two letters,
        // and so are two messages without an id.
        let id = match headers.get(NATS_MESSAGE_ID) {
            Some(id) => id.to_string(),
            None => {
                let info = message.info().map_err(anyhow::Error::from_boxed)?;
                format!("{}/{}", message.subject, info.stream_sequence)
            }
        };
        let event = wire::optional(&headers, "ce-id").and_then(|id| Uuid::parse_str(id).ok());
        let key = event.unwrap_or_else(|| Uuid::new_v5(&Uuid::nil(), id.as_bytes()));
        headers.insert(NATS_MESSAGE_ID, format!("{consumer}/{id}"));
        let pairs = headers.iter().flat_map(|(name, values)| {
            values.iter().map(|value| (name.to_string(), value.to_string()))
        });
        let headers = pairs.collect();
        Ok(Self { consumer: consumer.to_owned(), key, headers, payload: message.payload.to_vec() })
    }

    fn id(&self) -> Option<&str> {
        let is_id = |name: &str| name == NATS_MESSAGE_ID.to_string();
        self.headers.iter().find(|(name, _)| is_id(name)).map(|(_, value)| value.as_str())
    }
}

impl Bus {
    /// The life of the stream of dead letters, and the newest sequence it gave.
    pub async fn letters(&self) -> Result<LetterPlace, BusError> {
        let stream = self.jetstream.get_stream(self.stream_name(DEAD_LETTERS.name)).await;
        let stream =
            stream.map_err(|error| BusError::request("look at the dead letters", error))?;
        let info = stream.cached_info();
        Ok(LetterPlace {
            life: Uuid::new_v5(&Uuid::nil(), info.created.to_string().as_bytes()),
            sequence: info.state.last_sequence,
        })
    }

    /// Puts a letter among the dead letters; gives where it stands.
    pub async fn publish_letter(&self, letter: &Letter) -> Result<LetterPlace, BusError> {
        let what = "publish a dead letter";
        let LetterPlace { life, .. } = self.letters().await?;
        let mut headers = HeaderMap::new();
        for (name, value) in &letter.headers {
            headers.append(name.as_str(), value.as_str());
        }
        let subject = self.subject(&subject::dead_letter(&letter.consumer));
        let acknowledged = self
            .jetstream
            .publish_with_headers(subject, headers, letter.payload.clone().into())
            .await
            .map_err(|error| match error.kind() {
                PublishErrorKind::MaxPayloadExceeded => {
                    BusError::TooLarge { what: format!("the dead letter of {}", letter.key) }
                }
                _ => BusError::request(what, error),
            })?
            .await
            .map_err(|error| BusError::request(what, error))?;
        Ok(LetterPlace { life, sequence: acknowledged.sequence })
    }

    /// What became of a letter that was put somewhere, now that the stream stands at `newest`.
    pub async fn fate_of(
        &self,
        letter: &Letter,
        place: LetterPlace,
        newest: LetterPlace,
    ) -> Result<LetterFate, BusError> {
        if place.life != newest.life || place.sequence > newest.sequence {
            return Ok(LetterFate::Lost);
        }
        let Some(found) = self.message_at(&DEAD_LETTERS, place.sequence).await? else {
            return Ok(LetterFate::Taken);
        };
        let id = found.headers.get(NATS_MESSAGE_ID).map(ToString::to_string);
        // Somebody else may have been given the sequence of a letter that was lost.
        Ok(if id.as_deref() == letter.id() { LetterFate::Stands } else { LetterFate::Lost })
    }
}
