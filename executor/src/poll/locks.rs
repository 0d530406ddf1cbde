//! Locks of ours that somebody took off in Spacelift: nothing tells of that, so they are looked at.

use chrono::{TimeDelta, Utc};
use contracts::{Code, Envelope, Reason};
use futures::future::join_all;
use uuid::Uuid;

use super::Poller;
use crate::{
    CARD,
    input::Input,
    lock::{self, LockInput, LockKind, LockWord, Whose, theirs},
    store::{HeldLock, locks_to_look_at},
};

impl Poller {
    /// Asks about locks that were not looked at for a while.
    pub(super) async fn look_at_locks(&self) -> anyhow::Result<()> {
        let now = Utc::now();
        let before = now - TimeDelta::from_std(self.lock_rest)?;
        let held = locks_to_look_at(&self.engine.decider().pool, before, now).await?;
        let looks = held.into_iter().map(async |held| match self.instead_of(&held).await {
            Some(reason) => self.engine.submit(taken_off(held, reason)).await.map(|_| ()),
            None => Ok(()),
        });
        for result in join_all(looks).await {
            result?;
        }
        Ok(())
    }

    /// What is there instead of our lock; none if it is there, or nobody can tell.
    async fn instead_of(&self, held: &HeldLock) -> Option<Reason> {
        match self.spacelift.hold(&held.stack).await {
            Ok(hold) => match Whose::is(hold.lock, &held.mark) {
                Whose::Ours => None,
                Whose::Nobodys => {
                    let text = format!("it was unlocked in Spacelift; {} had locked it", held.by);
                    Some(Reason::new(Code::Allowed, text))
                }
                Whose::Theirs(lock) => Some(theirs(&lock)),
            },
            // Our key may not see it for a while: that says nothing of the lock.
            Err(error) => {
                tracing::warn!(%error, stack.id = %held.stack, "cannot look whether it is locked");
                None
            }
        }
    }
}

fn taken_off(held: HeldLock, reason: Reason) -> Envelope<Input> {
    let HeldLock { stack, mark, .. } = held;
    // Each lock is taken off once.
    let id = Uuid::new_v5(&lock::key(&stack), format!("taken_off/{mark}").as_bytes());
    let (named, what) =
        (("lock.taken_off", stack.to_string()), LockWord::TakenOff { mark, reason });
    let body = Input::Lock(LockInput { stack, kind: LockKind::Unlock, what });
    Envelope::first(CARD.consumer, id, named, Utc::now(), body)
}
