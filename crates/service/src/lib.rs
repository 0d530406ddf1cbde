#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

mod arguments;
pub mod config;
mod frame;
pub mod health;
mod process;
pub mod state;
pub mod telemetry;

/// For every program of ours: with the C library's, a fifth of a service's CPU goes to allocating.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

pub use frame::{Frame, Parts};
pub use process::{main, run};
pub use secrecy::{ExposeSecret, SecretString};
