//! Streams as the table in `contracts::topology` wants them.
//!
//! What is missing is made (a broker may come back empty); what differs is never changed by a
//! service: that is for `stackly topology apply`, which shows the difference first.

use std::time::Duration;

use anyhow::anyhow;
use async_nats::jetstream::{
    context::GetStreamErrorKind,
    message::StreamMessage,
    stream::{Config, DiscardPolicy, Info, RawMessageErrorKind, RetentionPolicy, StorageType},
};
use contracts::topology::{DEAD_LETTERS, EVENTS, STREAMS, Stream};
use serde::Serialize;
use tracing::info;

use crate::{Bus, BusError};

/// A stream as it is, for people.
#[derive(Debug, Clone, Serialize)]
pub struct StreamStatus {
    /// Its name, with the prefix.
    pub name: String,
    /// What it is for.
    pub purpose: &'static str,
    /// Whether it exists.
    pub exists: bool,
    /// Messages it holds.
    pub messages: u64,
    /// Bytes it holds.
    pub bytes: u64,
    /// Where it differs from what this build needs.
    pub differences: Vec<Difference>,
    /// Its durable consumers: name, messages still to be delivered, messages unacknowledged.
    pub consumers: Vec<(String, u64, u64)>,
}

/// One setting that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The setting.
    pub setting: &'static str,
    /// As it is.
    pub is: String,
    /// As this build needs it.
    pub wanted: String,
}

impl Bus {
    /// Makes missing streams; refuses streams that differ. Gives the stream of events.
    pub async fn ensure_streams(&self) -> Result<Info, BusError> {
        self.ensure(&DEAD_LETTERS).await?;
        self.ensure(&EVENTS).await
    }

    async fn ensure(&self, stream: &Stream) -> Result<Info, BusError> {
        let wanted = self.config_of(stream);
        let name = wanted.name.clone();
        match self.jetstream.get_stream(&name).await {
            Ok(found) => {
                let differences = differences(&found.cached_info().config, &wanted);
                match differences.first() {
                    None => Ok(found.cached_info().clone()),
                    Some(first) => Err(BusError::Topology {
                        stream: name,
                        difference: format!(
                            "{} is {}, wanted {}",
                            first.setting, first.is, first.wanted
                        ),
                    }),
                }
            }
            Err(error) if is_missing(&error.kind()) => {
                info!(stream = name, "making a stream that is not there");
                let made = self.jetstream.get_or_create_stream(wanted).await;
                made.map(|stream| stream.cached_info().clone())
                    .map_err(|error| BusError::request(format!("make stream {name}"), error))
            }
            Err(error) => Err(BusError::request(format!("look up stream {name}"), error)),
        }
    }

    /// Makes or changes streams to what this build needs; says what it did.
    pub async fn apply_streams(&self) -> Result<Vec<StreamStatus>, BusError> {
        let before = self.streams().await?;
        for stream in STREAMS {
            let wanted = self.config_of(stream);
            let name = wanted.name.clone();
            self.jetstream
                .create_or_update_stream(wanted)
                .await
                .map_err(|error| BusError::request(format!("change stream {name}"), error))?;
        }
        Ok(before)
    }

    /// Removes the streams of this installation with all they hold; for one that is made anew.
    pub async fn delete_streams(&self) -> Result<(), BusError> {
        for stream in STREAMS {
            let name = self.stream_name(stream.name);
            match self.jetstream.delete_stream(&name).await {
                Ok(_) => {}
                Err(error) if is_missing(&error.kind()) => {}
                Err(error) => {
                    return Err(BusError::request(format!("remove stream {name}"), error));
                }
            }
        }
        Ok(())
    }

