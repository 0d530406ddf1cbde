//! What takes longer than one attempt: it goes on, and the next attempt finds it.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    task::{JoinError, JoinHandle},
    time::Instant,
};
use uuid::Uuid;

/// For how long what is under way is kept although nobody asks for it: another replica has taken
/// over the effect then, and a result may be large.
const UNASKED_MAX: Duration = Duration::from_secs(180);

/// What is under way, by its effect, and when it was asked for last.
#[derive(Debug)]
pub(crate) struct UnderWay<T>(Mutex<HashMap<Uuid, (Instant, JoinHandle<T>)>>);

impl<T> Default for UnderWay<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Send + 'static> UnderWay<T> {
    /// Waits for what an earlier attempt began, or begins it. None if it takes longer.
    pub(crate) async fn wait(
        &self,
        (id, patience): (Uuid, Duration),
        begin: impl Future<Output = T> + Send + 'static,
    ) -> Option<Result<T, JoinError>> {
        let begun = self.take(id);
        self.tasks().retain(|_, (asked_at, _)| asked_at.elapsed() < UNASKED_MAX);
        let mut task = begun.unwrap_or_else(|| tokio::spawn(begin));
        let done = tokio::time::timeout(patience, &mut task).await;
        if done.is_err() {
            self.tasks().insert(id, (Instant::now(), task));
        }
        done.ok()
    }

    /// Nobody waits for it any more.
    pub(crate) fn take(&self, id: Uuid) -> Option<JoinHandle<T>> {
        self.tasks().remove(&id).map(|(_, task)| task)
    }

    /// Whether an earlier attempt began it.
    pub(crate) fn has(&self, id: Uuid) -> bool {
        self.tasks().contains_key(&id)
    }

    fn tasks(&self) -> MutexGuard<'_, HashMap<Uuid, (Instant, JoinHandle<T>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::sync::oneshot;
    use uuid::Uuid;

    use super::{UNASKED_MAX, UnderWay};

    #[tokio::test]
    async fn what_took_longer_than_one_attempt_is_found_by_the_next() {
        let (under_way, id) = (UnderWay::default(), Uuid::from_u128(1));
        let (tell, told) = oneshot::channel::<u32>();

        let first = under_way.wait((id, Duration::from_millis(1)), async { told.await.unwrap() });
        assert!(first.await.is_none());
        assert!(under_way.has(id), "it goes on");
        tell.send(7).unwrap();
        let patience = Duration::from_secs(60);
        let second = under_way.wait((id, patience), async { 0 });

        assert_eq!(second.await.unwrap().unwrap(), 7, "it is begun only once");
        assert!(under_way.take(id).is_none(), "it is over");
        let other = under_way.wait((id, patience), async { 8 });
        assert_eq!(other.await.unwrap().unwrap(), 8);
    }

    #[tokio::test(start_paused = true)]
    async fn what_another_replica_concluded_is_not_kept_for_ever() {
        let (under_way, id) = (UnderWay::default(), Uuid::from_u128(1));
        let patience = Duration::from_secs(2);
        assert!(under_way.wait((id, patience), std::future::pending::<u32>()).await.is_none());
        tokio::time::advance(UNASKED_MAX).await;
        let other = under_way.wait((Uuid::from_u128(2), patience), async { 8 });
        assert_eq!(other.await.unwrap().unwrap(), 8);
        assert!(!under_way.has(id));
    }
}
