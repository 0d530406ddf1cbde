//! The relay: publishes what a crash left unpublished, and refills a broker that lost its data.

use std::time::Duration;

use bus::{Bus, BusError};
use chrono::{TimeDelta, Utc};
use contracts::topology::EVENTS;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{Store, remembered};

/// How often unpublished answers are looked for.
const SWEEP: Duration = Duration::from_secs(1);
/// How many sweeps lie between two looks at whether the broker still has what it had.
const SWEEPS_PER_CHECK: u32 = 5;
/// How old an unpublished answer must be before the relay takes it for left over.
const GRACE: TimeDelta = TimeDelta::seconds(2);
/// How many rows are published at once.
const BATCH: i64 = 500;

/// Why a sweep was not finished; the next one goes on.
#[derive(Debug, thiserror::Error)]
enum RelayError {
    #[error("the database did not answer")]
    Database(#[from] sqlx::Error),
    #[error("the broker did not answer")]
    Bus(#[from] BusError),
}

/// Runs until `shutdown`.
///
/// After every disturbance of the connection it checks that the newest answer published is still
/// where the stream said it was. If not, everything after the last one that is gets published
/// again; its readers answer from memory what they have answered before.
pub async fn relay(store: Store, bus: Bus, shutdown: CancellationToken) {
    let mut disturbances = bus.disturbances();
    disturbances.mark_changed();
    let mut ticks = tokio::time::interval(SWEEP);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut sweeps = 0;
    loop {
        tokio::select! {
            biased;
            () = shutdown.cancelled() => return,
            changed = disturbances.changed() => {
                if changed.is_err() {
                    return;
                }
                sweeps = 0;
            }
            _ = ticks.tick() => {}
        }
        let result = async {
            if sweeps % SWEEPS_PER_CHECK == 0 {
                refill(&store, &bus).await?;
            }
            sweep(&store, &bus).await
        };
        match result.await {
            Ok(()) => sweeps += 1,
            Err(error) => {
                sweeps = 0;
                warn!(error = format!("{:#}", anyhow::Error::from(error)), "the relay waits");
            }
        }
    }
}

/// Publishes what is not known to be stored.
async fn sweep(store: &Store, bus: &Bus) -> Result<(), RelayError> {
    loop {
        let rows = remembered::unpublished(store.pool(), Utc::now() - GRACE, BATCH).await?;
        let all = i64::try_from(rows.len()).unwrap_or(BATCH);
        if all == 0 {
            return Ok(());
        }
        info!(rows = all, "publishing what was left unpublished");
        let mut sent = Vec::with_capacity(rows.len());
        for row in &rows {
            sent.push(bus.send(&row.answers).await);
        }
        for (row, sent) in rows.iter().zip(sent) {
            let sequences = bus.stored(sent).await?;
            let receipt = bus::Receipt { cause: row.event_id, sequences };
            remembered::mark(store.pool(), &row.consumer, &[receipt]).await?;
        }
        if all < BATCH {
            return Ok(());
        }
    }
}

/// Makes missing streams, finds the newest answer that still stands where it was, and forgets
/// where everything after it stood.
async fn refill(store: &Store, bus: &Bus) -> Result<(), RelayError> {
    bus.ensure_streams().await?;
    // What the stream has dropped by age is not lost.
    let since = Utc::now() - TimeDelta::from_std(EVENTS.max_age).unwrap_or(TimeDelta::MAX)
        + TimeDelta::hours(1);
    let mut from = i64::MAX;
    let mut back = 0;
    loop {
        let Some(published) = remembered::published_before(store.pool(), from, back, since).await?
        else {
            // Everything there is, unless nothing was ever published.
            let forgotten = match from {
                i64::MAX => 0,
                _ => remembered::forget_published_after(store.pool(), -1, since).await?,
            };
            report(forgotten);
            return Ok(());
        };
        if bus.event_at(published.sequence.cast_unsigned()).await? == Some(published.answer) {
            if from != i64::MAX {
                let forgotten =
                    remembered::forget_published_after(store.pool(), published.position, since)
                        .await?;
                report(forgotten);
            }
            return Ok(());
        }
        // Losses are suffixes: look back in growing strides; what is published twice is harmless.
        from = published.position;
        back = (back * 2).max(1);
    }
}

fn report(forgotten: u64) {
    if forgotten > 0 {
        warn!(rows = forgotten, "the broker lost what was published; publishing it again");
    }
}
