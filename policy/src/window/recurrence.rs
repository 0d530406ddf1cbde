//! Days that come again: recurrence rules of RFC 5545, and cron.
//!
//! A rule answers one question: does this day belong to it? So it works with every zone and every
//! change of clocks: days are days of the calendar on the wall.

use std::fmt;

use chrono::{Datelike, Days, NaiveDate, Weekday};
use serde::{Serialize, Serializer};

/// How many days `COUNT` is followed; a rule that has not ended by then is not accepted.
const COUNT_DAYS_MAX: u64 = 366 * 60;

/// A rule of RFC 5545, as far as it speaks of days.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recurrence {
    text: String,
    frequency: Frequency,
    interval: i64,
    /// The first day there is (`DTSTART`); what the interval counts from.
    start: Option<NaiveDate>,
    /// The last day there is (`UNTIL`, or what `COUNT` comes to).
    last: Option<NaiveDate>,
    months: Vec<u32>,
    month_days: Vec<i32>,
    week_days: Vec<(Option<i32>, Weekday)>,
    positions: Vec<i32>,
    week_start: Weekday,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Frequency {
    Daily,
    Weekly,
    Monthly,
    Yearly,
}

impl Recurrence {
    /// Reads `FREQ=MONTHLY;BYDAY=2TU`. The error says what is wrong.
    pub fn parse(text: &str, start: Option<NaiveDate>) -> Result<Self, String> {
        let body = text.trim().strip_prefix("RRULE:").unwrap_or_else(|| text.trim());
        let mut rule = Self {
            text: body.to_owned(),
            frequency: Frequency::Daily,
            interval: 1,
            start,
            last: None,
            months: Vec::new(),
            month_days: Vec::new(),
            week_days: Vec::new(),
            positions: Vec::new(),
            week_start: Weekday::Mon,
        };
        let (mut has_frequency, mut count) = (false, None);
        for part in body.split(';').filter(|part| !part.is_empty()) {
            let (key, value) =
                part.split_once('=').ok_or_else(|| format!("`{part}` has no `=`"))?;
            match key.to_ascii_uppercase().as_str() {
                "FREQ" => {
                    rule.frequency = frequency(value)?;
                    has_frequency = true;
                }
                "COUNT" => count = Some(number::<usize>(part, value)?),
                _ => rule.part(part, key, value)?,
            }
        }
        if !has_frequency {
            return Err("a rule begins with `FREQ=`".to_owned());
        }
        rule.settle(count)?;
        Ok(rule)
    }

    fn part(&mut self, part: &str, key: &str, value: &str) -> Result<(), String> {
        let list = || value.split(',').map(str::trim);
        match key.to_ascii_uppercase().as_str() {
            "INTERVAL" => self.interval = number::<i64>(part, value)?,
            "UNTIL" => {
                let digits = value.get(..8).unwrap_or_default();
                let date = NaiveDate::parse_from_str(digits, "%Y%m%d").ok();
                let date = date.filter(|date| super::is_near(*date));
                self.last =
                    Some(date.ok_or_else(|| format!("`{part}` is not a date, as `20261231`"))?);
            }
            "BYMONTH" => self.months = list().map(|n| number(part, n)).collect::<Result<_, _>>()?,
            "BYMONTHDAY" => {
                self.month_days = list().map(|n| number(part, n)).collect::<Result<_, _>>()?;
            }
            "BYSETPOS" => {
                self.positions = list().map(|n| number(part, n)).collect::<Result<_, _>>()?;
            }
            "BYDAY" => self.week_days = list().map(week_day).collect::<Result<_, _>>()?,
            "WKST" => self.week_start = week_day(value)?.1,
            "BYHOUR" | "BYMINUTE" | "BYSECOND" => {
                return Err(format!("`{key}` speaks of hours; `allowed_hours` does that"));
            }
            _ => return Err(format!("`{key}` is not known here")),
        }
        Ok(())
    }

