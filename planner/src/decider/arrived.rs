//! A change that comes in.

use chrono::{DateTime, Utc};
use contracts::Envelope;
use store::Refusal;

use super::Input;
use crate::memory::{Memory, Waiting, Wish};

/// A change as it waits, if there is room for one more.
pub(super) fn arrived(
    memory: &mut Memory,
    input: &Envelope<Input>,
    wish: Wish,
    now: DateTime<Utc>,
) -> Result<Waiting, Refusal> {
    if memory.is_full() {
        let text = "so many changes of the repository wait for Spacelift or the mirror to be read \
                    that no more are taken in";
        return Err(Refusal::Full { text: text.to_owned() });
    }
    memory.repository.clone_from(&wish.change().repository);
    Ok(Waiting {
        event: input.id,
        correlation: input.correlation,
        trace: input.trace.clone(),
        // The sender's clock may be ahead of ours, which the catalogue goes by.
        since: input.time.min(now),
        wish,
        looks: 0,
        missing: 0,
    })
}
