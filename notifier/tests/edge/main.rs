//! The notifier against real HTTP receivers, on a real nats-server and a real Postgres.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

mod again;
mod checks;
mod desk;
mod forges;
mod github;
mod gitlab;
mod overviews;
mod slack;
mod upgrade;
mod webhooks;
