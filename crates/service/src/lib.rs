#![doc = include_str!("../README.md")]

pub mod config;
mod frame;
pub mod health;
mod process;
pub mod telemetry;

pub use frame::{Frame, Parts};
pub use process::main;
pub use secrecy::{ExposeSecret, SecretString};
