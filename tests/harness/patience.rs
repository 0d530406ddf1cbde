//! Waiting for a condition, with a time-out that tells what was seen last.

use std::{fmt::Debug, time::Duration};

/// How long a test waits for what must happen.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// How often it looks.
const LOOK: Duration = Duration::from_millis(25);

/// Looks until `wanted` is pleased with what `look` sees; panics with what was seen last.
pub async fn eventually<T, Look, Seen>(
    what: &str,
    patience: Duration,
    mut look: Look,
    wanted: impl Fn(&T) -> bool,
) -> T
where
    T: Debug,
    Look: FnMut() -> Seen,
    Seen: Future<Output = T>,
{
    let mut last = None;
    let search = async {
        let mut ticks = tokio::time::interval(LOOK);
        loop {
            ticks.tick().await;
            let seen = look().await;
            if wanted(&seen) {
                return seen;
            }
            last = Some(seen);
        }
    };
    match tokio::time::timeout(patience, search).await {
        Ok(seen) => seen,
        Err(_) => panic!("waited {patience:?} in vain for {what}; last seen: {last:#?}"),
    }
}
