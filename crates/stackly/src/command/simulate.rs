//! `stackly simulate`: Spacelift in a box, as a server of its own.

use contracts::phrase::count;
use std::{fs, net::SocketAddr, path::Path, path::PathBuf};

use anyhow::Context;
use clap::Args;
use serde_json::json;
use simulator::{Account, Pace, Simulator, WebhookTarget, sample_account};
use tokio::signal::unix::{SignalKind, signal};

use crate::{dev::listen, failure::Failure, print::Terminal};

/// What the simulator is started with.
#[derive(Args)]
pub struct Options {
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8090")]
    #[arg(value_parser = listen)]
    listen: SocketAddr,
    /// The contents of the account, as JSON [default: a sample account]
    #[arg(long, value_name = "FILE")]
    account: Option<PathBuf>,
    /// Seed for ids, secrets and random choices
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where to post run events
    #[arg(long, value_name = "URL", requires = "webhook_secret")]
    webhook_url: Option<String>,
    /// The secret to sign them with
    #[arg(long, value_name = "SECRET", requires = "webhook_url")]
    #[arg(env = "STACKLY_WEBHOOK_SECRET", hide_env_values = true)]
    webhook_secret: Option<String>,
    /// How long the phases of a run last: `zero`, `lively` (about three seconds a run), or the
    /// milliseconds of each
    #[arg(long, default_value = "lively", value_parser = pace)]
    pace: Pace,
}

/// A secret is not shown.
impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options").field("listen", &self.listen).finish_non_exhaustive()
    }
}

pub(super) async fn run(options: &Options, terminal: &mut Terminal<'_>) -> Result<(), Failure> {
    let account = match &options.account {
        Some(path) => read(path)?,
        None => sample_account(),
    };
    let stacks = account.stacks.len();
    let webhook = options.webhook_url.clone().zip(options.webhook_secret.clone());
    let simulator = Simulator::start(simulator::Options {
        listen: options.listen,
        pace: options.pace,
        webhook: webhook.map(|(endpoint, secret)| WebhookTarget { endpoint, secret }),
        seed: options.seed,
        ..simulator::Options::new(account)
    })
    .await
    .context("the simulator does not start; --listen takes another address")?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (url, key) = (simulator.url(), simulator.api_key());
    let document = json!({
        "endpoint": url,
        "graphql": format!("{url}/graphql"),
        "control": format!("{url}/control"),
        "api_key_id": key.id,
        "api_key_secret": key.secret,
        "stacks": stacks,
    });
    terminal.answer(&document, |_| {
        format!(
            "a Spacelift account with {} at {url}\n\
             \n\
             export SPACELIFT_API_KEY_ENDPOINT={url}\n\
             export SPACELIFT_API_KEY_ID={}\n\
             export SPACELIFT_API_KEY_SECRET={}\n\
             \n\
             GraphQL at {url}/graphql, what happened at {url}/control/journal; Ctrl-C ends\n",
            count(stacks, "stack"),
            key.id,
            key.secret
        )
    })?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    simulator.stop().await;
    Ok(())
}

fn read(path: &Path) -> Result<Account, Failure> {
    let shown = path.display();
    let text = fs::read_to_string(path).map_err(|error| Failure::unread(path, error))?;
    serde_json::from_str(&text)
        .map_err(|error| Failure::Usage(format!("{shown} is not an account: {error}")))
}

fn pace(text: &str) -> Result<Pace, String> {
    match text {
        "zero" => Ok(Pace::zero()),
        "lively" => Ok(Pace::lively()),
        number => number
            .trim_end_matches("ms")
            .parse()
            .map(Pace::uniform)
            .map_err(|_| "it should be `zero`, `lively` or milliseconds such as 200".to_owned()),
    }
}
