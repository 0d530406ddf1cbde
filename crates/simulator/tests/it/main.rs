//! The simulator over its own HTTP doors.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

mod auth;
mod client;
mod control;
mod dependencies;
mod dependency_mutations;
mod documents_account;
mod documents_runs;
mod documents_stacks;
mod faults;
mod logs;
mod paging;
mod pushes;
mod reviews;
mod runs;
mod sample;
mod schema;
mod strict;
mod throughput;
mod webhooks;
