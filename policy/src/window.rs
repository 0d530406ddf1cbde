//! Deployment windows: the hours of the wall clock, in a time zone, at which things may change.
//!
//! A window is open exactly when a clock on the wall of its zone shows a time inside it. Nothing
//! else is said about daylight-saving time, and nothing else needs to be: an hour that is shown
//! twice is inside twice, an hour that is skipped never comes.

mod hours;

use std::fmt;

use chrono::{
    DateTime, Datelike, Days as DayCount, NaiveDateTime, Offset, TimeDelta, TimeZone, Utc,
};
use chrono_tz::Tz;
use serde::Serialize;

pub use hours::{Hours, Weekdays};

/// How far ahead an opening is looked for. A week holds every opening there is, unless the clocks
/// jump over it; two jumps in a row do not happen.
const HORIZON: TimeDelta = TimeDelta::days(22);

/// When things may change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Schedule {
    /// Ranges of hours; any of them.
    pub hours: Vec<Hours>,
    /// The days on which those ranges begin.
    pub days: Weekdays,
    /// Whose clock is meant.
    pub zone: Tz,
}

/// Whether a window is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window {
    /// It is.
    Open,
    /// Not before this instant, at which it is.
    ClosedUntil(DateTime<Utc>),
}

/// Whether the window is open at `now`, and if not, when it opens next.
pub fn open(schedule: &Schedule, now: DateTime<Utc>) -> Window {
    match schedule.next_opening(now) {
        opening if opening == now => Window::Open,
        opening => Window::ClosedUntil(opening),
    }
}

/// The first instant from `now` on at which all windows are open, if there is one in a month.
pub fn all_open<'a>(
    schedules: impl Iterator<Item = &'a Schedule> + Clone,
    now: DateTime<Utc>,
) -> Option<DateTime<Utc>> {
    let mut at = now;
    while at <= now + TimeDelta::days(31) {
        let latest = schedules.clone().map(|schedule| schedule.next_opening(at)).max()?;
        if latest == at {
            return Some(at);
        }
        at = latest;
    }
    None
}

impl Schedule {
    /// The first instant from `now` on at which the window is open.
    ///
    /// Goes over the time ahead in pieces in which the zone's offset does not change: inside one,
    /// the wall clock is a straight line. Should nothing open up to the horizon, the horizon is
    /// the answer, at which it is asked anew.
    fn next_opening(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        let mut at = now;
        while at < now + HORIZON {
            let offset = offset(self.zone, at);
            let end = piece_end(self.zone, at);
            let opening = self.next_local(at.naive_utc() + offset).map(|local| local - offset);
            match opening {
                Some(opening) if opening < end.naive_utc() => return opening.and_utc(),
                _ => at = end,
            }
        }
        at
    }

    /// The first time on the wall clock, from `local` on, that lies inside, if the clock is left
    /// alone.
    fn next_local(&self, local: NaiveDateTime) -> Option<NaiveDateTime> {
        let yesterday = local.date().checked_sub_days(DayCount::new(1))?;
        let days = yesterday.iter_days().take(9).filter(|day| self.days.contains(day.weekday()));
        for day in days {
            let ranges = self.hours.iter().map(|hours| hours.on(day));
            let opening = ranges.filter(|(_, end)| local < *end).map(|(begin, _)| begin).min();
            if let Some(opening) = opening {
                return Some(opening.max(local));
            }
        }
        None
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hours: Vec<String> = self.hours.iter().map(Hours::to_string).collect();
        write!(f, "{} on {}, {}", hours.join(" and "), self.days, self.zone)
    }
}

fn offset(zone: Tz, at: DateTime<Utc>) -> TimeDelta {
    let seconds = zone.offset_from_utc_datetime(&at.naive_utc()).fix().local_minus_utc();
    TimeDelta::seconds(seconds.into())
}

/// The end of the piece without a change of offset that begins at `at`: the first change, or a day
/// later. No zone has ever changed twice within a day.
fn piece_end(zone: Tz, at: DateTime<Utc>) -> DateTime<Utc> {
    let tomorrow = at + TimeDelta::days(1);
    let before = offset(zone, at);
    if before == offset(zone, tomorrow) {
        return tomorrow;
    }
    // Changes fall on whole seconds. Invariant: `same` has the old offset, `other` the new one.
    let (mut same, mut other) = (at.timestamp(), tomorrow.timestamp());
    while other - same > 1 {
        let middle = same + (other - same) / 2;
        let instant = DateTime::from_timestamp(middle, 0).expect("between two valid instants");
        if offset(zone, instant) == before { same = middle } else { other = middle }
    }
    DateTime::from_timestamp(other, 0).expect("between two valid instants")
}

#[cfg(test)]
mod tests;