    /// The streams as they are.
    pub async fn streams(&self) -> Result<Vec<StreamStatus>, BusError> {
        let mut all = Vec::new();
        for stream in STREAMS {
            let wanted = self.config_of(stream);
            let mut status = StreamStatus {
                name: wanted.name.clone(),
                purpose: stream.purpose,
                exists: false,
                messages: 0,
                bytes: 0,
                differences: Vec::new(),
                consumers: Vec::new(),
            };
            match self.jetstream.get_stream(&wanted.name).await {
                Ok(found) => {
                    let info = found.cached_info();
                    status.exists = true;
                    status.messages = info.state.messages;
                    status.bytes = info.state.bytes;
                    status.differences = differences(&info.config, &wanted);
                    status.consumers = consumers_of(&found).await?;
                }
                Err(error) if is_missing(&error.kind()) => {}
                Err(error) => return Err(BusError::request("look up a stream", error)),
            }
            all.push(status);
        }
        Ok(all)
    }

    /// The id of the event that stands at a sequence, if there is one.
    pub async fn event_at(&self, sequence: u64) -> Result<Option<uuid::Uuid>, BusError> {
        let message = self.message_at(&EVENTS, sequence).await?;
        let id = message.and_then(|message| {
            crate::wire::optional(&message.headers, "ce-id")
                .and_then(|id| uuid::Uuid::parse_str(id).ok())
        });
        Ok(id)
    }

    /// The message that stands at a sequence, if there is one. The leader of the stream is asked:
    /// another server may be behind.
    pub(crate) async fn message_at(
        &self,
        stream: &Stream,
        sequence: u64,
    ) -> Result<Option<StreamMessage>, BusError> {
        let name = self.stream_name(stream.name);
        let failed = |error| BusError::request(format!("read message {sequence} of {name}"), error);
        let stream = self.jetstream.get_stream_no_info(&name).await;
        match stream.map_err(|error| failed(anyhow!(error)))?.get_raw_message(sequence).await {
            Ok(message) => Ok(Some(message)),
            Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => Ok(None),
            Err(error) => Err(failed(anyhow!(error))),
        }
    }

    fn config_of(&self, stream: &Stream) -> Config {
        Config {
            name: self.stream_name(stream.name),
            subjects: stream.subjects.iter().map(|subject| self.subject(subject)).collect(),
            retention: RetentionPolicy::Limits,
            discard: DiscardPolicy::Old,
            storage: StorageType::File,
            max_age: stream.max_age,
            duplicate_window: stream.duplicate_window,
            allow_direct: true,
            num_replicas: self.options.replicas,
            description: Some(stream.purpose.to_owned()),
            ..Config::default()
        }
    }
}

async fn consumers_of(
    stream: &async_nats::jetstream::stream::Stream,
) -> Result<Vec<(String, u64, u64)>, BusError> {
    use futures::TryStreamExt;
    let infos: Vec<_> = stream
        .consumers()
        .try_collect()
        .await
        .map_err(|error| BusError::request("list the consumers", error))?;
    let mut rows: Vec<_> = infos
        .into_iter()
        .map(|info| (info.name, info.num_pending, info.num_ack_pending as u64))
        .collect();
    rows.sort();
    Ok(rows)
}

fn is_missing(kind: &GetStreamErrorKind) -> bool {
    matches!(kind, GetStreamErrorKind::JetStream(error)
        if error.error_code() == async_nats::jetstream::ErrorCode::STREAM_NOT_FOUND)
}

fn differences(is: &Config, wanted: &Config) -> Vec<Difference> {
    let duration = |duration: Duration| format!("{duration:?}");
    let rows = [
        ("subjects", is.subjects.join(" "), wanted.subjects.join(" ")),
        ("retention", format!("{:?}", is.retention), format!("{:?}", wanted.retention)),
        ("storage", format!("{:?}", is.storage), format!("{:?}", wanted.storage)),
        ("max_age", duration(is.max_age), duration(wanted.max_age)),
        ("replicas", is.num_replicas.to_string(), wanted.num_replicas.to_string()),
        ("allow_direct", is.allow_direct.to_string(), wanted.allow_direct.to_string()),
    ];
    rows.into_iter()
        .filter(|(_, is, wanted)| is != wanted)
        .map(|(setting, is, wanted)| Difference { setting, is, wanted })
        .collect()
}
