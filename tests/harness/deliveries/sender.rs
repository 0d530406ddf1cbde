//! The sender, a process of its own: `deliver <address> <secret> <seed> <count> <per second>
//! <stormy> <from>`.

use std::{io::Write, process::ExitCode, str::FromStr, sync::Arc, time::Duration};

use anyhow::{Context, bail};
use tokio::{sync::Semaphore, task::JoinSet};

use super::letters::{Act, Letter, Plan};
use crate::github;

/// Under this name a program is the sender.
pub const SEND: &str = "deliver";
/// How many deliveries are on their way at once.
pub(super) const AT_ONCE: usize = 64;
/// After how many it says how far it is.
const SAID_EVERY: usize = 16;
/// GitHub waits for ten seconds.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long before an answer of "later" is asked again where nothing may get lost.
const LATER: Duration = Duration::from_millis(50);

/// What one life of the sender is told.
struct Orders {
    address: String,
    secret: String,
    plan: Plan,
    from: usize,
}

/// Sends, and says on standard output how far it is.
pub fn send(arguments: impl Iterator<Item = String>) -> ExitCode {
    let sent = read(arguments).and_then(|orders| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(send_all(Arc::new(orders)))
    });
    match sent {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "{SEND}: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn read(mut arguments: impl Iterator<Item = String>) -> anyhow::Result<Orders> {
    let mut next = |what: &'static str| arguments.next().with_context(|| format!("no {what}"));
    let (address, secret) = (next("address")?, next("secret")?);
    let plan = Plan {
        seed: number(&next("seed")?)?,
        count: number(&next("count")?)?,
        per_second: number(&next("pace")?)?,
        stormy: number(&next("stormy")?)?,
    };
    Ok(Orders { address, secret, plan, from: number(&next("from")?)? })
}

fn number<T: FromStr>(text: &str) -> anyhow::Result<T> {
    match text.parse() {
        Ok(value) => Ok(value),
        Err(_) => bail!("`{text}` is not what belongs here"),
    }
}

async fn send_all(orders: Arc<Orders>) -> anyhow::Result<()> {
    let client = reqwest::Client::builder().timeout(PATIENCE).build()?;
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let pace = Duration::from_secs(1).checked_div(orders.plan.per_second);
    let mut clock = pace.map(tokio::time::interval);
    let acts = orders.plan.acts();
    let mut under_way = JoinSet::new();
    for (place, act) in acts.iter().copied().enumerate().skip(orders.from) {
        if let Some(clock) = &mut clock {
            clock.tick().await;
        }
        let turn = places.clone().acquire_owned().await?;
        if place % SAID_EVERY == 0 {
            say(&format!("at {place}"));
        }
        let (client, orders) = (client.clone(), orders.clone());
        under_way.spawn(async move {
            deliver(&client, &orders, act).await;
            drop(turn);
        });
        while under_way.try_join_next().is_some() {}
    }
    under_way.join_all().await;
    say(&format!("at {}", acts.len()));
    Ok(())
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

async fn deliver(client: &reqwest::Client, orders: &Orders, act: Act) {
    let (number, guid) = match act {
        Act::Lose(_) => return,
        Act::Send(number) => (number, None),
        Act::Repeat(number) => (number, Some(format!("again-{number}"))),
    };
    let Letter { guid: own, event, payload } = orders.plan.letter(number);
    let body = serde_json::to_vec(&payload).expect("a JSON value is JSON");
    let signature = github::sign(&orders.secret, &body);
    let guid = guid.unwrap_or(own);
    let mut pauses = tokio::time::interval(LATER);
    loop {
        pauses.tick().await;
        let sent = client
            .post(format!("http://{}/webhooks/github", orders.address))
            .header("content-type", "application/json")
            .header("x-github-event", event)
            .header("x-github-delivery", &guid)
            .header("x-hub-signature-256", &signature)
            .body(body.clone())
            .send()
            .await;
        // Where it may get lost it is not sent again, whatever came of it.
        if orders.plan.stormy || sent.is_ok_and(|answer| answer.status().as_u16() != 503) {
            return;
        }
    }
}
