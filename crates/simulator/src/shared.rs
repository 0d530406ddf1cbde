//! The world behind its lock, and the one task that moves it on.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::{auth::Auth, world::World};

/// What every request and task shares.
pub(crate) struct Shared {
    world: Mutex<World>,
    wake: Notify,
    journal: watch::Sender<u64>,
    pub(crate) auth: Auth,
    pub(crate) http: reqwest::Client,
    pub(crate) stopping: CancellationToken,
}

impl Shared {
    pub(crate) fn new(world: World, auth: Auth, http: reqwest::Client) -> Arc<Self> {
        Arc::new(Self {
            world: Mutex::new(world),
            wake: Notify::new(),
            journal: watch::Sender::new(0),
            auth,
            http,
            stopping: CancellationToken::new(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at the world.
    pub(crate) fn read<T>(&self, look: impl FnOnce(&World) -> T) -> T {
        look(&self.lock())
    }

    /// Does what is due, changes the world, and does what is due because of that. With zero pace
    /// that is all that will ever happen because of the change.
    pub(crate) fn act<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        let mut world = self.lock();
        let due_before = world.agenda.next_due();
        world.work_off_unless_paused();
        world.now = world.now.max(world.clock.now());
        let result = change(&mut world);
        world.work_off_unless_paused();
        let (due, last) = (world.agenda.next_due(), world.journal.last());
        drop(world);
        if due.is_some() && due != due_before {
            self.wake.notify_one();
        }
        self.journal.send_if_modified(|number| {
            let news = *number != last;
            *number = last;
            news
        });
        result
    }

    /// The number of the newest journal entry, as it rises.
    pub(crate) fn journal_numbers(&self) -> watch::Receiver<u64> {
        self.journal.subscribe()
    }

    /// Waits until `duration` is over or the simulator stops.
    pub(crate) async fn pause(&self, duration: Duration) {
        let _over = tokio::time::timeout(duration, self.stopping.cancelled()).await;
    }

    /// Works off the agenda until the simulator stops.
    pub(crate) async fn drive(self: Arc<Self>) {
        while !self.stopping.is_cancelled() {
            let wait = self.act(|world| {
                let due = world.agenda.next_due().filter(|_| !world.clock.paused())?;
                Some(u64::try_from(due - world.clock.now()).unwrap_or(0))
            });
            let woken = async {
                tokio::select! {
                    () = self.wake.notified() => {}
                    () = self.stopping.cancelled() => {}
                }
            };
            match wait {
                Some(milliseconds) => {
                    let _woken =
                        tokio::time::timeout(Duration::from_millis(milliseconds), woken).await;
                }
                None => woken.await,
            }
        }
    }

    /// Wakes the driver after the clock was stopped, started or pushed on.
    pub(crate) fn clock_changed(&self) {
        self.wake.notify_one();
    }
}
