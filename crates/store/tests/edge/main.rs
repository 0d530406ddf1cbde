//! The engine, the relay, wake-ups and calls on a real Postgres and a real nats-server.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod bench;
mod calls;
mod counter;
mod engine;
mod gone;
mod outage;
mod refill;
mod replicas;
mod wakeups;