    /// Fills in what follows from the start, and finds the end.
    fn settle(&mut self, count: Option<usize>) -> Result<(), String> {
        if self.interval < 1 {
            return Err("`INTERVAL` counts from 1".to_owned());
        }
        // Where no day is named, the standard takes it from the first.
        let names_no_day = match self.frequency {
            Frequency::Daily => false,
            Frequency::Weekly => self.week_days.is_empty(),
            Frequency::Monthly | Frequency::Yearly => {
                self.week_days.is_empty() && self.month_days.is_empty()
            }
        };
        let depends = self.interval > 1 || count.is_some() || names_no_day;
        if depends && self.start.is_none() {
            return Err("this rule counts from a first day; give the schedule a `start`".to_owned());
        }
        let ordinal = self.week_days.iter().any(|(ordinal, _)| ordinal.is_some());
        if ordinal && matches!(self.frequency, Frequency::Daily | Frequency::Weekly) {
            return Err("a numbered day such as `2TU` needs `FREQ=MONTHLY` or `YEARLY`".to_owned());
        }
        if !self.positions.is_empty() && self.frequency != Frequency::Monthly {
            return Err("`BYSETPOS` is known for `FREQ=MONTHLY` alone".to_owned());
        }
        if let (Some(count), Some(start)) = (count, self.start) {
            self.last = Some(self.last_of(count, start)?);
        }
        Ok(())
    }

    fn last_of(&self, count: usize, start: NaiveDate) -> Result<NaiveDate, String> {
        let mut day = start;
        let mut left = count;
        for _ in 0..COUNT_DAYS_MAX {
            if self.falls_on(day) {
                left = left.saturating_sub(1);
                if left == 0 {
                    return Ok(day);
                }
            }
            day = day.checked_add_days(Days::new(1)).ok_or("the calendar ends before that")?;
        }
        Err("`COUNT` reaches too far ahead; write `UNTIL`".to_owned())
    }

    /// Whether no day from `day` on belongs to it any more.
    pub fn is_over(&self, day: NaiveDate) -> bool {
        self.last.is_some_and(|last| day > last)
    }

    /// Whether `day` belongs to it.
    pub fn falls_on(&self, day: NaiveDate) -> bool {
        if self.start.is_some_and(|start| day < start) || self.is_over(day) {
            return false;
        }
        self.is_in_turn(day)
            && self.fits(day)
            && (self.positions.is_empty() || self.has_position(day))
    }

    /// Whether the day's week, month or year is one of every `interval`.
    fn is_in_turn(&self, day: NaiveDate) -> bool {
        let Some(start) = self.start else { return true };
        let apart = match self.frequency {
            Frequency::Daily => (day - start).num_days(),
            Frequency::Weekly => {
                let monday = |day: NaiveDate| day.week(self.week_start).first_day();
                (monday(day) - monday(start)).num_days() / 7
            }
            Frequency::Monthly => months(day) - months(start),
            Frequency::Yearly => i64::from(day.year() - start.year()),
        };
        apart % self.interval == 0
    }

    fn fits(&self, day: NaiveDate) -> bool {
        let start = self.start.unwrap_or(day);
        let any_month = self.months.is_empty();
        let by_day = !self.week_days.is_empty() || !self.month_days.is_empty();
        if !any_month && !self.months.contains(&day.month()) {
            return false;
        }
        if any_month
            && !by_day
            && self.frequency == Frequency::Yearly
            && day.month() != start.month()
        {
            return false;
        }
        if !self.month_days.is_empty() && !self.month_days.iter().any(|n| is_month_day(day, *n)) {
            return false;
        }
        if !self.week_days.is_empty() {
            return self.week_days.iter().any(|(ordinal, wanted)| {
                *wanted == day.weekday() && ordinal.is_none_or(|n| self.is_ordinal(day, n))
            });
        }
        match self.frequency {
            Frequency::Daily => true,
            Frequency::Weekly => day.weekday() == start.weekday(),
            Frequency::Monthly | Frequency::Yearly => by_day || day.day() == start.day(),
        }
    }

