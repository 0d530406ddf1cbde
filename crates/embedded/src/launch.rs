//! Starting a server and waiting until it is ready.

use std::fs;
use std::path::Path;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::Error;
use crate::process::{Spec, Supervised};

/// Long, because a server may have a large store to recover, on a slow disk.
const PATIENCE: Duration = Duration::from_secs(60);

/// Starts a server and asks `is_ready` every few milliseconds until it says yes.
pub(crate) async fn launch<Answer>(
    what: &'static str,
    spec: &Spec,
    is_ready: impl Fn(u32) -> Answer + Send,
) -> Result<Supervised, Error>
where
    Answer: Future<Output = bool> + Send,
{
    let log_start = fs::metadata(&spec.log).map_or(0, |log| log.len());
    let server = Supervised::spawn(spec)?;
    let deadline = Instant::now() + PATIENCE;
    let mut ticks = interval(Duration::from_millis(5));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let Some(status) = server.has_exited() {
            return Err(Error::EndedAtStart {
                what,
                status,
                log: spec.log.clone(),
                tail: tail(&spec.log, log_start),
            });
        }
        if is_ready(server.pid()).await {
            return Ok(server);
        }
        if Instant::now() > deadline {
            return Err(Error::NotReady {
                what,
                seconds: PATIENCE.as_secs(),
                log: spec.log.clone(),
                tail: tail(&spec.log, log_start),
            });
        }
    }
}

/// The last lines of a log, none from before `start`.
fn tail(log: &Path, start: u64) -> String {
    let bytes = fs::read(log).unwrap_or_default();
    let start = usize::try_from(start).unwrap_or(0).min(bytes.len());
    let text = String::from_utf8_lossy(&bytes[start..]);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(15)..].join("\n")
}
