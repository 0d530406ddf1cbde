//! What goes wrong on purpose.

use serde::{Deserialize, Serialize};

use crate::ids::Ids;

/// One thing that goes wrong, how often and where.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fault {
    /// What goes wrong.
    #[serde(flatten)]
    pub kind: FaultKind,
    /// For requests: root fields (`runTrigger`, `searchStacks`), or `query`, or `mutation`, or the
    /// name of the operation (`GetLog`).
    /// For webhooks: run states (`FINISHED`). Empty means everywhere.
    #[serde(default)]
    pub operations: Vec<String>,
    /// How often it happens before it is spent; for ever if not given.
    #[serde(default)]
    pub times: Option<u32>,
    /// How likely it is each time, from zero to one.
    #[serde(default = "certain")]
    pub probability: f64,
}

fn certain() -> f64 {
    1.0
}

/// What can go wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fault", rename_all = "snake_case")]
pub enum FaultKind {
    /// The token that was sent is good no more: `unauthorized`, until a new one is fetched.
    ExpiredToken,
    /// An HTTP status of the 5xx family (500 if not given); nothing takes effect.
    ServerError {
        /// The status.
        #[serde(default = "internal")]
        status: u16,
    },
    /// HTTP 429; nothing takes effect.
    TooManyRequests {
        /// The header `Retry-After`, in seconds.
        #[serde(default)]
        retry_after_s: Option<u64>,
    },
    /// The request is looked at only after a while.
    Slow {
        /// How long.
        delay_ms: u64,
    },
    /// The request takes effect, then the connection is dropped without an answer.
    AnswerLost,
    /// The connection is dropped before anything takes effect.
    DroppedBeforeAccept,
    /// The answer has its data, and an error `internal error` beside it; with more than one root
    /// field, the last is null.
    PartialData,
    /// The error that machine keys get on user-facing fields.
    MachineSession,
    /// A webhook is never sent.
    WebhookLost,
    /// A webhook is sent twice.
    WebhookDoubled,
    /// A webhook is sent later.
    WebhookDelayed {
        /// How much later.
        delay_ms: u64,
    },
    /// A webhook is sent after the one that follows it.
    WebhookReordered,
}

fn internal() -> u16 {
    500
}

impl FaultKind {
    fn concerns_webhooks(&self) -> bool {
        matches!(
            self,
            Self::WebhookLost
                | Self::WebhookDoubled
                | Self::WebhookDelayed { .. }
                | Self::WebhookReordered
        )
    }
}

impl Fault {
    /// Everywhere, for ever.
    pub fn always(kind: FaultKind) -> Self {
        Self { kind, operations: Vec::new(), times: None, probability: 1.0 }
    }

    /// The next time only.
    pub fn once(kind: FaultKind) -> Self {
        Self::always(kind).times(1)
    }

    /// This often.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }

    /// Also on this root field or run state.
    #[must_use]
    pub fn on(mut self, operation: &str) -> Self {
        self.operations.push(operation.into());
        self
    }

    /// This likely.
    #[must_use]
    pub fn with_probability(mut self, probability: f64) -> Self {
        self.probability = probability;
        self
    }
}

/// A fault as the control endpoints show it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FaultView {
    /// What it is removed by.
    pub id: u64,
    /// How often it has happened.
    pub hits: u64,
    /// The fault itself, with what is left of its times.
    #[serde(flatten)]
    pub fault: Fault,
}

/// The faults that are not spent.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    active: Vec<FaultView>,
    added: u64,
}

impl Faults {
    pub(crate) fn add(&mut self, fault: Fault) -> u64 {
        self.added += 1;
        self.active.push(FaultView { id: self.added, hits: 0, fault });
        self.added
    }

    pub(crate) fn remove(&mut self, id: u64) -> bool {
        let before = self.active.len();
        self.active.retain(|view| view.id != id);
        self.active.len() < before
    }

    pub(crate) fn clear(&mut self) {
        self.active.clear();
    }

    pub(crate) fn list(&self) -> Vec<FaultView> {
        self.active.clone()
    }

    /// The faults that hit a request with these root fields.
    pub(crate) fn hit_request(&mut self, names: &[String], ids: &mut Ids) -> Vec<FaultKind> {
        self.hit(false, |operation| names.iter().any(|name| name == operation), ids)
    }

    /// The faults that hit a webhook about this state.
    pub(crate) fn hit_webhook(&mut self, state: &str, ids: &mut Ids) -> Vec<FaultKind> {
        self.hit(true, |operation| operation == state, ids)
    }

    fn hit(
        &mut self,
        webhooks: bool,
        named: impl Fn(&str) -> bool,
        ids: &mut Ids,
    ) -> Vec<FaultKind> {
        let mut hits = Vec::new();
        if self.active.is_empty() {
            return hits;
        }
        for view in &mut self.active {
            let fault = &mut view.fault;
            let here = fault.kind.concerns_webhooks() == webhooks
                && (fault.operations.is_empty() || fault.operations.iter().any(|o| named(o)));
            if !here || fault.times == Some(0) || !ids.chance(fault.probability) {
                continue;
            }
            view.hits += 1;
            fault.times = fault.times.map(|times| times - 1);
            hits.push(fault.kind.clone());
        }
        self.active.retain(|view| view.fault.times != Some(0));
        hits
    }
}
