//! What tells `stackly dev` to end.

use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::say;

/// The exit status of a program that was interrupted.
const INTERRUPTED: i32 = 130;
/// How often is looked whether whoever started this process still lives.
const LOOK_EVERY: Duration = Duration::from_millis(500);

const ORPHANED: &str =
    "\nWhoever started this has ended, and it ends with them: nothing is left behind.";

/// Cancelled by Ctrl-C, SIGTERM, a closed terminal, or the death of whoever started this process.
/// A second signal ends this process at once; what it started ends with it.
pub(super) fn watch() -> anyhow::Result<CancellationToken> {
    let shutdown = CancellationToken::new();
    let mut signals = Signals {
        interrupt: signal(SignalKind::interrupt())?,
        terminate: signal(SignalKind::terminate())?,
        hangup: signal(SignalKind::hangup())?,
    };
    let parent = nix::unistd::getppid();
    let token = shutdown.clone();
    tokio::spawn(async move {
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        loop {
            tokio::select! {
                () = signals.next() => break,
                _ = ticks.tick() => if nix::unistd::getppid() != parent {
                    say(ORPHANED);
                    break;
                },
            }
        }
        token.cancel();
        signals.next().await;
        say("Stopped at once; what was in flight is not finished.");
        std::process::exit(INTERRUPTED);
    });
    Ok(shutdown)
}

struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hangup.recv() => {}
        }
    }
}
