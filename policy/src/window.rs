//! Deployment windows and freezes: the times of the wall clock, in a zone, at which things may
//! change.
//!
//! A window is open exactly when a clock on the wall of its zone shows a time inside it. Nothing
//! else is said about daylight-saving time, and nothing else needs to be: an hour that is shown
//! twice is inside twice, an hour that is skipped never comes.

mod cron;
mod days;
mod freeze;
mod hours;
mod recurrence;

use std::fmt;

use chrono::{
    DateTime, Datelike, Days as DayCount, NaiveDate, NaiveDateTime, NaiveTime, Offset, TimeDelta,
    TimeZone, Utc,
};
use chrono_tz::Tz;
use serde::Serialize;

pub(crate) use cron::Cron;
pub(crate) use days::Dates;
pub(crate) use freeze::{Freeze, instant};
pub(crate) use hours::{Hours, Weekdays};
pub(crate) use recurrence::Recurrence;

/// A week holds every opening of a schedule of weekdays.
const WEEK: usize = 9;
/// Eight years hold a 29th of February, and with it every opening of the others.
const YEARS: usize = 366 * 8 + WEEK;
/// How often a window is looked for behind the one that opens last.
const ROUNDS: usize = 300;

/// Whether a date lies where every calendar can be reckoned with; what somebody writes beyond is a
/// mistake.
pub(crate) fn is_near(date: NaiveDate) -> bool {
    (1900..=9999).contains(&date.year())
}

/// When things may change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Schedule {
    /// Ranges of hours; any of them.
    pub hours: Vec<Hours>,
    /// The days on which those ranges begin.
    pub days: Weekdays,
    /// Whose clock is meant.
    pub zone: Tz,
    /// Days that are left out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub except: Vec<Dates>,
    /// Only days that belong to this rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recurrence: Option<Recurrence>,
    /// Windows that begin at these times, in place of the ranges of hours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cron: Option<Cron>,
}

/// Whether a window is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Window {
    /// It is.
    Open,
    /// Not before this instant, at which it is.
    ClosedUntil(DateTime<Utc>),
    /// It will not open again.
    Never,
}

/// What says when things may change.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Calendar<'a> {
    /// Inside of windows.
    Window(&'a Schedule),
    /// Outside of freezes.
    Freeze(&'a Freeze),
    /// From an instant on.
    After(DateTime<Utc>),
    /// Not before people say so.
    Stopped,
}

impl Calendar<'_> {
    /// The first instant from `now` on at which things may change.
    pub(crate) fn next_opening(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        match self {
            Self::Window(schedule) => schedule.next_opening(now),
            Self::Freeze(freeze) => freeze.next_opening(now),
            Self::After(instant) => Some(now.max(*instant)),
            Self::Stopped => None,
        }
    }

    /// Whether things may change at `now`, and if not, when they may next.
    pub(crate) fn open(&self, now: DateTime<Utc>) -> Window {
        match self.next_opening(now) {
            Some(opening) if opening == now => Window::Open,
            Some(opening) => Window::ClosedUntil(opening),
            None => Window::Never,
        }
    }
}

/// The first instant from `now` on at which all of them let things change, if there is one in a
/// foreseeable time.
pub(crate) fn all_open<'a>(
    calendars: impl Iterator<Item = Calendar<'a>> + Clone,
    now: DateTime<Utc>,
) -> Option<DateTime<Utc>> {
    let mut at = now;
    for _ in 0..ROUNDS {
        let mut latest = at;
        for calendar in calendars.clone() {
            latest = latest.max(calendar.next_opening(at)?);
        }
        if latest == at {
            return Some(at);
        }
        at = latest;
    }
    None
}

impl Schedule {
    /// The first instant from `now` on at which the window is open; none if it never is.
    ///
    /// Goes over the time ahead in pieces in which the zone's offset does not change: inside one,
    /// the wall clock is a straight line. What opens many days ahead is jumped to: the wall clock
    /// shows nothing but closed times until then.
    fn next_opening(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let mut at = now;
        for _ in 0..YEARS {
            let offset = offset(self.zone, at);
            let local = at.naive_utc() + offset;
            let opening = self.next_local(local)?;
            if opening == local {
                return Some(at);
            }
            let end = piece_end(self.zone, at);
            let instant = (opening - offset).and_utc();
            if instant < end {
                return Some(instant);
            }
            let (ahead, is_whole_day) = (opening - local, end == at + TimeDelta::days(1));
            at = match is_whole_day && ahead > TimeDelta::days(4) {
                true => at + ahead - TimeDelta::days(2),
                false => end,
            };
        }
        None
    }

    /// The first time on the wall clock, from `local` on, that lies inside, if the clock is left
    /// alone.
    fn next_local(&self, local: NaiveDateTime) -> Option<NaiveDateTime> {
        let back = self.cron.as_ref().map_or(1, Cron::days_back);
        let first = local.date().checked_sub_days(DayCount::new(back))?;
        let is_weekly = self.except.is_empty() && self.recurrence.is_none() && self.cron.is_none();
        let days = if is_weekly { WEEK } else { YEARS };
        for day in first.iter_days().take(days) {
            if self.recurrence.as_ref().is_some_and(|rule| rule.is_over(day)) {
                return None;
            }
            if !self.begins_on(day) {
                continue;
            }
            let inside = |range| self.first_inside(range, local);
            let opening = match &self.cron {
                Some(cron) => cron.on(day).filter_map(inside).min(),
                None => self.hours.iter().map(|hours| hours.on(day)).filter_map(inside).min(),
            };
            if opening.is_some() {
                return opening;
            }
        }
        None
    }

    /// The first time of a range, from `local` on, on a day that is not left out: a window that began
    /// the day before is closed on such a day, too.
    fn first_inside(
        &self,
        (begin, end): (NaiveDateTime, NaiveDateTime),
        local: NaiveDateTime,
    ) -> Option<NaiveDateTime> {
        let mut at = begin.max(local);
        while at < end && self.leaves_out(at.date()) {
            at = at.date().succ_opt()?.and_time(NaiveTime::MIN);
        }
        (at < end).then_some(at)
    }

    fn leaves_out(&self, day: NaiveDate) -> bool {
        self.except.iter().any(|dates| dates.contain(day))
    }

    /// Whether windows may begin on this day.
    fn begins_on(&self, day: NaiveDate) -> bool {
        self.days.contains(day.weekday())
            && !self.leaves_out(day)
            && self.recurrence.as_ref().is_none_or(|rule| rule.falls_on(day))
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cron {
            Some(cron) => write!(f, "{cron}")?,
            None => {
                let hours: Vec<String> = self.hours.iter().map(Hours::to_string).collect();
                write!(f, "{} on {}", hours.join(" and "), self.days)?;
            }
        }
        if let Some(rule) = &self.recurrence {
            write!(f, " of {rule}")?;
        }
        write!(f, ", {}", self.zone)?;
        if !self.except.is_empty() {
            let dates: Vec<String> = self.except.iter().map(Dates::to_string).collect();
            write!(f, ", not on {}", dates.join(", "))?;
        }
        Ok(())
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
