//! What can go wrong with the broker, by what the caller can do about it.

/// Why the broker did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// No connection was made in time.
    #[error("cannot reach nats-server at {url}; is it running, and is the address right?")]
    Unreachable {
        /// The address tried.
        url: String,
        /// What the last try said.
        #[source]
        source: anyhow::Error,
    },
    /// The address is none, so that trying again is of no use.
    #[error("`{url}` is not the address of a nats-server, such as nats://127.0.0.1:4222")]
    Address {
        /// The address given, without a password.
        url: String,
        /// What is wrong with it.
        #[source]
        source: anyhow::Error,
    },
    /// The credentials file cannot be used.
    #[error("the NATS credentials file {path} cannot be read")]
    Credentials {
        /// Its path.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A stream is there, but not as the code wants it.
    #[error(
        "stream {stream} differs from what this build needs ({difference}); \
         `stackly topology show` prints it, `stackly topology apply` changes it"
    )]
    Topology {
        /// The stream, with its prefix.
        stream: String,
        /// In what.
        difference: String,
    },
    /// A message was not stored. Publishing it again under the same id is safe.
    #[error("{what} was not stored by JetStream")]
    NotStored {
        /// Which message.
        what: String,
        /// Why.
        #[source]
        source: anyhow::Error,
    },
    /// A message is larger than the server takes. It will never be stored.
    #[error("{what} is larger than nats-server takes; raise its max_payload")]
    TooLarge {
        /// Which message.
        what: String,
    },
    /// Any other request the broker refused or did not answer.
    #[error("nats-server did not answer a request: {what}")]
    Request {
        /// Which request.
        what: String,
        /// Why.
        #[source]
        source: anyhow::Error,
    },
    /// Nobody answers a command or a question.
    #[error("nobody answers {subject}: the {service} service is not running on this bus")]
    NobodyAnswers {
        /// The subject asked.
        subject: String,
        /// The service that should answer.
        service: String,
    },
    /// The server does not let this user send something.
    #[error("nats-server does not let this user send {subject}; its permissions say what they may")]
    NotPermitted {
        /// The subject.
        subject: String,
    },
}

impl BusError {
    pub(crate) fn request(what: impl Into<String>, source: impl Into<anyhow::Error>) -> Self {
        Self::Request { what: what.into(), source: source.into() }
    }
}
