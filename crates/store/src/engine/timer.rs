//! Wake-ups that are due become inputs.

use futures::{StreamExt, TryStreamExt, stream};

use super::{
    Arrival, CancellationToken, DateTime, Decider, Engine, Envelope, Failure, Handed, Instant, Job,
    Origin, TimeDelta, Utc, Uuid, info_span, oneshot, wakeups, warn,
};
use crate::wakeups::{Due, Look};

/// How many states are woken at once.
const PAGE: usize = 256;
/// How many are looked for at once. Those beyond a page are a swarm: a freeze ends.
const SWARM: usize = 16 * PAGE;
/// How many pages of a swarm are decided at the same time. While the database flushes some, others
/// are decided and published; it is half of the connections there are, which others need, too.
const PAGES_AT_ONCE: usize = 4;
/// How long a wake-up that was refused is put off.
const PUT_OFF: TimeDelta = TimeDelta::seconds(30);

impl<D: Decider> Engine<D> {
    /// Wakes what is due, until `shutdown`.
    pub async fn run_wakeups(&self, shutdown: CancellationToken) {
        let alarm = &self.0.alarm;
        alarm.ring();
        loop {
            let looked = Instant::now();
            tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                () = alarm.rung(looked) => {}
            }
            match self.wake_due(&shutdown).await {
                Ok(next) => next.into_iter().for_each(|next| alarm.set(next)),
                Err(error) => warn!(%error, "cannot look for wake-ups"),
            }
        }
    }

    /// Wakes all that is due; gives when the next is.
    async fn wake_due(
        &self,
        shutdown: &CancellationToken,
    ) -> Result<Option<DateTime<Utc>>, sqlx::Error> {
        let limit = i64::try_from(SWARM).unwrap_or(i64::MAX);
        loop {
            let Look { due, next } =
                wakeups::look(self.pool(), self.0.consumer, Utc::now(), limit).await?;
            let is_swarm = due.len() > PAGE;
            let pages: Vec<Vec<Due>> = due.chunks(PAGE).map(<[Due]>::to_vec).collect();
            let pages = stream::iter(pages).map(|page| self.wake_page(page, is_swarm));
            let is_there: Vec<bool> = pages.buffer_unordered(PAGES_AT_ONCE).try_collect().await?;
            let is_there = is_there.into_iter().all(|it| it);
            // What waits for the database is still due; the next look tries it again.
            if due.len() < SWARM || !is_there || shutdown.is_cancelled() {
                return Ok(next);
            }
        }
    }

    /// Wakes one page; gives whether the database is there.
    async fn wake_page(&self, page: Vec<Due>, is_swarm: bool) -> Result<bool, sqlx::Error> {
        let mut arrivals = Vec::with_capacity(page.len());
        let mut woken = Vec::with_capacity(page.len());
        let mut nobody = Vec::new();
        for due in page {
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
            return Ok(true);
        }
        let results = match is_swarm {
            true => self.decide_apart(arrivals).await,
            false => self.ask(arrivals, false).await,
        };
        let Some(results) = results else { return Ok(false) };
        let mut refused = Vec::new();
        let mut is_away = false;
        for (due, result) in woken.into_iter().zip(results) {
            match result {
                Ok(_) => {}
                Err(Failure::Wait { .. }) => is_away = true,
                Err(
                    Failure::Retry { source, .. }
                    | Failure::Full { source, .. }
                    | Failure::Newer { source }
                    | Failure::Reject { source, .. },
                ) => {
                    warn!(key = %due.key, error = format!("{source:#}"), "a wake-up is put off");
                    refused.push(due);
                }
            }
        }
        if !refused.is_empty() {
            let until = Utc::now() + PUT_OFF;
            wakeups::put_off(self.pool(), self.0.consumer, &refused, until).await?;
        }
        Ok(!is_away)
    }

    /// Decides arrivals beside the worker, as another process might: the locks on their states see
    /// to it that each is decided upon by one at a time.
    async fn decide_apart(
        &self,
        arrivals: Vec<Arrival<D::Input>>,
    ) -> Option<Vec<Result<Handed, Failure>>> {
        let (reply, replied) = oneshot::channel();
        if !self.work(vec![Job { arrivals, is_awaited: false, reply }]).await.is_empty() {
            self.0.alarm.ring();
        }
        replied.await.ok()
    }

    /// Wakes states at once, but for a swarm. What cannot be decided now is still due, and found by
    /// the next look.
    pub(super) fn wake(&self, due: Vec<Due>) -> Option<Job<D::Input>> {
        if due.len() > PAGE {
            self.0.alarm.ring();
            return None;
        }
        let arrivals: Vec<_> = due.into_iter().filter_map(|due| self.waken(due)).collect();
        let reply = oneshot::channel().0;
        (!arrivals.is_empty()).then_some(Job { arrivals, is_awaited: false, reply })
    }

    fn waken(&self, due: Due) -> Option<Arrival<D::Input>> {
        let input = self.0.decider.wake(due.key)?;
        let at = due.at.map(|at| at.to_string()).unwrap_or_default();
        let name = match due.nudge {
            Some(nudge) => format!("{}/{at}/{nudge}", self.0.consumer),
            None => format!("{}/{at}", self.0.consumer),
        };
        let id = Uuid::new_v5(&due.key, name.as_bytes());
        let named = ("wakeup", due.key);
        let envelope =
            Envelope::first(self.0.consumer, id, named, Utc::now(), input).within(due.key, None);
        let span = info_span!("wake", consumer = self.0.consumer, key = %due.key);
        Some(Arrival { envelope, span, origin: Origin::Wake(due) })
    }
}
