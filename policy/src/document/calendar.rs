//! Reads schedules and freezes.

use chrono::{NaiveDate, TimeDelta};
use chrono_tz::Tz;

use located::{Placed, Section};

use super::times;
use crate::window::{self, Cron, Dates, Freeze, Hours, Recurrence, Schedule, Weekdays};

/// A `schedule` block.
pub(super) fn schedule(section: &Section<'_>) -> Option<Schedule> {
    section.only(
        &[
            "allowed_hours",
            "allowed_days",
            "timezone",
            "except",
            "recurrence",
            "start",
            "cron",
            "duration",
        ],
        &[],
    );
    let has = |key| section.span_of(key).is_some();
    if !["allowed_hours", "allowed_days", "except", "recurrence", "cron"].into_iter().any(has) {
        section.fault(
            "this schedule is always open",
            "give it `allowed_hours = [\"9-17\"]` or `allowed_days = [\"MON-FRI\"]`",
        );
        return None;
    }
    let hours = ranges(section, "allowed_hours", Hours::parse, HOURS_ADVICE);
    let days = ranges(section, "allowed_days", Weekdays::parse, DAYS_ADVICE);
    let except = ranges(section, "except", Dates::parse, DATES_ADVICE);
    let (zone, recurrence, cron) = (times::zone(section), recurrence(section), cron(section));
    let all_day = || Hours::parse("0-24").ok().into_iter().collect();
    Some(Schedule {
        hours: if has("allowed_hours") { hours? } else { all_day() },
        days: match days {
            Some(days) => days.into_iter().reduce(Weekdays::and)?,
            None if has("allowed_days") => return None,
            None => Weekdays::ALL,
        },
        zone: zone?,
        except: if has("except") { except? } else { Vec::new() },
        recurrence: if has("recurrence") { Some(recurrence?) } else { None },
        cron: if has("cron") { Some(cron?) } else { None },
    })
}

fn recurrence(section: &Section<'_>) -> Option<Recurrence> {
    let start = section.text("start").and_then(|(text, span)| {
        let date = text.parse::<NaiveDate>().ok().filter(|date| window::is_near(*date));
        if date.is_none() {
            section.fault_at(span, "`start` is not a date", "write \"2026-01-05\"");
        }
        date
    });
    let Some((text, span)) = section.text("recurrence") else {
        if let Some(span) = section.span_of("start") {
            let advice = "add `recurrence = \"FREQ=WEEKLY;INTERVAL=2;BYDAY=TU\"`, or delete it";
            section.fault_at(span, "`start` belongs to a `recurrence`, and there is none", advice);
        }
        return None;
    };
    let read = Recurrence::parse(&text, start);
    read.map_err(|what| section.fault_at(span, what, RULE_ADVICE)).ok()
}

fn cron(section: &Section<'_>) -> Option<Cron> {
    let duration = times::duration(section, "duration");
    let Some((text, span)) = section.text("cron") else {
        if let Some(span) = section.span_of("duration") {
            let advice = "add `cron = \"0 9 * * MON-FRI\"`, or delete it";
            section.fault_at(span, "`duration` belongs to a `cron`, and there is none", advice);
        }
        return None;
    };
    if section.span_of("allowed_hours").is_some() {
        section.fault_at(
            span,
            "`cron` and `allowed_hours` both say when windows begin",
            "delete one of them",
        );
        return None;
    }
    if section.span_of("duration").is_none() {
        section.fault_at(
            span,
            "this `cron` says when windows begin, but not when they end",
            "add `duration = \"8h\"`",
        );
        return None;
    }
    let (duration, length_span) = duration?;
    let length = TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX);
    if length > Cron::LENGTH_MAX || length < TimeDelta::minutes(1) {
        let advice = "make it at least a minute and at most 14 days";
        section.fault_at(length_span, "a window cannot last that long", advice);
        return None;
    }
    Cron::parse(&text, length).map_err(|what| section.fault_at(span, what, CRON_ADVICE)).ok()
}

/// When a `freeze` block is in force.
pub(super) fn freeze(section: &Section<'_>) -> Option<Freeze> {
    let zone: Tz = times::zone(section)?;
    let (start, end) =
        (times::instant(section, "start", zone), times::instant(section, "end", zone));
    let dates = ranges(section, "dates", Dates::parse, DATES_ADVICE);
    let has = |key| section.span_of(key).is_some();
    let mut spans = Vec::new();
    match (start, end) {
        (Some(start), Some(end)) if start < end => spans.push((start, end)),
        (Some(_), Some(_)) => {
            let span = section.span_of("end").unwrap_or_default();
            section.fault_at(span, "this freeze ends before it begins", "put `end` after `start`");
        }
        _ if has("start") != has("end") => section.fault(
            "a freeze has a `start` and an `end`",
            "add the other one; to stop without an end, write a `stop` block",
        ),
        _ if !has("start") && !has("dates") => section.fault(
            "this freeze has no time",
            "give it `start` and `end`, or `dates = [\"2026-12-20..2027-01-03\"]`",
        ),
        _ => {}
    }
    Some(Freeze { spans, dates: dates.unwrap_or_default(), zone })
}

/// Every range, or none if one is wrong or none is there.
fn ranges<T>(
    section: &Section<'_>,
    key: &str,
    parse: fn(&str) -> Result<T, String>,
    advice: &str,
) -> Option<Vec<T>> {
    let read = |(text, span): &Placed<String>| {
        parse(text).map_err(|what| section.fault_at(span.clone(), what, advice)).ok()
    };
    let read: Vec<Option<T>> = section.texts(key).iter().map(read).collect();
    if read.is_empty() { None } else { read.into_iter().collect() }
}

const HOURS_ADVICE: &str = "write \"9-17\", \"9:30-17:15\", \"22-6\" (over midnight) or \"0-24\"";
const DAYS_ADVICE: &str = "write \"MON\", \"MON-FRI\" or \"FRI-MON\" (over the weekend)";
const DATES_ADVICE: &str = "write \"2026-12-24\", \"2026-12-24..2027-01-02\", or for every year \
                            \"12-24\" or \"12-24..01-02\"";
const RULE_ADVICE: &str = "write a rule of RFC 5545 that speaks of days, such as \
                           \"FREQ=MONTHLY;BYDAY=2TU\"";
const CRON_ADVICE: &str = "write minute, hour, day, month and weekday: \"0 9 * * MON-FRI\"";
