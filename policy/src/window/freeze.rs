//! Freezes: times at which nothing may change, whatever the windows say.

use std::fmt;

use chrono::{DateTime, Days, NaiveDate, NaiveDateTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use serde::Serialize;

use super::Dates;

/// How often it is looked whether another span begins where one ends.
const SPANS_MAX: usize = 1000;

/// When nothing may change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Freeze {
    /// From an instant up to, but not including, another.
    pub spans: Vec<(DateTime<Utc>, DateTime<Utc>)>,
    /// Whole days.
    pub dates: Vec<Dates>,
    /// Whose days are meant.
    pub zone: Tz,
}

impl Freeze {
    /// The first instant from `now` on that is not frozen; none if there is none.
    pub fn next_opening(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let mut at = now;
        for _ in 0..SPANS_MAX {
            match self.end(at) {
                None => return Some(at),
                Some(end) => at = end,
            }
        }
        None
    }

    /// The end of a span that holds `at`.
    fn end(&self, at: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let spans = self.spans.iter().filter(|(from, until)| *from <= at && at < *until);
        if let Some(end) = spans.map(|(_, until)| *until).max() {
            return Some(end);
        }
        if self.dates.is_empty() {
            return None;
        }
        let day = at.with_timezone(&self.zone).date_naive();
        let frozen = self.dates.iter().any(|dates| dates.contain(day));
        // Where a day is left out, or midnight is, its begin is not after `at`.
        frozen.then(|| start_of(self.zone, day + Days::new(1)).max(at + TimeDelta::seconds(1)))
    }
}

/// The first instant of a day in a zone.
fn start_of(zone: Tz, day: NaiveDate) -> DateTime<Utc> {
    instant(zone, day.and_hms_opt(0, 0, 0).expect("midnight is a time"))
}

/// The first instant at which a clock on the wall shows this time or, if it is skipped, a later
/// one.
pub(crate) fn instant(zone: Tz, local: NaiveDateTime) -> DateTime<Utc> {
    let mut local = local;
    // No zone has ever skipped more than a day.
    for _ in 0..=(26 * 4) {
        if let Some(found) = zone.from_local_datetime(&local).earliest() {
            return found.with_timezone(&Utc);
        }
        let quarters = local.and_utc().timestamp().div_euclid(900) + 1;
        local = DateTime::from_timestamp(quarters * 900, 0).unwrap_or_default().naive_utc();
    }
    local.and_utc()
}

impl fmt::Display for Freeze {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let clock = |at: &DateTime<Utc>| at.with_timezone(&self.zone).format("%Y-%m-%d %H:%M");
        let spans =
            self.spans.iter().map(|(from, until)| format!("{} to {}", clock(from), clock(until)));
        let dates = self.dates.iter().map(Dates::to_string);
        let all: Vec<String> = spans.chain(dates).collect();
        write!(f, "{}, {}", all.join(" and "), self.zone)
    }
}
