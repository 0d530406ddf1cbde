//! The connection: names with their prefix, publishing, and the news that the broker came back.

use std::{sync::Arc, time::Duration};

use anyhow::anyhow;
use async_nats::{
    Client, ConnectErrorKind, ConnectOptions, Event, ServerError,
    jetstream::{
        Context,
        context::{ContextBuilder, PublishAckFuture, PublishErrorKind},
    },
};
use contracts::{Envelope, subject};
use tokio::{
    sync::{
        RwLock,
        broadcast::{self, error::RecvError},
        watch,
    },
    time::{Instant, timeout, timeout_at},
};
use tracing::{info, warn};
use uuid::Uuid;

use crate::{BusError, Options, era::Era, wire};

/// How long the broker may take to store what was handed to it.
const STORE_PATIENCE: Duration = Duration::from_secs(5);
/// How long the last bytes may take to leave at the end.
const FLUSH_PATIENCE: Duration = Duration::from_secs(2);
/// How long to wait at most between two tries to connect again.
const RECONNECT_PAUSE_MAX: Duration = Duration::from_millis(250);

/// A connection to the broker. Cheap to clone.
#[derive(Clone)]
pub struct Bus {
    pub(crate) client: Client,
    pub(crate) jetstream: Context,
    pub(crate) options: Arc<Options>,
    pub(crate) era: Arc<RwLock<Option<Era>>>,
    news: Arc<News>,
}

/// What happens to the connection.
#[derive(Debug)]
struct News {
    /// Rises whenever what we published may be gone: on reconnect, and when a stream was missing.
    disturbed: watch::Sender<u64>,
    /// Rises with every connection made: what was asked over the one before is forgotten.
    connected: watch::Sender<u64>,
    /// The subjects that the server did not let this user send.
    refused: broadcast::Sender<String>,
}

impl Default for News {
    fn default() -> Self {
        Self {
            disturbed: watch::Sender::new(0),
            connected: watch::Sender::new(0),
            refused: broadcast::Sender::new(REFUSED_MAX),
        }
    }
}

/// Where the answers to one message stand in their stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The message answered.
    pub cause: Uuid,
    /// The stream sequence of each answer, in order.
    pub sequences: Vec<u64>,
    /// The era in which all of them were sent and stored; none if they were not in one.
    pub era: Option<Uuid>,
}

/// Messages handed to the connection, in order, whose storage is not confirmed yet.
pub struct Sent {
    era: Option<Uuid>,
    handed: Vec<(Uuid, PublishAckFuture)>,
    /// Why the rest was not handed over.
    failure: Option<BusError>,
}

/// How many refusals of the server are kept for those who listen.
const REFUSED_MAX: usize = 64;
/// How the server says that it did not let a subject be sent.
const REFUSED: &str = "Permissions Violation for Publish to ";

/// What nats-server should take in one message: a chain of thousands of steps needs more than its
/// default.
const PAYLOAD_WANTED: usize = 8 << 20;

fn warn_if_small(max_payload: usize) {
    if max_payload < PAYLOAD_WANTED {
        warn!(
            max_payload,
            "nats-server takes no message above max_payload, so a change that touches thousands of \
             stacks is refused; set `max_payload: 8MB` in its configuration"
        );
    }
}

impl Bus {
    /// Connects, trying for as long as the options say.
    pub async fn connect(options: &Options, name: &str) -> Result<Self, BusError> {
        Self::make(options, name, false).await
    }

    /// The same, but if no broker is there, goes on without it: the connection is made once it comes.
    /// For who has something to do meanwhile.
    pub async fn connect_or_go_on(options: &Options, name: &str) -> Result<Self, BusError> {
        Self::make(options, name, true).await
    }

