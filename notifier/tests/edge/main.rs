//! The notifier against real HTTP receivers, on a real nats-server and a real Postgres.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]
#![expect(
    unreachable_pub,
    reason = "the receivers are written as the library they will be part of"
)]

mod desk;
mod github;
mod receivers;
mod slack;
mod webhooks;
