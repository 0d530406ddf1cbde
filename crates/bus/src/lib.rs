//! JetStream, once for all services: the loop, publishing, dead letters, requests.
//!
//! This is the only crate that names `async_nats`. A service gives it a [`Handler`]; everything a
//! consumer has to get right (acknowledging, redelivery, dead letters, signs of life, draining,
//! a broker that comes back empty) is written here and nowhere else.

mod connection;
mod consume;
mod dead_letters;
mod error;
mod failpoint;
mod handler;
mod options;
mod request;
mod topology;
pub mod trace;
mod verdict;
mod wire;

pub use connection::{Bus, Receipt, Sent};
pub use consume::consume;
pub use dead_letters::DeadLetter;
pub use error::BusError;
pub use failpoint::{FAILPOINTS, arm_failpoint, failpoint};
pub use handler::{Answers, Failure, Handler, Incoming};
pub use options::Options;
pub use request::Problem;
pub use topology::{Difference, StreamStatus};
pub use verdict::BACKOFF;
