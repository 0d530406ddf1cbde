use std::time::Duration;

use tokio::time::Instant;

use super::{Patience, pause_before_repeating};
use crate::Error;

const TEN: Duration = Duration::from_secs(10);

#[test]
fn what_could_not_be_answered_in_time_is_not_sent() {
    let left =
        |seconds| Patience { ends_at: Instant::now() + Duration::from_secs(seconds), whole: TEN };
    assert!(left(9).for_sending().is_ok());
    assert!(left(3).for_sending().unwrap() > Patience::for_connecting(TEN));
    assert!(matches!(left(2).for_sending(), Err(Error::Unavailable { .. })));
}

#[test]
fn pauses_grow_and_end() {
    let error = Error::Unavailable { source: "502".into() };
    let pauses = |chance| {
        [1, 2, 3, 4].map(|attempt| {
            pause_before_repeating(&error, attempt, TEN, chance).map(|pause| pause.as_millis())
        })
    };
    assert_eq!(pauses(1.0), [Some(200), Some(400), Some(800), None]);
    assert_eq!(pauses(0.0), [Some(100), Some(200), Some(400), None]);
}

#[test]
fn only_what_may_be_better_soon_is_repeated() {
    let repeated = |error: Error| pause_before_repeating(&error, 1, TEN, 1.0).is_some();
    let limited =
        |seconds: u64| Error::RateLimited { retry_after: Some(Duration::from_secs(seconds)) };
    assert!(repeated(Error::Unreachable { source: "refused".into() }));
    assert!(repeated(Error::RateLimited { retry_after: None }));
    assert!(repeated(limited(4)));
    assert!(!repeated(limited(6)));
    assert!(!repeated(Error::Uncertain { source: "lost".into() }));
    assert!(!repeated(Error::Garbled { source: "html".into() }));
    assert!(!repeated(Error::Unauthorized));
    assert!(!repeated(Error::NotFound));
    assert!(!repeated(Error::Refused { reason: "no".into() }));
}
