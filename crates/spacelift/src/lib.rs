//! The port to Spacelift and its GraphQL client; the only crate that knows Spacelift's GraphQL.
//!
//! [`Client`] speaks for one API key of one account. It exchanges the key for tokens, keeps to a
//! rate, repeats what only asks, and never repeats what changes something: a mutation whose answer
//! is lost ends as [`Error::Uncertain`], and it is for the caller to ask what became of it, with
//! [`Client::recent_runs`] and [`look_for`].
//!
//! Webhooks are not read here, and nothing is decided here.

#![warn(missing_docs)]

mod answer;
mod breaker;
mod budget;
mod client;
mod document;
mod environment;
mod error;
mod hold;
mod log;
mod look;
mod mutation;
mod options;
mod outputs;
mod patience;
mod plan;
pub mod policy;
mod query;
mod run;
mod stack;
mod telemetry;
mod token;
mod trail;
mod transport;
mod triggers;
mod webhook;

#[cfg(test)]
mod tests;

pub use breaker::Rest;
pub use client::Client;
pub use environment::Environment;
pub use error::Error;
pub use hold::{Blocker, Hold, Lock, Workers};
pub use look::{Expected, Found, look_for};
pub use mutation::Trigger;
pub use options::{Options, account_name};
pub use outputs::{Output, Override};
pub use plan::{PlanFacts, ResourceChange};
pub use policy::{Policy, PolicyShape};
pub use query::Shows;
pub use run::RunFacts;
pub use stack::{Dependency, Identity, Reference, Space, Stack, StackSettings};
pub use trail::{TrailEntry, TrailPage};
pub use triggers::{TRIGGER, TriggerPolicy};
pub use webhook::{NamedWebhook, WebhookShape};
