//! Outgoing webhooks: who gets them, what became of each.

mod announce;
mod audit;
mod payload;
mod sender;
mod signature;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use crate::{options::WebhookTarget, states::RunState};

pub(crate) use audit::{action, without_secrets};
pub(crate) use sender::{Delivery, send_all, test_delivery};
pub(crate) use signature::{sha1_header, sha256_header};

/// So many failures in a row switch a webhook off.
pub(crate) const FAILURES_MAX: u32 = 10;
/// So many deliveries are remembered per webhook.
const REMEMBERED: usize = 1_000;

/// One attempt at telling somebody.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DeliveryRecord {
    /// When it ended, in unix milliseconds.
    pub at_ms: i64,
    /// The run it was about; nothing for audit events.
    pub run: Option<String>,
    /// The state it told of.
    pub state: Option<String>,
    /// The state's version.
    pub state_version: Option<i32>,
    /// The last HTTP status; nothing if there was no answer.
    pub status: Option<u16>,
    /// How many times it was sent.
    pub attempts: u32,
}

impl DeliveryRecord {
    /// Whether the receiver took it.
    pub fn delivered(&self) -> bool {
        self.status.is_some_and(|status| (200..300).contains(&status))
    }
}

/// What a webhook is allowed to hear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// Every run of the account, but not that it has entered one of these states: those given at
    /// start, for which there are none, or by control.
    AllBut(Vec<RunState>),
    /// What a `NOTIFICATION` policy sends its way.
    Policies,
    /// The runs of one stack.
    Stack(Arc<str>),
    /// Mutations, and runs too if asked for.
    Audit { include_runs: bool },
}

#[derive(Clone, Debug)]
pub(crate) struct Webhook {
    pub(crate) id: Arc<str>,
    pub(crate) name: String,
    pub(crate) endpoint: Arc<str>,
    pub(crate) secret: Arc<str>,
    pub(crate) enabled: bool,
    pub(crate) labels: Vec<String>,
    pub(crate) space: String,
    pub(crate) retry_on_failure: bool,
    pub(crate) headers: Arc<BTreeMap<String, String>>,
    pub(crate) created_ms: i64,
    pub(crate) route: Route,
    pub(crate) failures: u32,
    pub(crate) deliveries: VecDeque<DeliveryRecord>,
}

impl Webhook {
    pub(crate) fn new(id: &str, target: &WebhookTarget, route: Route) -> Self {
        Self {
            id: id.into(),
            name: id.into(),
            endpoint: target.endpoint.as_str().into(),
            secret: target.secret.as_str().into(),
            enabled: true,
            labels: Vec::new(),
            space: "root".into(),
            retry_on_failure: true,
            headers: Arc::default(),
            created_ms: crate::clock::wall_ms(),
            route,
            failures: 0,
            deliveries: VecDeque::new(),
        }
    }

    /// Notes what became of a delivery; ten failures in a row switch it off.
    pub(crate) fn note(&mut self, record: DeliveryRecord) {
        if record.delivered() {
            self.failures = 0;
        } else {
            self.failures += 1;
            if self.failures >= FAILURES_MAX && self.enabled {
                tracing::warn!(webhook = %self.id, "switched off after ten failures in a row");
                self.enabled = false;
            }
        }
        if self.deliveries.len() == REMEMBERED {
            self.deliveries.pop_front();
        }
        self.deliveries.push_back(record);
    }

    pub(crate) fn enable(&mut self, enabled: bool) {
        self.enabled = enabled;
        self.failures = 0;
    }
}

/// A webhook as the control endpoints show it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WebhookView {
    /// What it is called by.
    pub id: String,
    /// Where it goes.
    pub endpoint: String,
    /// Whether it is on.
    pub enabled: bool,
    /// Whether 5xx answers are tried again.
    pub retry_on_failure: bool,
    /// Failures since the last success.
    pub consecutive_failures: u32,
    /// Deliveries that are remembered.
    pub deliveries: usize,
}

impl From<&Webhook> for WebhookView {
    fn from(webhook: &Webhook) -> Self {
        Self {
            id: webhook.id.to_string(),
            endpoint: webhook.endpoint.to_string(),
            enabled: webhook.enabled,
            retry_on_failure: webhook.retry_on_failure,
            consecutive_failures: webhook.failures,
            deliveries: webhook.deliveries.len(),
        }
    }
}

/// All webhooks, and the way out.
#[derive(Debug)]
pub(crate) struct Webhooks {
    pub(crate) all: BTreeMap<Arc<str>, Webhook>,
    outbox: mpsc::UnboundedSender<Delivery>,
}

/// The id of the audit trail webhook, of which there is one.
pub(crate) const AUDIT: &str = "audit-trail";

impl Webhooks {
    pub(crate) fn new(outbox: mpsc::UnboundedSender<Delivery>) -> Self {
        Self { all: BTreeMap::new(), outbox }
    }

    pub(crate) fn insert(&mut self, webhook: Webhook) {
        self.all.insert(webhook.id.clone(), webhook);
    }

    /// An id of its own for a webhook with this name.
    pub(crate) fn slug(&self, name: &str) -> String {
        let base: String = name
            .to_lowercase()
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
            .collect();
        let mut slug = base.clone();
        let mut number = 1;
        while self.all.contains_key(slug.as_str()) {
            number += 1;
            slug = format!("{base}-{number}");
        }
        slug
    }

    fn put_out(&self, delivery: Delivery) {
        if self.outbox.send(delivery).is_err() {
            tracing::debug!("a webhook was dropped because the simulator is stopping");
        }
    }
}
