//! Reads times, spans of time, and zones.

use std::time::Duration;

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use chrono_tz::{TZ_VARIANTS, Tz};
use located::{Placed, Section, nearest};

use crate::window;

/// How long: `"90m"`, `"1h 30m"`, `"7d"`.
pub(crate) fn duration(section: &Section<'_>, key: &str) -> Option<Placed<Duration>> {
    let (text, span) = section.text(key)?;
    match humantime::parse_duration(&text) {
        Ok(duration) if !duration.is_zero() => Some((duration, span)),
        _ => {
            let what = format!("`{key}` is not a span of time: \"{text}\"");
            section.fault_at(span, what, "write \"30s\", \"90m\", \"8h\" or \"7d\"");
            None
        }
    }
}

/// An instant: RFC 3339, or a date or a time of the clock on the wall of `zone`.
pub(crate) fn instant(section: &Section<'_>, key: &str, zone: Tz) -> Option<DateTime<Utc>> {
    let (text, span) = section.text(key)?;
    let found = read_instant(&text, zone).filter(|at| window::is_near(at.date_naive()));
    if found.is_none() {
        let what = format!("`{key}` is not a time: \"{text}\"");
        section.fault_at(span, what, INSTANT_ADVICE);
    }
    found
}

fn read_instant(text: &str, zone: Tz) -> Option<DateTime<Utc>> {
    if let Ok(at) = text.parse::<DateTime<Utc>>() {
        return Some(at);
    }
    let local = text.replace('T', " ");
    let forms = ["%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M"];
    let time = forms.iter().find_map(|form| NaiveDateTime::parse_from_str(&local, form).ok());
    let day = || text.parse::<NaiveDate>().ok().and_then(|day| day.and_hms_opt(0, 0, 0));
    let local = time.or_else(day).filter(|local| window::is_near(local.date()));
    local.map(|local| window::instant(zone, local))
}

/// A time zone by its name; UTC if none is given.
pub(crate) fn zone(section: &Section<'_>) -> Option<Tz> {
    if section.span_of("timezone").is_none() {
        return Some(Tz::UTC);
    }
    let (text, span) = section.text("timezone")?;
    let zone = text.parse().ok();
    if zone.is_none() {
        let advice = match nearest(&text, TZ_VARIANTS.iter().map(|zone| zone.name())) {
            Some(meant) => format!("did you mean \"{meant}\"?"),
            None => "use a name of the IANA database, such as \"Europe/Berlin\"".to_owned(),
        };
        section.fault_at(span, format!("there is no time zone \"{text}\""), advice);
    }
    zone
}

const INSTANT_ADVICE: &str = "write \"2026-12-24\", \"2026-12-24 18:00\" (by the clock of \
                              `timezone`) or \"2026-12-24T18:00:00Z\"";
