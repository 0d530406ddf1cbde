//! Dead letters that the broker lost are put back for as long as people may ask for them.

use bus::{BusError, LetterFate, LetterPlace};
use chrono::{TimeDelta, Utc};
use contracts::topology::DEAD_LETTERS;
use tracing::{error, warn};
use uuid::Uuid;

use super::{Relay, RelayError};
use crate::buried::{self, Buried};

/// How many letters are looked at together.
const PAGE: i64 = 100;
/// How old a letter must be before it is taken for left over if it was put nowhere: until then,
/// whoever gives the message up may be about to do it.
const GRACE: TimeDelta = TimeDelta::seconds(60);

impl Relay {
    /// Puts letters back, if the stream may have lost any since this process looked last.
    pub(super) async fn refill_letters(&mut self, era: Uuid) -> Result<(), RelayError> {
        let newest = self.bus.letters().await?;
        // One that is shorter than it was lost its end, whatever the era.
        let is_whole = |(of, known): (Uuid, LetterPlace)| {
            of == era && known.life == newest.life && known.sequence <= newest.sequence
        };
        if self.letters.is_some_and(is_whole) {
            self.letters = Some((era, newest));
            return Ok(());
        }
        let pool = self.store.pool();
        let age = TimeDelta::from_std(DEAD_LETTERS.max_age).unwrap_or(TimeDelta::MAX);
        buried::prune(pool, Utc::now() - age).await?;
        let mut after = (String::new(), Uuid::nil());
        let mut lost = 0_usize;
        loop {
            let page = buried::page(pool, &after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = (last.letter.consumer.clone(), last.letter.key);
            for Buried { letter, place, at } in page {
                let fate = match place {
                    Some(place) => self.bus.fate_of(&letter, place, newest).await?,
                    None if Utc::now() - at < GRACE => LetterFate::Stands,
                    None => LetterFate::Lost,
                };
                match fate {
                    LetterFate::Stands => {}
                    LetterFate::Taken => buried::forget(pool, &letter).await?,
                    LetterFate::Lost => match self.bus.publish_letter(&letter).await {
                        Ok(place) => {
                            buried::note(pool, &letter, place).await?;
                            lost += 1;
                        }
                        // It must not keep the others, and all answers, from being published.
                        Err(error @ BusError::TooLarge { .. }) => {
                            error!(%error, "a dead letter is not put back");
                        }
                        Err(error) => return Err(error.into()),
                    },
                }
            }
        }
        if lost > 0 {
            warn!(letters = lost, "the broker lost dead letters; they are there again");
        }
        self.letters = Some((era, newest));
        Ok(())
    }
}
