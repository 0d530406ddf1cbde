//! What `stackly dev` can be told.

use std::{net::SocketAddr, path::PathBuf};

use clap::Args;

use super::address;

/// Runs the whole pipeline on this machine: its own nats-server and Postgres, the five services,
/// a simulated Spacelift account and a sample repository.
///
/// With SPACELIFT_API_KEY_ENDPOINT, SPACELIFT_API_KEY_ID and SPACELIFT_API_KEY_SECRET set, it
/// drives that account instead of the simulated one, and keeps in its folder what it knows of it.
#[derive(Debug, Clone, Args)]
pub struct DevArguments {
    /// Exit after the first chain, with status 0 only if every step ended as it should.
    #[arg(long)]
    pub once: bool,
    /// Run every service as a separate process.
    #[arg(long)]
    pub separate: bool,
    /// Where all state is kept.
    #[arg(long, default_value = ".stackly")]
    pub folder: PathBuf,
    /// Show the log lines too, which logs/dev.log in the folder holds; with --separate, every
    /// service has a file of its own there.
    #[arg(long, conflicts_with = "separate")]
    pub verbose: bool,
    /// Listen address for webhooks, host:port [default: a free port on 127.0.0.1].
    #[arg(long, value_name = "ADDR", env = "INGEST__HTTP__LISTEN", value_parser = address::listen)]
    pub listen: Option<SocketAddr>,
    /// How the outside reaches that address, behind a tunnel or a proxy, without a path.
    #[arg(long, value_name = "URL", value_parser = address::public)]
    pub public_url: Option<String>,
    /// Use the server of this database instead of starting a Postgres. Everything is kept in a
    /// database of this folder's own on it, `stackly_dev_…`, so its user must be allowed to create
    /// one.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<String>,
    /// Use this nats-server instead of starting one, under a prefix of this folder's own.
    #[arg(long, env = "STACKLY_DEV_NATS_URL")]
    pub nats_url: Option<String>,
    /// Drive this Spacelift account instead of a simulated one.
    #[arg(long, env = "SPACELIFT_API_KEY_ENDPOINT", requires = "api_key_id")]
    pub spacelift_url: Option<String>,
    /// The id of its API key.
    #[arg(long, env = "SPACELIFT_API_KEY_ID", requires = "api_key_secret")]
    pub api_key_id: Option<String>,
    /// The secret of its API key.
    #[arg(long, env = "SPACELIFT_API_KEY_SECRET", hide_env_values = true)]
    pub api_key_secret: Option<String>,
}

/// Tells a running `stackly dev` of a push, as GitHub would. The sample repository's hook calls it.
#[derive(Debug, Clone, Args)]
pub struct DeliverArguments {
    /// The folder of the running `stackly dev`.
    #[arg(long, default_value = ".stackly")]
    pub folder: PathBuf,
    /// The repository that was pushed to.
    #[arg(long)]
    pub repository: PathBuf,
    /// The old head.
    pub before: String,
    /// The new head.
    pub after: String,
    /// The full name of what was pushed, `refs/heads/main`.
    pub reference: String,
}
