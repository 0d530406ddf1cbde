//! The frame of a process, once for all services: configuration, telemetry, health, shutdown.
//!
//! `fn main() { service::main("planner", planner::DEFAULTS, planner::run) }` is a whole program;
//! [`Frame`] is what `run` builds on.

pub mod config;
mod frame;
pub mod health;
mod process;
pub mod telemetry;

pub use frame::{Frame, Parts};
pub use process::main;
pub use secrecy::{ExposeSecret, SecretString};
