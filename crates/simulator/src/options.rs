//! What a simulator is started with.

use std::net::{Ipv4Addr, SocketAddr};

use crate::{account::Account, pace::Pace};

/// What a simulator is started with.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where it listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The URL others know it by, without `/graphql`; the address it listens on if not given.
    /// Tokens are for this URL, and links in webhooks begin with it.
    pub public_url: Option<String>,
    /// What the account holds.
    pub account: Account,
    /// How long the phases of runs last.
    pub pace: Pace,
    /// The API key it accepts.
    pub api_key: ApiKey,
    /// Where run events go from the start.
    pub webhook: Option<WebhookTarget>,
    /// What ids, secrets and chances are drawn from.
    pub seed: u64,
}

impl Options {
    /// A free port on this machine, zero pace, a fixed key, no webhook.
    pub fn new(account: Account) -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            public_url: None,
            account,
            pace: Pace::zero(),
            api_key: ApiKey {
                id: "01K7A00000000000000000AP1K".into(),
                secret: "simulator-api-key-secret".into(),
            },
            webhook: None,
            seed: 1,
        }
    }
}

/// An API key: what a client exchanges for a token.
#[derive(Clone)]
pub struct ApiKey {
    /// ULID.
    pub id: String,
    /// What proves it.
    pub secret: String,
}

impl std::fmt::Debug for ApiKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("ApiKey").field("id", &self.id).finish_non_exhaustive()
    }
}

/// A receiver of run events.
#[derive(Clone)]
pub struct WebhookTarget {
    /// The URL that is posted to.
    pub endpoint: String,
    /// What bodies are signed with.
    pub secret: String,
}

impl std::fmt::Debug for WebhookTarget {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("WebhookTarget")
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}
