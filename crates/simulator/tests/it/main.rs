//! The simulator over its own HTTP doors.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

mod client;
mod smoke;
