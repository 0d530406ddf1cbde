//! Postgres: the copy of record of every service.
//!
//! A service writes a [`Decider`]: which state a message belongs to, a pure decision, and how its
//! states are read and written. The [`Engine`] does the rest in one transaction for a whole batch:
//! recall what was answered before, load, decide, save, remember the answers, note the calls to
//! the outside ([`Effect`]) and the next wake-up. Nothing here sleeps on behalf of a state: waiting
//! is a row.

mod decide;
mod effects;
mod engine;
mod options;
mod pool;
mod relay;
mod remembered;
mod story;
mod wakeups;

pub use decide::{Decider, Decision, Effect, Refusal};
pub use effects::{Claim, Performed, Performer, perform};
pub use engine::{Engine, SubmitError};
pub use options::Options;
pub use pool::{Store, StoreError};
pub use relay::relay;
pub use remembered::{Remembered, as_json, remember};
pub use story::{Chapter, story};
