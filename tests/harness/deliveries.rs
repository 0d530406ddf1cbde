//! Deliveries that get lost, doubled and out of order, while everything that takes part is killed:
//! what is decided in the end must be what is decided when nothing goes wrong.
//!
//! A sender in a process of its own sends what GitHub would; whatever fails it does not send again,
//! because GitHub does not either. What never arrived is in GitHub's list of deliveries, as on a
//! real account, and comes back through the reconciler of ingest alone.

mod letters;
mod rig;
mod sender;
mod store;

use std::{path::PathBuf, time::Duration};

pub use letters::{Act, Plan};
pub use rig::{Struck, clean, disturbed};
pub use sender::{SEND, send};
pub use store::{Decisions, Outcome};

/// What is tried.
#[derive(Debug, Clone)]
pub struct Trial {
    /// What is sent.
    pub plan: Plan,
    /// The program that is a service, or the sender.
    pub program: PathBuf,
    /// Whether Postgres flushes.
    pub durable: bool,
    /// For how long NATS is gone.
    pub outage: Duration,
    /// How long everything may take.
    pub patience: Duration,
}
