//! A service in its frame, on real servers: how it starts, how it is, how it ends.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod bench;
mod frame;
mod health;
