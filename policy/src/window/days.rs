//! Days beside those of the week: single dates, and recurrences.

use std::fmt;

use chrono::NaiveDate;
use serde::{Serialize, Serializer};

/// `2026-12-24`, or `2026-12-24..2027-01-02` with both ends inside, or every year `12-24` and
/// `12-24..01-02`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dates {
    /// From one date to another.
    Between(NaiveDate, NaiveDate),
    /// From one month and day to another, every year; may go over New Year.
    Yearly((u32, u32), (u32, u32)),
}

impl Dates {
    /// Reads dates. The error says what is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (first, last) = text.split_once("..").unwrap_or((text, text));
        let (first, last) = (first.trim(), last.trim());
        if let (Some(first), Some(last)) = (month_and_day(first), month_and_day(last)) {
            return Ok(Self::Yearly(first, last));
        }
        let date = |text: &str| {
            let date = text.parse::<NaiveDate>().ok().filter(|date| super::is_near(*date));
            date.ok_or_else(|| format!("`{text}` is not a date of the calendar"))
        };
        let (first, last) = (date(first)?, date(last)?);
        if last < first {
            return Err(format!("`{text}` ends before it begins"));
        }
        Ok(Self::Between(first, last))
    }

    /// Whether `day` is one of them.
    pub fn contain(&self, day: NaiveDate) -> bool {
        use chrono::Datelike;
        match *self {
            Self::Between(first, last) => (first..=last).contains(&day),
            Self::Yearly(first, last) => {
                let day = (day.month(), day.day());
                if first <= last {
                    (first..=last).contains(&day)
                } else {
                    day >= first || day <= last
                }
            }
        }
    }
}

/// `12-24`; the 29th of February is a day.
fn month_and_day(text: &str) -> Option<(u32, u32)> {
    let (month, day) = text.split_once('-')?;
    let (month, day) = (month.parse().ok()?, day.parse().ok()?);
    // Of a leap year.
    NaiveDate::from_ymd_opt(2028, month, day).map(|_| (month, day))
}

impl fmt::Display for Dates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Between(first, last) if first == last => write!(f, "{first}"),
            Self::Between(first, last) => write!(f, "{first}..{last}"),
            Self::Yearly(first, last) => {
                write!(f, "{:02}-{:02}", first.0, first.1)?;
                if first != last {
                    write!(f, "..{:02}-{:02}", last.0, last.1)?;
                }
                Ok(())
            }
        }
    }
}

impl Serialize for Dates {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
