//! A whole system per test: its own prefix, its own database, its own Spacelift, in parallel.
//!
//! [`Pipeline::start`] runs the five services in this process on shared servers; [`Setup`] gives a
//! test its own servers to kill, or every service as a process to kill. [`checker`] holds what
//! happened in Spacelift against what must never happen.

#![expect(clippy::missing_panics_doc, reason = "a harness panics to fail its test")]

pub mod accounts;
pub mod checker;
pub mod deliveries;
pub mod fleet;
pub mod github;
pub mod kills;
pub mod listener;
pub mod load;
pub mod moments;
pub mod patience;
mod pipeline;
pub mod raw_nats;
pub mod servers;
pub mod storm;
mod turns;
mod user;

pub use pipeline::{Pipeline, Setup, telling};
pub use user::User;
