#![doc = include_str!("../README.md")]

mod cache;
mod environment;
mod error;
mod fetch;
mod home;
mod launch;
mod nats;
mod ports;
mod postgres;
pub mod process;
mod program;
mod shared;
mod user;

use std::sync::Arc;

pub use cache::cache_folder;
pub use error::Error;
pub use home::StoreFolder;
pub use nats::{Nats, NatsOptions};
pub use ports::free_port;
pub use postgres::{GivenServer, Postgres, PostgresOptions, PostgresSource};
pub use shared::{shared_nats, shared_postgres};
pub use user::RunAs;

/// Tells a person what is being looked for, downloaded or started, one sentence a call.
pub type Say = Arc<dyn Fn(&str) + Send + Sync>;

/// A [`Say`] that writes to the log at `info`.
pub fn say_in_log() -> Say {
    Arc::new(|sentence| tracing::info!("{sentence}"))
}
