//! What takes longer than one attempt: it goes on, and the next attempt finds it.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::task::{JoinError, JoinHandle};
use uuid::Uuid;

/// What is under way, by its effect.
#[derive(Debug)]
pub(crate) struct UnderWay<T>(Mutex<HashMap<Uuid, JoinHandle<T>>>);

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
        let mut task = begun.unwrap_or_else(|| tokio::spawn(begin));
        let done = tokio::time::timeout(patience, &mut task).await;
        if done.is_err() {
            self.tasks().insert(id, task);
        }
        done.ok()
    }

    /// Nobody waits for it any more.
    pub(crate) fn take(&self, id: Uuid) -> Option<JoinHandle<T>> {
        self.tasks().remove(&id)
    }

    /// Whether an earlier attempt began it.
    pub(crate) fn has(&self, id: Uuid) -> bool {
        self.tasks().contains_key(&id)
    }

    fn tasks(&self) -> MutexGuard<'_, HashMap<Uuid, JoinHandle<T>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::sync::oneshot;
    use uuid::Uuid;

    use super::UnderWay;

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
}
