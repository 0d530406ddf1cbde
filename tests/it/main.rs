//! The whole pipeline on real servers: one file per walkthrough and per failure story.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![allow(unreachable_pub, reason = "one binary")]

mod approval;
mod buttons;
mod carried;
mod catalogue;
mod chaos;
mod commands;
mod connected;
mod contracts;
mod errands;
mod events;
mod identity;
mod merge_requests;
mod needed;
mod notify;
mod orders;
mod overrides;
mod plan_all;
mod planned;
mod preview;
mod push;
mod refused;
mod reminders;
mod resting;
mod reviews;
mod simulation;
mod telemetry;
mod tidy;
mod validated;
mod waves;
mod window;
