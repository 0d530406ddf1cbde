use chrono::{NaiveDate, Timelike};
use chrono_tz::TZ_VARIANTS;
use proptest::{prelude::*, sample::select};

use super::*;

fn schedule(hours: &[&str], days: &[&str], zone: &str) -> Schedule {
    Schedule {
        hours: hours.iter().map(|text| Hours::parse(text).unwrap()).collect(),
        days: days.iter().map(|text| Weekdays::parse(text).unwrap()).reduce(Weekdays::and).unwrap(),
        zone: zone.parse().unwrap(),
        ..always()
    }
}

/// Open at any time, to be narrowed.
fn always() -> Schedule {
    Schedule {
        hours: vec![Hours::parse("0-24").unwrap()],
        days: Weekdays::ALL,
        zone: Tz::UTC,
        except: Vec::new(),
        recurrence: None,
        cron: None,
    }
}

fn open(schedule: &Schedule, now: DateTime<Utc>) -> Window {
    Calendar::Window(schedule).open(now)
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

#[track_caller]
fn check(schedule: &Schedule, now: &str, until: Option<&str>) {
    let expected = until.map_or(Window::Open, |until| Window::ClosedUntil(at(until)));
    assert_eq!(open(schedule, at(now)), expected, "{schedule} at {now}");
}

#[test]
fn office_hours_open_at_nine_and_close_at_five() {
    let office = schedule(&["9-17"], &["MON-FRI"], "Europe/Berlin");
    // 2026-11-20 is a Friday; Berlin is an hour ahead.
    check(&office, "2026-11-20T07:59:59.999Z", Some("2026-11-20T08:00:00Z"));
    check(&office, "2026-11-20T08:00:00Z", None);
    check(&office, "2026-11-20T15:59:59.999Z", None);
    check(&office, "2026-11-20T16:00:00Z", Some("2026-11-23T08:00:00Z"));
    check(&office, "2026-11-22T12:00:00Z", Some("2026-11-23T08:00:00Z"));
}

#[test]
fn a_window_over_midnight_belongs_to_the_day_it_begins() {
    let night = schedule(&["22-6"], &["FRI"], "UTC");
    check(&night, "2026-11-20T05:00:00Z", Some("2026-11-20T22:00:00Z"));
    check(&night, "2026-11-20T23:00:00Z", None);
    check(&night, "2026-11-21T05:59:59Z", None);
    check(&night, "2026-11-21T06:00:00Z", Some("2026-11-27T22:00:00Z"));
    check(&night, "2026-11-21T22:30:00Z", Some("2026-11-27T22:00:00Z"));
}

#[test]
fn several_ranges_open_at_the_nearest() {
    let split = schedule(&["14-16:30", "9-11"], &["MON"], "UTC");
    check(&split, "2026-11-23T00:00:00Z", Some("2026-11-23T09:00:00Z"));
    check(&split, "2026-11-23T11:00:00Z", Some("2026-11-23T14:00:00Z"));
    check(&split, "2026-11-23T16:29:59Z", None);
    check(&split, "2026-11-23T16:30:00Z", Some("2026-11-30T09:00:00Z"));
}

#[test]
fn all_day_every_day_is_always_open() {
    let all_day = schedule(&["0-24"], &["MON-SUN"], "Asia/Kathmandu");
    check(&all_day, "2026-11-21T18:14:59Z", None);
    check(&all_day, "2026-11-21T18:15:00Z", None);
}

#[test]
fn zones_with_odd_offsets_open_on_their_own_hour() {
    // Kathmandu is 5:45 ahead, Chatham 13:45 in its summer.
    let kathmandu = schedule(&["9-10"], &["SAT"], "Asia/Kathmandu");
    check(&kathmandu, "2026-11-20T12:00:00Z", Some("2026-11-21T03:15:00Z"));
    let chatham = schedule(&["9-10"], &["SAT"], "Pacific/Chatham");
    check(&chatham, "2026-11-20T12:00:00Z", Some("2026-11-20T19:15:00Z"));
}

#[test]
fn an_hour_that_is_skipped_never_comes() {
    // Berlin, 2026-03-29: 2:00 becomes 3:00.
    let skipped = schedule(&["2-3"], &["MON-SUN"], "Europe/Berlin");
    check(&skipped, "2026-03-29T00:30:00Z", Some("2026-03-30T00:00:00Z"));
    let sunday = schedule(&["2-3"], &["SUN"], "Europe/Berlin");
    check(&sunday, "2026-03-29T00:30:00Z", Some("2026-04-05T00:00:00Z"));
    // A window that began in the gap is open as soon as the gap is over.
    let longer = schedule(&["2-4"], &["SUN"], "Europe/Berlin");
    check(&longer, "2026-03-29T00:30:00Z", Some("2026-03-29T01:00:00Z"));
}

#[test]
fn an_hour_that_comes_twice_is_inside_twice() {
    // Berlin, 2026-10-25: 3:00 becomes 2:00 at 01:00Z.
    let twice = schedule(&["2-2:30"], &["SUN"], "Europe/Berlin");
    check(&twice, "2026-10-25T00:00:00Z", None);
    check(&twice, "2026-10-25T00:30:00Z", Some("2026-10-25T01:00:00Z"));
    check(&twice, "2026-10-25T01:29:59Z", None);
    check(&twice, "2026-10-25T01:30:00Z", Some("2026-11-01T01:00:00Z"));
}

#[test]
fn a_day_that_a_zone_left_out_has_no_window() {
    // Samoa went from Thursday, 2011-12-29 to Saturday, 2011-12-31.
    let friday = schedule(&["9-17"], &["FRI"], "Pacific/Apia");
    check(&friday, "2011-12-30T09:00:00Z", Some("2012-01-05T19:00:00Z"));
}

#[test]
fn a_leap_day_is_a_day() {
    let tuesday = schedule(&["9-17"], &["TUE"], "UTC");
    check(&tuesday, "2028-02-28T18:00:00Z", Some("2028-02-29T09:00:00Z"));
}

#[test]
fn windows_together_are_open_when_each_is() {
    let early = schedule(&["9-12"], &["MON-FRI"], "UTC");
    let monday = schedule(&["11-20"], &["MON"], "UTC");
    let never = schedule(&["20-21"], &["MON"], "UTC");
    let now = at("2026-11-20T12:00:00Z");
    let together =
        |all: &[&Schedule]| all_open(all.iter().map(|schedule| Calendar::Window(schedule)), now);
    assert_eq!(together(&[&early, &monday]), Some(at("2026-11-23T11:00:00Z")));
    assert_eq!(together(&[&early, &never]), None);
}

#[test]
fn hours_and_days_are_read_and_written_back() {
    for (text, written) in [
        ("9-17", "9-17"),
        ("09:00-17:30", "9-17:30"),
        ("22-6", "22-6"),
        (" 0 - 24 ", "0-24"),
        ("22-0", "22-24"),
        ("22-24", "22-24"),
    ] {
        assert_eq!(Hours::parse(text).unwrap().to_string(), written);
    }
    for text in ["9", "9-9", "24-3", "0-0", "9-25", "9-17:60", "-9", "9-", "9:-10", "+9-10", "a-b"]
    {
        assert!(Hours::parse(text).is_err(), "{text}");
    }
    for (text, written) in [
        ("MON-FRI", "MON-FRI"),
        ("fri-mon", "MON, FRI-SUN"),
        ("Sunday", "SUN"),
        ("MON-SUN", "MON-SUN"),
        ("SUN-SAT", "MON-SUN"),
    ] {
        assert_eq!(Weekdays::parse(text).unwrap().to_string(), written);
    }
    for text in ["", "MO", "MON-", "MON-FRI-SUN", "weekdays"] {
        assert!(Weekdays::parse(text).is_err(), "{text}");
    }
}

/// The definition, said another way: what does the clock on the wall show?
fn shows_a_time_inside(
    ranges: &[(u32, u32)],
    days: Weekdays,
    zone: Tz,
    instant: DateTime<Utc>,
) -> bool {
    let wall = instant.with_timezone(&zone).naive_local();
    let minute = wall.hour() * 60 + wall.minute();
    let today = days.contains(wall.weekday());
    let yesterday = days.contains(wall.weekday().pred());
    ranges.iter().any(|(begin, end)| {
        if begin < end {
            today && (*begin..*end).contains(&minute)
        } else {
            (today && minute >= *begin) || (yesterday && minute < *end)
        }
    })
}

const QUARTER: TimeDelta = TimeDelta::minutes(15);

/// All instants of interest lie on quarters of an hour: every offset since 1990 does, and so do
/// the ranges. So a walk in quarters misses nothing.
fn holds(ranges: &[(u32, u32)], days: Weekdays, zone: Tz, now: DateTime<Utc>) {
    let hours = ranges.iter().map(|(begin, end)| {
        let text = format!("{}:{:02}-{}:{:02}", begin / 60, begin % 60, end / 60, end % 60);
        Hours::parse(&text).unwrap()
    });
    let schedule = Schedule { hours: hours.collect(), days, zone, ..always() };
    let inside = |instant| shows_a_time_inside(ranges, days, zone, instant);
    match open(&schedule, now) {
        Window::Never => panic!("{schedule}: never open from {now} on"),
        Window::Open => assert!(inside(now), "{schedule}: not open at {now}"),
        Window::ClosedUntil(until) => {
            assert!(until > now && inside(until), "{schedule} at {now}: not open at {until}");
            let just_before = until - TimeDelta::milliseconds(1);
            assert!(!inside(just_before), "{schedule} at {now}: open before {until}");
            let mut earlier = now;
            while earlier < until {
                assert!(!inside(earlier), "{schedule} at {now}: open at {earlier} already");
                earlier += QUARTER;
            }
        }
    }
}

/// Every change of a zone's offset between two years.
fn changes(zone: Tz, from: i32, to: i32) -> Vec<DateTime<Utc>> {
    let new_year =
        |year| NaiveDate::from_ymd_opt(year, 1, 1).unwrap().and_time(Default::default()).and_utc();
    let (mut at, end) = (new_year(from), new_year(to));
    let mut found = Vec::new();
    while at < end {
        let next = piece_end(zone, at);
        if offset(zone, at) != offset(zone, next) {
            found.push(next);
        }
        at = next;
    }
    found
}

#[test]
fn every_zone_opens_right_around_every_change_of_its_clocks() {
    let all = Weekdays::ALL;
    let sunday = Weekdays::parse("SUN").unwrap();
    let mut seen = 0;
    for zone in TZ_VARIANTS {
        for change in changes(zone, 2025, 2027) {
            seen += 1;
            for quarters in [-100, -9, -3, -1, 0, 1, 3, 9] {
                let now = change + QUARTER * quarters;
                holds(&[(120, 180)], all, zone, now);
                holds(&[(60, 120), (1380, 30)], all, zone, now);
                holds(&[(0, 1440)], sunday, zone, now);
            }
        }
    }
    assert!(seen > 500, "only {seen} changes of clocks were seen");
}

fn some_quarter() -> impl Strategy<Value = u32> {
    (0u32..96).prop_map(|quarter| quarter * 15)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn opens_at_the_exact_next_opening(
        zone in select(&TZ_VARIANTS[..]),
        ranges in prop::collection::vec((some_quarter(), some_quarter()), 1..4),
        day_bits in 1u8..128,
        quarters in 0i64..(46 * 365 * 96),
    ) {
        let ranges: Vec<_> = ranges.into_iter().filter(|(begin, end)| begin != end).collect();
        prop_assume!(!ranges.is_empty());
        let days = (0..7)
            .filter(|day| day_bits & (1 << day) != 0)
            .map(|day| Weekdays::parse(["MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"][day]).unwrap())
            .reduce(Weekdays::and)
            .unwrap();
        holds(&ranges, days, zone, at("1990-01-01T00:00:00Z") + QUARTER * i32::try_from(quarters).unwrap());
    }
}

#[test]
fn days_that_are_left_out_have_no_window() {
    let mut office = schedule(&["9-17"], &["MON-FRI"], "Europe/Berlin");
    office.except =
        ["12-24..12-26", "2026-12-28..2026-12-31"].map(|text| Dates::parse(text).unwrap()).into();
    check(&office, "2026-12-23T17:00:00Z", Some("2027-01-01T08:00:00Z"));
    check(&office, "2026-12-23T15:59:59Z", None);
    for text in ["12-32", "2026-02-29", "2026-12-24..2026-12-01", "soon"] {
        assert!(Dates::parse(text).is_err(), "{text}");
    }
}

#[test]
fn a_day_that_is_left_out_is_closed_from_midnight_to_midnight() {
    let mut night = schedule(&["22-6"], &["MON-SUN"], "Europe/Berlin");
    night.except = vec![Dates::parse("12-25").unwrap()];
    // Berlin is an hour ahead.
    check(&night, "2026-12-24T22:59:59Z", None);
    check(&night, "2026-12-24T23:00:00Z", Some("2026-12-26T21:00:00Z"));
    check(&night, "2026-12-25T02:00:00Z", Some("2026-12-26T21:00:00Z"));
    // Nothing begins on it, either.
    check(&night, "2026-12-26T02:00:00Z", Some("2026-12-26T21:00:00Z"));

    let mut long = always();
    long.cron = Some(Cron::parse("0 18 24 12 *", TimeDelta::hours(60)).unwrap());
    long.except = vec![Dates::parse("12-25").unwrap()];
    check(&long, "2026-12-24T23:59:00Z", None);
    check(&long, "2026-12-25T12:00:00Z", Some("2026-12-26T00:00:00Z"));
    check(&long, "2026-12-26T12:00:00Z", None);
}

#[test]
fn a_rule_that_has_ended_never_opens_again_and_one_for_leap_days_opens_in_years() {
    let rule = |text: &str| Some(Recurrence::parse(text, None).unwrap());
    let over = Schedule { recurrence: rule("FREQ=DAILY;UNTIL=20261231"), ..always() };
    assert_eq!(open(&over, at("2026-12-31T12:00:00Z")), Window::Open);
    assert_eq!(open(&over, at("2027-01-02T12:00:00Z")), Window::Never);
    let leap = Schedule {
        recurrence: rule("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29"),
        zone: "Europe/Berlin".parse().unwrap(),
        ..always()
    };
    check(&leap, "2028-03-01T00:00:00Z", Some("2032-02-28T23:00:00Z"));
    // 2100 is no leap year.
    check(&leap, "2096-03-01T00:00:00Z", Some("2104-02-28T23:00:00Z"));
}

#[test]
fn cron_says_when_windows_begin_and_a_span_how_long_they_last() {
    let cron = |text: &str, hours| Schedule {
        cron: Some(Cron::parse(text, TimeDelta::hours(hours)).unwrap()),
        zone: "Europe/Berlin".parse().unwrap(),
        ..always()
    };
    let office = cron("0 9 * * MON-FRI", 8);
    check(&office, "2026-11-20T15:59:59Z", None);
    check(&office, "2026-11-20T16:00:00Z", Some("2026-11-23T08:00:00Z"));
    // The last Friday of the month, over the weekend.
    let weekend = cron("0 18 * * FRIL", 62);
    check(&weekend, "2026-11-20T18:00:00Z", Some("2026-11-27T17:00:00Z"));
    check(&weekend, "2026-11-30T06:59:59Z", None);
    check(&weekend, "2026-11-30T07:00:00Z", Some("2026-12-25T17:00:00Z"));
    for text in ["* * * *", "0 9 * * MON-FRX", "0 0 9 * * *", "61 * * * *"] {
        assert!(Cron::parse(text, TimeDelta::hours(1)).is_err(), "{text}");
    }
}

#[test]
fn a_freeze_is_open_up_to_its_begin_and_from_its_end_on() {
    let freeze = Freeze {
        spans: vec![
            (at("2026-12-20T17:00:00Z"), at("2026-12-27T00:00:00Z")),
            (at("2026-12-26T00:00:00Z"), at("2026-12-28T00:00:00Z")),
        ],
        dates: vec![Dates::parse("2026-12-28").unwrap()],
        zone: Tz::UTC,
    };
    let at_time = |text: &str| freeze.next_opening(at(text)).unwrap();
    assert_eq!(at_time("2026-12-20T16:59:59Z"), at("2026-12-20T16:59:59Z"));
    assert_eq!(at_time("2026-12-20T17:00:00Z"), at("2026-12-29T00:00:00Z"));
    assert_eq!(at_time("2026-12-29T00:00:00Z"), at("2026-12-29T00:00:00Z"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// Far openings are jumped to; a walk in quarters finds the same.
    #[test]
    fn a_recurrence_opens_at_the_exact_next_opening(
        zone in select(&TZ_VARIANTS[..]),
        day in 1i32..28,
        hour in 0u32..23,
        quarters in 0i64..(3 * 365 * 96),
    ) {
        let text = format!("FREQ=MONTHLY;BYMONTHDAY={day}");
        let schedule = Schedule {
            hours: vec![Hours::parse(&format!("{hour}-{}", hour + 1)).unwrap()],
            recurrence: Some(Recurrence::parse(&text, None).unwrap()),
            zone,
            ..always()
        };
        let inside = |instant: DateTime<Utc>| {
            let wall = instant.with_timezone(&zone).naive_local();
            wall.day() as i32 == day && wall.hour() == hour
        };
        let now = at("2025-01-01T00:00:00Z") + QUARTER * i32::try_from(quarters).unwrap();
        let mut expected = now;
        while !inside(expected) {
            expected += QUARTER;
        }
        prop_assert_eq!(Calendar::Window(&schedule).next_opening(now), Some(expected));
    }
}
