//! Turns: tests that bring servers and processes of their own go a few at a time.

use tokio::sync::{Semaphore, SemaphorePermit};

/// How many heavy tests run at once: more would time each other out on a small machine.
const AT_ONCE: usize = 3;

static TURNS: Semaphore = Semaphore::const_new(AT_ONCE);

/// Waits for a turn; it lasts as long as what is given is kept.
pub(crate) async fn turn() -> SemaphorePermit<'static> {
    TURNS.acquire().await.expect("it is never closed")
}
