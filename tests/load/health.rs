//! Whether the health pages of a service answer while it has more to do than it can.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde::Serialize;
use tokio::{
    io::AsyncWriteExt,
    net::TcpStream,
    task::JoinSet,
    time::{interval, timeout},
};

use crate::{client, figures::Latency};

/// How often each page is asked for.
const EVERY: Duration = Duration::from_millis(100);
/// How long it may take before it counts as not answered.
const PATIENCE: Duration = Duration::from_secs(10);

/// What health was like meanwhile.
#[derive(Debug, Serialize)]
pub(crate) struct Health {
    /// Of `/ready` where it said 200.
    ready: Latency,
    /// Of `/metrics` where it said 200.
    metrics: Latency,
    /// How often a page said anything else, or nothing.
    refused: usize,
    /// The first of that.
    #[serde(skip_serializing_if = "Option::is_none")]
    first_refused: Option<String>,
}

/// Asks for the pages at `address` by the clock for as long as the work takes. Each question has a
/// connection of its own, as those of an orchestrator do, and the next does not wait for its answer.
pub(crate) async fn during<Done>(
    address: &str,
    work: impl Future<Output = Done>,
) -> (Done, Health) {
    let mut ticks = interval(EVERY);
    let (mut ready, mut metrics) = (JoinSet::new(), JoinSet::new());
    tokio::pin!(work);
    let done = loop {
        tokio::select! {
            done = &mut work => break done,
            _ = ticks.tick() => {
                ready.spawn(ask(address.to_owned(), "/ready"));
                metrics.spawn(ask(address.to_owned(), "/metrics"));
            }
        }
    };
    let mut failed = Vec::new();
    let mut times = async |asked: JoinSet<anyhow::Result<Duration>>| {
        let (times, others): (Vec<_>, Vec<_>) =
            asked.join_all().await.into_iter().partition(Result::is_ok);
        failed.extend(others.into_iter().filter_map(Result::err));
        Latency::of(times.into_iter().flatten().collect())
    };
    let (ready, metrics) = (times(ready).await, times(metrics).await);
    let first_refused = failed.first().map(|error| format!("{error:#}"));
    (done, Health { ready, metrics, refused: failed.len(), first_refused })
}

/// How long a page took, from before its connection.
async fn ask(address: String, page: &'static str) -> anyhow::Result<Duration> {
    let began = Instant::now();
    let asked = async {
        let mut stream = TcpStream::connect(&address).await?;
        let request = format!("GET {page} HTTP/1.1\r\nhost: {address}\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        client::status(&mut stream, &mut Vec::new()).await
    };
    let status = timeout(PATIENCE, asked).await.context("no answer in time").flatten();
    let status = status.with_context(|| format!("{page} after {:?}", began.elapsed()))?;
    ensure!(status == 200, "{page} said {status}");
    Ok(began.elapsed())
}
