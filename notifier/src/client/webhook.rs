//! Sends outgoing webhooks to configured endpoints, and nowhere else: to public addresses only
//! (unless permitted otherwise), without redirects, without a proxy that would resolve for us.

use std::{collections::HashMap, net::SocketAddr, sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use reqwest::{
    Client, Url,
    dns::{Addrs, Name, Resolve, Resolving},
};
use tokio::sync::{Semaphore, SemaphorePermit};
use tracing::Span;
use uuid::Uuid;

use crate::{
    address,
    config::{self, Config},
    http::{self, CallError},
    webhook::{self, Answer, Hook, Key},
};

#[cfg(test)]
mod tests;

/// One endpoint, ready to be called.
pub(crate) struct Endpoint {
    /// Derived from name and address.
    pub(crate) id: Uuid,
    pub(crate) name: String,
    url: Url,
    keys: Vec<Key>,
    slots: Semaphore,
    revived_at: Option<DateTime<Utc>>,
}

/// All endpoints.
pub(crate) struct WebhookClient {
    client: Client,
    endpoints: HashMap<String, Endpoint>,
    allow_private: bool,
}

/// What came of one call.
pub(crate) struct Sent {
    pub(crate) answer: Answer,
    pub(crate) error: Option<String>,
}

impl WebhookClient {
    pub(crate) fn new(config: &Config) -> anyhow::Result<Self> {
        let allow_private = config.delivery.allow_private;
        let client = http::client_builder(config.delivery.timeout)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .dns_resolver(Arc::new(PublicResolver { allow_private }))
            .build()?;
        let slots = config.delivery.at_once_per_endpoint;
        let endpoints = config
            .webhooks
            .iter()
            .map(|webhook| Ok((webhook.name.clone(), Endpoint::new(webhook, slots)?)))
            .collect::<anyhow::Result<_>>()?;
        Ok(Self { client, endpoints, allow_private })
    }

    /// The endpoint of this name, if it is still configured.
    pub(crate) fn endpoint(&self, name: &str) -> Option<&Endpoint> {
        self.endpoints.get(name)
    }

    /// All of them.
    pub(crate) fn endpoints(&self) -> impl Iterator<Item = &Endpoint> {
        self.endpoints.values()
    }

    /// Signs and sends.
    pub(crate) async fn send(&self, endpoint: &Endpoint, hook: &Hook, now: DateTime<Utc>) -> Sent {
        let literal = endpoint.url.host_str().and_then(address::literal);
        if !self.allow_private && literal.is_some_and(|address| !address::is_public(address)) {
            // The resolver is never asked about a literal address.
            return Sent::nothing(&CallError::NotSent(NotPublic.to_string()));
        }
        let body = hook.payload();
        let (id, timestamp) = (hook.id.to_string(), now.timestamp());
        let mut request = self
            .client
            .post(endpoint.url.clone())
            .header("content-type", "application/json")
            .header("webhook-id", &id)
            .header("webhook-timestamp", timestamp)
            .header("webhook-signature", webhook::signature(&endpoint.keys, &id, timestamp, &body));
        if let Some(trace) = bus::trace::of(&Span::current()) {
            request = request.header("traceparent", trace.0);
        }
        let operation = format!("webhook {}", endpoint.name);
        match http::call(&operation, request.body(body)).await {
            Ok(answer) => {
                let after = answer.retry_after();
                let refused = !(200..300).contains(&answer.status);
                let error = refused.then(|| format!("it answered HTTP {}", answer.status));
                Sent { answer: Answer::Status(answer.status, after), error }
            }
            Err(error) => Sent::nothing(&error),
        }
    }
}

impl Endpoint {
    fn new(webhook: &config::Webhook, slots: usize) -> anyhow::Result<Self> {
        let name = format!("endpoint/{}/{}", webhook.name, webhook.url);
        Ok(Self {
            id: Uuid::new_v5(&contracts::id::NAMESPACE, name.as_bytes()),
            name: webhook.name.clone(),
            url: Url::parse(&webhook.url)?,
            keys: webhook.keys()?,
            slots: Semaphore::new(slots),
            revived_at: webhook.revived_at,
        })
    }

    /// Since when it is not called any more, unless it was revived since.
    pub(crate) fn gone_since(
        &self,
        retired: &HashMap<Uuid, DateTime<Utc>>,
    ) -> Option<DateTime<Utc>> {
        let at = retired.get(&self.id).copied();
        at.filter(|at| self.revived_at.is_none_or(|revived| revived <= *at))
    }

    /// Whether as many calls to it are under way as may be.
    pub(crate) fn is_full(&self) -> bool {
        self.slots.available_permits() == 0
    }

    /// The right to call it now; none if so many calls are under way that another would take the
    /// room of other endpoints.
    pub(crate) fn slot(&self) -> Option<SemaphorePermit<'_>> {
        self.slots.try_acquire().ok()
    }
}

impl Sent {
    fn nothing(error: &CallError) -> Self {
        Self { answer: Answer::Nothing, error: Some(error.to_string()) }
    }
}

/// Resolves by the system's resolver and leaves out what is not public. The connection is made to
/// the addresses given here; nothing resolves a second time.
#[derive(Debug, Clone, Copy)]
struct PublicResolver {
    allow_private: bool,
}

/// The endpoint has no address we would go to.
#[derive(Debug, thiserror::Error)]
#[error("the endpoint is at a private or local address; delivery.allow_private would permit it")]
struct NotPublic;

impl Resolve for PublicResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let allow_private = self.allow_private;
        Box::pin(async move {
            let found: Vec<SocketAddr> =
                tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let public: Vec<SocketAddr> = found
                .into_iter()
                .filter(|found| allow_private || address::is_public(found.ip()))
                .collect();
            if public.is_empty() {
                return Err(NotPublic.into());
            }
            Ok(Box::new(public.into_iter()) as Addrs)
        })
    }
}

/// What a refused attempt may wait for before it is tried, when all slots are taken.
pub(crate) const BUSY: Duration = Duration::from_millis(500);
