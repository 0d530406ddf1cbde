//! Wake-ups that are due become inputs.

use super::{
    Arrival, CancellationToken, Decider, Engine, Envelope, Failure, MissedTickBehavior, Origin,
    TICK, TimeDelta, Utc, Uuid, info_span, wakeups, warn,
};
use crate::wakeups::Due;

/// How many states are woken at once.
const PAGE: usize = 256;
/// How long a wake-up that was refused is put off.
const PUT_OFF: TimeDelta = TimeDelta::seconds(30);

impl<D: Decider> Engine<D> {
    /// Wakes what is due, until `shutdown`.
    pub async fn run_wakeups(&self, shutdown: CancellationToken) {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                () = self.0.alarm.notified() => {}
                _ = ticks.tick() => {}
            }
            // Whole pages until there is no full one: a freeze that ends wakes very many.
            while !shutdown.is_cancelled() {
                match self.wake_page().await {
                    Ok(size) if size == PAGE => {}
                    Ok(_) => break,
                    Err(error) => {
                        warn!(%error, "cannot look for wake-ups");
                        break;
                    }
                }
            }
        }
    }

    /// Wakes one page of what is due; gives how many states it was.
    async fn wake_page(&self) -> Result<usize, sqlx::Error> {
        let limit = i64::try_from(PAGE).unwrap_or(i64::MAX);
        let due = wakeups::due(self.pool(), self.0.consumer, Utc::now(), limit).await?;
        let size = due.len();
        let mut arrivals = Vec::with_capacity(size);
        let mut woken = Vec::with_capacity(size);
        let mut nobody = Vec::new();
        for due in due {
            match self.waken(due) {
                Some(arrival) => {
                    arrivals.push(arrival);
                    woken.push(due);
                }
                None => nobody.push(due),
            }
        }
        if !nobody.is_empty() {
            wakeups::drop(self.pool(), self.0.consumer, &nobody).await?;
        }
        if arrivals.is_empty() {
            return Ok(size);
        }
        let Some(results) = self.ask(arrivals, false).await else { return Ok(0) };
        let mut refused = Vec::new();
        let mut is_away = false;
        for (due, result) in woken.into_iter().zip(results) {
            match result {
                Ok(_) => {}
                Err(Failure::Wait { .. }) => is_away = true,
                Err(Failure::Retry { source, .. } | Failure::Reject { source, .. }) => {
                    warn!(key = %due.key, error = format!("{source:#}"), "a wake-up is put off");
                    refused.push(due);
                }
            }
        }
        if !refused.is_empty() {
            let until = Utc::now() + PUT_OFF;
            wakeups::put_off(self.pool(), self.0.consumer, &refused, until).await?;
        }
        // What waits for the database is still due; the next tick tries it again.
        Ok(if is_away { 0 } else { size })
    }

    fn waken(&self, due: Due) -> Option<Arrival<D::Input>> {
        let input = self.0.decider.wake(due.key)?;
        let at = due.at.map(|at| at.to_string()).unwrap_or_default();
        let name = match due.nudge {
            Some(nudge) => format!("{}/{at}/{nudge}", self.0.consumer),
            None => format!("{}/{at}", self.0.consumer),
        };
        let envelope = Envelope {
            id: Uuid::new_v5(&due.key, name.as_bytes()),
            kind: "wakeup".to_owned(),
            version: 1,
            key: due.key.to_string(),
            source: self.0.consumer.to_owned(),
            time: Utc::now(),
            correlation: due.key,
            causation: None,
            trace: None,
            body: input,
        };
        let span = info_span!("wake", consumer = self.0.consumer, key = %due.key);
        Some(Arrival { envelope, span, origin: Origin::Wake(due) })
    }
}
