//! Windows that begin at the times of a cron pattern and last for a while.

use std::{fmt, str::FromStr};

use chrono::{Datelike, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta};
use serde::{Serialize, Serializer};

/// A cron pattern of five fields, and how long each window lasts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cron {
    pattern: croner::Cron,
    times: Vec<NaiveTime>,
    length: TimeDelta,
}

impl Cron {
    /// The longest a window may last.
    pub const LENGTH_MAX: TimeDelta = TimeDelta::days(14);

    /// Reads a pattern. The error says what is wrong.
    pub fn parse(text: &str, length: TimeDelta) -> Result<Self, String> {
        if text.split_whitespace().count() != 5 {
            return Err(format!(
                "`{text}` has not five fields: minute, hour, day, month and weekday"
            ));
        }
        let pattern = croner::Cron::from_str(text).map_err(|error| format!("`{text}`: {error}"))?;
        let values = |component: &croner::CronComponent| component.values();
        let (hours, minutes) = (values(&pattern.pattern.hours), values(&pattern.pattern.minutes));
        let times = hours.iter().flat_map(|hour| {
            minutes.iter().filter_map(|minute| {
                NaiveTime::from_hms_opt(u32::from(*hour), u32::from(*minute), 0)
            })
        });
        let times = times.collect();
        Ok(Self { pattern, times, length })
    }

    /// How many days before today a window that is still open may have begun.
    pub(super) fn days_back(&self) -> u64 {
        u64::try_from(self.length.num_days()).unwrap_or(0) + 1
    }

    /// Begin and end of the windows that begin on `day`, on the wall clock.
    pub(super) fn on(
        &self,
        day: NaiveDate,
    ) -> impl Iterator<Item = (NaiveDateTime, NaiveDateTime)> + '_ {
        let pattern = &self.pattern.pattern;
        let fits = pattern.month_match(day.month()).unwrap_or(false)
            && pattern.day_match(day.year(), day.month(), day.day(), weekday(day)).unwrap_or(false);
        let times = if fits { self.times.as_slice() } else { &[] };
        times.iter().map(move |time| (day.and_time(*time), day.and_time(*time) + self.length))
    }
}

fn weekday(day: NaiveDate) -> croner::Weekday {
    use chrono::Weekday as Day;
    match day.weekday() {
        Day::Mon => croner::Weekday::Monday,
        Day::Tue => croner::Weekday::Tuesday,
        Day::Wed => croner::Weekday::Wednesday,
        Day::Thu => croner::Weekday::Thursday,
        Day::Fri => croner::Weekday::Friday,
        Day::Sat => croner::Weekday::Saturday,
        Day::Sun => croner::Weekday::Sunday,
    }
}

impl fmt::Display for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let minutes = self.length.num_minutes();
        write!(f, "cron {} for ", self.pattern.as_str())?;
        match minutes % 60 {
            0 => write!(f, "{}h", minutes / 60),
            _ => write!(f, "{minutes}m"),
        }
    }
}

impl Serialize for Cron {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