    /// Whether it is the `n`-th such weekday of its month, or of its year where no month is named.
    fn is_ordinal(&self, day: NaiveDate, n: i32) -> bool {
        let of_year = self.frequency == Frequency::Yearly && self.months.is_empty();
        let (at, length) = if of_year {
            (day.ordinal(), if day.leap_year() { 366 } else { 365 })
        } else {
            (day.day(), month_length(day))
        };
        let place = i32::try_from((at - 1) / 7 + 1).unwrap_or(i32::MAX);
        let from_end = i32::try_from((length - at) / 7 + 1).unwrap_or(i32::MAX);
        place == n || -from_end == n
    }

    /// Whether the day is one of the wanted among the fitting days of its month.
    fn has_position(&self, day: NaiveDate) -> bool {
        let fitting: Vec<u32> = (1..=month_length(day))
            .filter(|n| day.with_day(*n).is_some_and(|day| self.fits(day)))
            .collect();
        let Some(at) = fitting.iter().position(|n| *n == day.day()) else { return false };
        let at = i32::try_from(at).unwrap_or(i32::MAX);
        let count = i32::try_from(fitting.len()).unwrap_or(i32::MAX);
        self.positions.iter().any(|n| *n == at + 1 || *n == at - count)
    }
}

fn frequency(value: &str) -> Result<Frequency, String> {
    match value.to_ascii_uppercase().as_str() {
        "DAILY" => Ok(Frequency::Daily),
        "WEEKLY" => Ok(Frequency::Weekly),
        "MONTHLY" => Ok(Frequency::Monthly),
        "YEARLY" => Ok(Frequency::Yearly),
        "HOURLY" | "MINUTELY" | "SECONDLY" => {
            Err(format!("`FREQ={value}` is finer than a day; `allowed_hours` says which hours"))
        }
        _ => Err(format!("there is no `FREQ={value}`")),
    }
}

fn number<N: std::str::FromStr>(part: &str, text: &str) -> Result<N, String> {
    text.parse().map_err(|_| format!("`{part}` wants whole numbers"))
}

fn week_day(text: &str) -> Result<(Option<i32>, Weekday), String> {
    let text = text.trim();
    let wrong = || format!("`{text}` is not a day; they are MO, TU, WE, TH, FR, SA and SU");
    let (ordinal, name) = text.split_at_checked(text.len().saturating_sub(2)).ok_or_else(wrong)?;
    let day = match name.to_ascii_uppercase().as_str() {
        "MO" => Weekday::Mon,
        "TU" => Weekday::Tue,
        "WE" => Weekday::Wed,
        "TH" => Weekday::Thu,
        "FR" => Weekday::Fri,
        "SA" => Weekday::Sat,
        "SU" => Weekday::Sun,
        _ => return Err(wrong()),
    };
    if ordinal.is_empty() {
        return Ok((None, day));
    }
    match ordinal.trim_start_matches('+').parse::<i32>() {
        Ok(number) if number != 0 => Ok((Some(number), day)),
        _ => Err(format!("`{text}` is not a numbered day, such as `2TU` or `-1FR`")),
    }
}

fn is_month_day(day: NaiveDate, n: i32) -> bool {
    let (at, length) = (day.day() as i32, month_length(day) as i32);
    at == n || at - length - 1 == n
}

fn month_length(day: NaiveDate) -> u32 {
    u32::from(day.num_days_in_month())
}

fn months(day: NaiveDate) -> i64 {
    i64::from(day.year()) * 12 + i64::from(day.month0())
}

impl fmt::Display for Recurrence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)?;
        self.start.map_or(Ok(()), |start| write!(f, " from {start}"))
    }
}

impl Serialize for Recurrence {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests;
