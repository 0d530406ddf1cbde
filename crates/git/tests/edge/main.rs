//! Fetching from real origins: over HTTP with tokens and as an app, over ssh, and from a path.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod http;
mod ssh;
mod work;
