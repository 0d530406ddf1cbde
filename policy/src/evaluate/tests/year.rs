//! A year, minute by minute: nothing starts outside a window without an override on record.
//!
//! What the clock on the wall shows, and when the windows and freezes that speak are open together, is
//! asked for every minute of the year; whole verdicts at every minute at which that turns, the minute
//! before and after, and at every 97th; where it is closed then, somebody breaks the glass as well.
//! That is enough, because a verdict learns of the time from [`all_open`] alone: what a verdict says
//! between two of its turns is one and the same, and every minute of each would take minutes to ask.

use chrono::{Datelike, Timelike};
use chrono_tz::{America::St_Johns, Europe::Berlin};

use super::*;
use crate::window::all_open;

const YEAR: &str = r#"
policy "berlin" {
  schedule {
    allowed_hours = ["9-17"]
    allowed_days  = ["MON-FRI"]
    timezone      = "Europe/Berlin"
    except        = ["05-01", "2028-06-05"]
  }
}
policy "newfoundland" {
  match { labels = ["half-hour"] }
  schedule {
    allowed_hours = ["22:30-3"]
    timezone      = "America/St_Johns"
    recurrence    = "FREQ=MONTHLY;BYDAY=2TU,4TU"
  }
}
freeze "christmas" {
  dates    = ["12-20..01-02"]
  timezone = "Europe/Berlin"
  reason   = "nobody is there"
}
break_glass "oncall" {
  allowed_users = ["olga"]
  expires       = "2h"
}
"#;

/// A leap year.
const BEGIN: &str = "2028-01-01T00:00:00Z";
const MINUTES: i64 = 366 * 24 * 60;

fn berlin(now: DateTime<Utc>) -> bool {
    let wall = now.with_timezone(&Berlin);
    let (month, day) = (wall.month(), wall.day());
    let is_left_out = (month, day) == (5, 1) || (month, day) == (6, 5);
    let is_frozen = (month == 12 && day >= 20) || (month == 1 && day <= 2);
    wall.weekday().num_days_from_monday() < 5
        && (9..17).contains(&wall.hour())
        && !is_left_out
        && !is_frozen
}

fn newfoundland(now: DateTime<Utc>) -> bool {
    let wall = now.with_timezone(&St_Johns).naive_local();
    let begins = |day: chrono::NaiveDate| {
        let nth = (day.day() - 1) / 7 + 1;
        day.weekday() == chrono::Weekday::Tue && (nth == 2 || nth == 4)
    };
    let minute = wall.hour() * 60 + wall.minute();
    let yesterday = wall.date().pred_opt().unwrap();
    let frozen = now.with_timezone(&Berlin);
    let is_frozen =
        (frozen.month() == 12 && frozen.day() >= 20) || (frozen.month() == 1 && frozen.day() <= 2);
    let is_inside =
        (begins(wall.date()) && minute >= 22 * 60 + 30) || (begins(yesterday) && minute < 3 * 60);
    is_inside && !is_frozen
}

/// Asks for each minute of the year when everything that speaks is open together.
fn each_minute(
    set: &PolicySet,
    gate: &GateRequested,
    check: impl Fn(DateTime<Utc>, Option<DateTime<Utc>>),
) {
    let begin = at(BEGIN);
    let case = Case::new(gate, begin);
    let facts = Facts::of(&case);
    let calendars: Vec<Calendar<'_>> = scope::speaking(set, &facts)
        .filter_map(|asked| match asked.rule {
            Rule::Window { schedule, .. } => Some(Calendar::Window(schedule)),
            Rule::Freeze { freeze, .. } => Some(Calendar::Freeze(freeze)),
            _ => None,
        })
        .collect();
    assert_eq!(calendars.len(), 2);
    for number in 0..MINUTES {
        let now = begin + TimeDelta::minutes(number);
        check(now, all_open(calendars.iter().copied(), now));
    }
}

/// Walks the year; `is_open` says for each minute what must be.
fn walk(set: &PolicySet, gate: &GateRequested, is_open: impl Fn(DateTime<Utc>) -> bool) -> usize {
    let begin = at(BEGIN);
    let minute = |number: i64| begin + TimeDelta::minutes(number);
    let open: Vec<bool> = (0..MINUTES).map(|number| is_open(minute(number))).collect();
    // The next minute that is open, from each on.
    let mut next = vec![None; open.len()];
    let mut known = None;
    for (number, is_open) in open.iter().enumerate().rev() {
        if *is_open {
            known = Some(number);
        }
        next[number] = known;
    }
    let opening = |number: usize| next[number].map(|next| minute(next as i64));
    each_minute(set, gate, |now, found| {
        let number = (now - begin).num_minutes() as usize;
        let expected = opening(number);
        // What opens after the year is only known not to open before.
        let is_right = match expected {
            Some(_) => found == expected,
            None => found.is_some_and(|at| at >= minute(MINUTES)),
        };
        assert!(is_right, "{now}: open at {found:?}, and it must be {expected:?}");
    });
    let turns = |number: usize| number > 0 && open[number] != open[number - 1];
    let mut asked = 0;
    for number in 0..open.len() {
        let near = turns(number) || (number + 1 < open.len() && turns(number + 1));
        if !near && number % 97 != 0 {
            continue;
        }
        asked += 1;
        let now = begin + TimeDelta::minutes(number as i64);
        let verdict = decide(set, gate, &[], now);
        if open[number] {
            assert_eq!(verdict.outcome, Outcome::Pass, "{now}");
            continue;
        }
        let Outcome::HoldUntil { until } = verdict.outcome else {
            panic!("{now} is outside of every window, and it says {:?}", verdict.outcome)
        };
        if let Some(next) = next[number] {
            assert_eq!(until, begin + TimeDelta::minutes(next as i64), "asked at {now}");
        }
        // Only somebody who breaks the glass passes, and that is on record.
        let word = Word::Override { until: now + TimeDelta::hours(2), whole_chain: false };
        let mut broken = Review { word, ..review(1, "olga", true) };
        broken.at = now;
        let verdict = decide(set, gate, &[broken], now);
        assert_eq!(verdict.outcome, Outcome::Pass);
        assert_eq!(verdict.reasons[0].code, Code::Overridden, "{now}");
    }
    asked
}

#[test]
fn in_a_year_nothing_starts_outside_a_window_without_an_override_on_record() {
    let set = policies(YEAR);
    let asked = walk(&set, &prod(Moment::BeforeApply), berlin);
    assert!(asked > 5_000, "asked {asked} times");
}

#[test]
fn a_half_hour_zone_a_recurrence_and_a_window_over_midnight_keep_their_year() {
    let set =
        policies(&YEAR.replace(
            "policy \"berlin\" {",
            "policy \"berlin\" {\n  match { labels = [\"berlin\"] }",
        ));
    let gate = crate::fixtures::request(
        Moment::BeforeApply,
        &[crate::fixtures::stack("a", &["half-hour"])],
    );
    let asked = walk(&set, &gate, newfoundland);
    assert!(asked > 5_000, "asked {asked} times");
}
