//! The bus on a real nats-server: shared by the tests, or their own where they kill it.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod bench;
mod cloudevents;
mod dead_letters;
mod outage;
mod redelivery;
mod requests;
mod topology;