    async fn make(options: &Options, name: &str, goes_on: bool) -> Result<Self, BusError> {
        let news = Arc::new(News::default());
        let deadline = Instant::now() + options.connect_patience;
        let Login { addresses, .. } = Login::of(&options.url);
        let connected = |client: Client, news| {
            let jetstream = ContextBuilder::new()
                .timeout(STORE_PATIENCE)
                .ack_timeout(STORE_PATIENCE)
                .build(client.clone());
            let options = Arc::new(options.clone());
            Self { client, jetstream, options, era: Arc::default(), news }
        };
        let mut is_away = false;
        loop {
            let attempt = connect_options(options, name, news.clone()).await?;
            let attempt = if is_away { attempt.retry_on_initial_connect() } else { attempt };
            match attempt.connect(&addresses).await {
                Ok(client) if is_away => return Ok(connected(client, news)),
                Ok(client) => {
                    warn_if_small(client.max_payload());
                    return Ok(connected(client, news));
                }
                // Who is there and refuses us is no broker that is away.
                Err(error) if goes_on && is_absence(error.kind()) => {
                    warn!(%error, url = %addresses, "nats-server is not there; going on without it");
                    is_away = true;
                }
                Err(error) if error.kind() == ConnectErrorKind::ServerParse => {
                    return Err(BusError::Address { url: addresses, source: error.into() });
                }
                Err(error) if Instant::now() < deadline => {
                    warn!(error = %error, url = %addresses, "nats-server is not there yet");
                    let pause = Instant::now() + Duration::from_millis(250);
                    tokio::time::interval_at(pause, Duration::from_secs(1)).tick().await;
                }
                Err(error) => {
                    return Err(BusError::Unreachable { url: addresses, source: error.into() });
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
    ///
    /// While the connection is down nothing is handed over: the client would queue it, and whoever
    /// sends would wait behind that queue. What was not handed over is told by [`Bus::stored`].
    pub async fn send(&self, envelopes: &[Envelope]) -> Sent {
        let era = self.era();
        let mut handed = Vec::with_capacity(envelopes.len());
        for envelope in envelopes {
            match self.hand_over(envelope).await {
                Ok(ack) => handed.push((envelope.id, ack)),
                Err(failure) => return Sent { era, handed, failure: Some(failure) },
            }
        }
        Sent { era, handed, failure: None }
    }

    async fn hand_over(&self, envelope: &Envelope) -> Result<PublishAckFuture, BusError> {
        if !self.is_connected() {
            return Err(not_stored(envelope.id, anyhow!("there is no connection to nats-server")));
        }
        let subject = self.subject(&subject::event(&envelope.kind, &envelope.key));
        let handed = self.jetstream.send_publish(subject, wire::message(envelope)).await;
        handed.map_err(|error| match error.kind() {
            PublishErrorKind::MaxPayloadExceeded => {
                BusError::TooLarge { what: format!("message {}", envelope.id) }
            }
            _ => not_stored(envelope.id, error.into()),
        })
    }

    /// Waits until everything sent is stored; gives the stream sequences, in order.
    pub async fn stored(&self, sent: Sent) -> Result<Vec<u64>, BusError> {
        let stored = wait_for(sent).await;
        if matches!(stored, Err(BusError::NotStored { .. })) {
            self.disturb();
        }
        stored
    }

    /// Waits until everything sent in answer to `cause` is stored, but not beyond `deadline`.
    pub async fn receipt(
        &self,
        cause: Uuid,
        sent: Sent,
        deadline: Instant,
    ) -> Result<Receipt, BusError> {
        let era = sent.era;
        let sequences = timeout_at(deadline, self.stored(sent))
            .await
            .unwrap_or_else(|elapsed| Err(not_stored(cause, elapsed.into())))?;
        Ok(Receipt { cause, sequences, era: era.filter(|era| self.era() == Some(*era)) })
    }

    /// Until when what is sent now should be stored.
    pub fn deadline(&self) -> Instant {
        Instant::now() + STORE_PATIENCE
    }

    /// The largest body a message may have, with room left for its headers.
    pub fn body_max(&self) -> usize {
        let headers = 8 * 1024;
        self.client.max_payload().saturating_sub(headers)
    }

    /// Watches for the moments after which published messages may be gone.
    pub fn disturbances(&self) -> watch::Receiver<u64> {
        self.news.disturbed.subscribe()
    }

    /// Watches for new connections.
    pub(crate) fn connections(&self) -> watch::Receiver<u64> {
        self.news.connected.subscribe()
    }

    /// Waits until the server says that it did not let this subject be sent. What it says is no
    /// reply, so whoever sends it must listen beforehand.
    pub(crate) fn refusal(&self, subject: String) -> impl Future<Output = ()> + use<> {
        let mut refused = self.news.refused.subscribe();
        async move {
            loop {
                match refused.recv().await {
                    Ok(told) if told == subject => return,
                    Ok(_) | Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return std::future::pending().await,
                }
            }
        }
    }

    /// Says that something published may be gone.
    pub(crate) fn disturb(&self) {
        self.news.disturbed.send_modify(|count| *count += 1);
    }

    /// Waits for the connection.
    pub(crate) async fn connected(&self) {
        let mut connections = self.connections();
        while !self.is_connected() {
            // The news is told by another task than the state, so it alone is not waited for.
            let _ = timeout(RECONNECT_PAUSE_MAX, connections.changed()).await;
        }
    }

    /// Whether the connection stands.
    pub fn is_connected(&self) -> bool {
        self.client.connection_state() == async_nats::connection::State::Connected
    }

    /// Waits until everything handed over has left this process, for a moment at most.
    pub async fn flush(&self) -> Result<(), BusError> {
        let flushed = timeout(FLUSH_PATIENCE, self.client.flush()).await;
        flushed
            .map_err(|error| BusError::request("flush", error))?
            .map_err(|error| BusError::request("flush", error))
    }
}

/// Whether nobody answered, not even with a refusal.
fn is_absence(kind: ConnectErrorKind) -> bool {
    matches!(kind, ConnectErrorKind::Io | ConnectErrorKind::TimedOut | ConnectErrorKind::Dns)
}

async fn wait_for(sent: Sent) -> Result<Vec<u64>, BusError> {
    let mut sequences = Vec::with_capacity(sent.handed.len());
    // One after the other, and no further than the first that fails: they are stored in order.
    for (id, ack) in sent.handed {
        let ack = ack.await.map_err(|error| not_stored(id, error.into()))?;
        sequences.push(ack.sequence);
    }
    sent.failure.map_or(Ok(sequences), Err)
}

async fn connect_options(
    options: &Options,
    name: &str,
    news: Arc<News>,
) -> Result<ConnectOptions, BusError> {
    let connect = match &options.credentials {
        None => ConnectOptions::new(),
        Some(path) => ConnectOptions::with_credentials_file(path)
            .await
            .map_err(|source| BusError::Credentials { path: path.display().to_string(), source })?,
    };
    // What is answered to one user, no other that may read its own answers alone can read.
    let connect = match Login::of(&options.url).user {
        None => connect,
        Some((user, password)) => {
            let inbox = format!("_INBOX.{}", subject::token(&user));
            connect.user_and_password(user, password).custom_inbox_prefix(inbox)
        }
    };
    Ok(connect
        .name(format!("stackly {name}"))
        .max_reconnects(None)
        .reconnect_delay_callback(|attempt| {
            RECONNECT_PAUSE_MAX.min(Duration::from_millis(attempt as u64 * 50))
        })
        .event_callback(move |event| {
            let news = news.clone();
            async move {
                match event {
                    Event::Connected => {
                        info!("connected to nats-server");
                        news.connected.send_modify(|count| *count += 1);
                        news.disturbed.send_modify(|count| *count += 1);
                    }
                    other => {
                        if let Event::ServerError(ServerError::Other(text)) = &other
                            && let Some(subject) = text.strip_prefix(REFUSED)
                        {
                            // Nobody may be listening.
                            let _ = news.refused.send(subject.trim_matches('"').to_owned());
                        }
                        warn!(event = %other, "the connection to nats-server changed");
                    }
                }
            }
        }))
}

/// Addresses without the user and the password that may stand in them, so that nobody reads those
/// in a log.
struct Login {
    addresses: String,
    user: Option<(String, String)>,
}

impl Login {
    fn of(url: &str) -> Self {
        let mut user = None;
        let plain = |address: &str| {
            let parted = address.split_once("://").and_then(|(scheme, rest)| {
                let (given, host) = rest.rsplit_once('@')?;
                Some((scheme, given.split_once(':')?, host))
            });
            let Some((scheme, (name, password), host)) = parted else { return address.to_owned() };
            user.get_or_insert_with(|| (name.to_owned(), password.to_owned()));
            format!("{scheme}://{host}")
        };
        let addresses: Vec<String> = url.split(',').map(str::trim).map(plain).collect();
        Self { addresses: addresses.join(","), user }
    }
}

fn not_stored(id: Uuid, source: anyhow::Error) -> BusError {
    BusError::NotStored { what: format!("message {id}"), source: source.context("publish") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_logs_in_is_taken_out_of_the_addresses() {
        let of = |url: &str| {
            let Login { addresses, user } = Login::of(url);
            (addresses, user)
        };
        let plain = "nats://a:4222,nats://b:4222";
        assert_eq!(of(plain), (plain.to_owned(), None));
        let given = of("nats://ann:p@ss:word@a:4222, tls://ann:x@b");
        let user = Some(("ann".to_owned(), "p@ss:word".to_owned()));
        assert_eq!(given, ("nats://a:4222,tls://b".to_owned(), user));
    }
}
