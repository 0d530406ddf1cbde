//! What the services of Stackly say to each other: messages, ids, subjects, streams.
//!
//! No I/O happens here. Every event type is a Rust struct that implements [`Message`]; its JSON
//! Schema, the table in `docs/EVENTS.md` and the AsyncAPI document are generated from it.
//! Enums of ours are closed; enums of the outside world ([`run::RunState`], [`run::RunType`])
//! carry unknown values on.

#![warn(missing_docs)]

pub mod action;
pub mod card;
pub mod catalogue;
pub mod chain;
pub mod change;
pub mod check;
pub mod envelope;
pub mod gate;
pub mod hook;
pub mod id;
pub mod label;
pub mod message;
pub mod order;
pub mod person;
pub mod phrase;
pub mod policies;
pub mod reason;
pub mod registry;
pub mod run;
pub mod stack;
pub mod step;
pub mod subject;
pub mod text;
pub mod topology;
pub mod validation;
pub mod vocabulary;

pub use action::Action;
pub use card::Card;
pub use envelope::{Envelope, Outgoing, Trace};
pub use id::{ChainId, CommitSha, GateId, RunId, SpaceId, StackId};
pub use message::{Inbound, Message, UpgradeError, plain};
pub use reason::{Code, Reason};
pub use text::{List, Text};
