#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

mod command;
mod connection;
mod consume;
mod dead_letters;
mod durable;
mod era;
mod error;
mod failpoint;
mod handler;
mod held;
mod letter;
mod metrics;
mod options;
mod problem;
mod pull;
mod request;
mod settle;
mod topology;
pub mod trace;
mod verdict;
mod voucher;
mod wire;

pub use command::{Command, read, read_as};
pub use connection::{Bus, Receipt, Sent};
pub use consume::consume;
pub use dead_letters::DeadLetter;
pub use era::{Era, EraGuard, Sight};
pub use error::BusError;
pub use failpoint::{FAILPOINTS, arm_failpoint, failpoint};
pub use handler::{Answers, Failure, Handler, Incoming};
pub use letter::{Letter, LetterFate, LetterPlace};
pub use options::Options;
pub use problem::{Problem, ProblemKind};
pub use topology::{Difference, StreamStatus};
pub use verdict::BACKOFF;
