//! Ranges of hours and of weekdays, as written in a schedule.

use std::fmt;

use chrono::{NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Weekday};
use serde::{Serialize, Serializer};

const MINUTES_PER_DAY: u16 = 24 * 60;
const NAMES: [&str; 7] = ["MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"];

/// `9-17`: from 9:00 up to, but not including, 17:00. `22-6` goes over midnight and belongs to the
/// day on which it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hours {
    begin: u16,
    length: u16,
}

impl Hours {
    /// Reads `9-17`, `9:30-17:15`, `22-6`, `0-24`. The error says what is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (begin, end) = text
            .split_once('-')
            .ok_or_else(|| format!("`{text}` is not a range of hours; it has no `-`"))?;
        let (begin, end) = (minute(begin)?, minute(end)?);
        if begin == MINUTES_PER_DAY {
            return Err(format!("`{text}` begins at 24; a day begins at 0"));
        }
        if begin == end {
            return Err(format!("`{text}` begins where it ends"));
        }
        let end = if end < begin { end + MINUTES_PER_DAY } else { end };
        Ok(Self { begin, length: end - begin })
    }

    /// Begin and end of the range that begins on `day`, on the wall clock.
    pub(super) fn on(self, day: NaiveDate) -> (NaiveDateTime, NaiveDateTime) {
        let begin = day.and_time(NaiveTime::MIN) + TimeDelta::minutes(self.begin.into());
        (begin, begin + TimeDelta::minutes(self.length.into()))
    }
}

/// Minutes since midnight of `9`, `09` or `9:30`.
fn minute(text: &str) -> Result<u16, String> {
    let wrong = || format!("`{}` is not a time of day", text.trim());
    let (hour, minute) = text.trim().split_once(':').unwrap_or_else(|| (text.trim(), "0"));
    let number = |digits: &str| {
        let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        plain.then(|| digits.parse::<u16>().ok()).flatten().ok_or_else(wrong)
    };
    let (hour, minute) = (number(hour)?, number(minute)?);
    if hour > 24 || minute > 59 || (hour == 24 && minute > 0) {
        return Err(format!("`{}` is past the end of the day", text.trim()));
    }
    Ok(hour * 60 + minute)
}

impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = self.begin + self.length;
        let end = if end > MINUTES_PER_DAY { end - MINUTES_PER_DAY } else { end };
        for (dash, minute) in [("", self.begin), ("-", end)] {
            write!(f, "{dash}{}", minute / 60)?;
            if minute % 60 != 0 {
                write!(f, ":{:02}", minute % 60)?;
            }
        }
        Ok(())
    }
}

impl Serialize for Hours {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A set of weekdays.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Weekdays(u8);

impl Weekdays {
    /// Every day.
    pub const ALL: Self = Self(0b111_1111);

    /// Reads `MON`, `Monday`, `MON-FRI`, `FRI-MON` (over the weekend). The error says what is
    /// wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let (first, last) = (weekday(first)?, weekday(last)?);
        let mut days = Self::default();
        let mut day = first;
        loop {
            days.0 |= 1 << day.num_days_from_monday();
            if day == last {
                return Ok(days);
            }
            day = day.succ();
        }
    }

    /// The days of both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether `day` is one of them.
    pub fn contains(self, day: Weekday) -> bool {
        self.0 & (1 << day.num_days_from_monday()) != 0
    }
}

fn weekday(text: &str) -> Result<Weekday, String> {
    text.trim().parse().map_err(|_| format!("`{}` is not a day of the week", text.trim()))
}

impl fmt::Display for Weekdays {
    /// Runs of days, from Monday on: `MON-FRI, SUN`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let has = |index: usize| index < 7 && self.0 & (1 << index) != 0;
        let mut comma = "";
        for first in (0..7).filter(|index| has(*index) && (*index == 0 || !has(index - 1))) {
            let last = (first..7).take_while(|index| has(*index)).last().unwrap_or(first);
            write!(f, "{comma}{}", NAMES[first])?;
            if last > first {
                write!(f, "-{}", NAMES[last])?;
            }
            comma = ", ";
        }
        Ok(())
    }
}

impl Serialize for Weekdays {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
