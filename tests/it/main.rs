//! The whole pipeline on real servers: one file per walkthrough and per failure story.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![allow(unreachable_pub, reason = "one binary")]

mod chaos;
mod contracts;
mod push;
mod telemetry;
mod tidy;
