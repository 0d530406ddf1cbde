//! The connection: names with their prefix, publishing, and the news that the broker came back.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use async_nats::{
    Client, ConnectOptions, Event,
    jetstream::{Context, context::PublishAckFuture},
};
use contracts::{Envelope, subject};
use futures::future::join_all;
use tokio::{sync::watch, time::Instant};
use tracing::{info, warn};
use uuid::Uuid;

use crate::{BusError, Options, wire};

/// A connection to the broker. Cheap to clone.
#[derive(Clone)]
pub struct Bus {
    pub(crate) client: Client,
    pub(crate) jetstream: Context,
    pub(crate) options: Arc<Options>,
    /// Rises whenever what we published may be gone: on reconnect, and when a stream was missing.
    disturbed: Arc<watch::Sender<u64>>,
}

/// Where the answers to one message stand in their stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The message answered.
    pub cause: Uuid,
    /// The stream sequence of each answer, in order.
    pub sequences: Vec<u64>,
}

/// Messages handed to the connection, in order, whose storage is not confirmed yet.
pub struct Sent(Vec<(Uuid, Result<PublishAckFuture, BusError>)>);

impl Bus {
    /// Connects, trying for as long as the options say.
    pub async fn connect(options: &Options, name: &str) -> Result<Self, BusError> {
        let disturbed = Arc::new(watch::Sender::new(0));
        let deadline = Instant::now() + options.connect_patience;
        loop {
            let attempt = connect_options(options, name, disturbed.clone()).await?;
            match attempt.connect(&options.url).await {
                Ok(client) => {
                    let jetstream = async_nats::jetstream::new(client.clone());
                    return Ok(Self {
                        client,
                        jetstream,
                        options: Arc::new(options.clone()),
                        disturbed,
                    });
                }
                Err(error) if Instant::now() < deadline => {
                    warn!(error = %error, url = %options.url, "nats-server is not there yet");
                    let pause = Instant::now() + Duration::from_millis(250);
                    tokio::time::interval_at(pause, Duration::from_secs(1)).tick().await;
                }
                Err(error) => {
                    return Err(BusError::Unreachable {
                        url: options.url.clone(),
                        source: error.into(),
                    });
                }
            }
        }
    }

    /// The subject with the prefix of this installation.
    pub fn subject(&self, subject: &str) -> String {
        match self.options.prefix.as_str() {
            "" => subject.to_owned(),
            prefix => format!("{prefix}.{subject}"),
        }
    }

    /// The stream's name with the prefix of this installation. A stream's name holds no dots.
    pub(crate) fn stream_name(&self, name: &str) -> String {
        match self.options.prefix.as_str() {
            "" => name.to_owned(),
            prefix => format!("{}_{name}", prefix.replace('.', "_")),
        }
    }

    /// Hands messages to the connection in order and returns before they are stored.
    pub async fn send(&self, envelopes: &[Envelope]) -> Sent {
        let mut sent = Vec::with_capacity(envelopes.len());
        for envelope in envelopes {
            let subject = self.subject(&subject::event(&envelope.kind, &envelope.key));
            let handed = self.jetstream.send_publish(subject, wire::message(envelope)).await;
            sent.push((envelope.id, handed.map_err(|error| not_stored(envelope.id, error))));
        }
        Sent(sent)
    }

    /// Waits until everything sent is stored; gives the stream sequences, in order.
    pub async fn stored(&self, sent: Sent) -> Result<Vec<u64>, BusError> {
        let waits = sent.0.into_iter().map(|(id, handed)| async move {
            handed?.await.map(|ack| ack.sequence).map_err(|error| not_stored(id, error))
        });
        let stored: Result<Vec<_>, _> = join_all(waits).await.into_iter().collect();
        if stored.is_err() {
            self.disturb();
        }
        stored
    }

    /// Watches for the moments after which published messages may be gone.
    pub fn disturbances(&self) -> watch::Receiver<u64> {
        self.disturbed.subscribe()
    }

    /// Says that something published may be gone.
    pub(crate) fn disturb(&self) {
        self.disturbed.send_modify(|count| *count += 1);
    }

    /// Whether the connection stands.
    pub fn is_connected(&self) -> bool {
        self.client.connection_state() == async_nats::connection::State::Connected
    }

    /// Waits until everything handed over has left this process.
    pub async fn flush(&self) -> Result<(), BusError> {
        self.client.flush().await.map_err(|error| BusError::request("flush", error))
    }
}

async fn connect_options(
    options: &Options,
    name: &str,
    disturbed: Arc<watch::Sender<u64>>,
) -> Result<ConnectOptions, BusError> {
    let connect = match &options.credentials {
        None => ConnectOptions::new(),
        Some(path) => ConnectOptions::with_credentials_file(path)
            .await
            .map_err(|source| BusError::Credentials { path: path.display().to_string(), source })?,
    };
    Ok(connect
        .name(format!("stackly {name}"))
        .max_reconnects(None)
        .reconnect_delay_callback(|attempt| Duration::from_millis((attempt as u64 * 50).min(1000)))
        .event_callback(move |event| {
            let disturbed = disturbed.clone();
            async move {
                match event {
                    Event::Connected => {
                        info!("connected to nats-server");
                        disturbed.send_modify(|count| *count += 1);
                    }
                    other => warn!(event = %other, "the connection to nats-server changed"),
                }
            }
        }))
}

fn not_stored(
    id: Uuid,
    error: async_nats::error::Error<async_nats::jetstream::context::PublishErrorKind>,
) -> BusError {
    let source = Err::<(), _>(error).context("publish").expect_err("it is an error");
    BusError::NotStored { what: format!("message {id}"), source }
}
