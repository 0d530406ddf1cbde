#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

mod buried;
mod claims;
mod decide;
mod effects;
mod engine;
mod lender;
mod options;
mod pages;
mod pool;
mod presence;
mod published;
mod relay;
mod remembered;
mod story;
mod wakeups;
mod write;

pub use decide::{Decider, Decision, Effect, Refusal};
pub use effects::{Claim, Performed, Performer, perform};
pub use engine::{Engine, SubmitError};
pub use lender::{Lender, Lent};
pub use options::Options;
pub use pages::in_pages;
pub use pool::{Store, StoreError};
pub use published::mark;
pub use relay::{RelayError, relay, take_stock};
pub use remembered::{Remembered, as_json, remember};
pub use story::{Chapter, story, told};
