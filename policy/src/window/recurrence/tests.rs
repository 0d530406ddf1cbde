use proptest::prelude::*;

use super::*;

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn rule(text: &str, start: Option<&str>) -> Recurrence {
    Recurrence::parse(text, start.map(day)).unwrap_or_else(|what| panic!("{text}: {what}"))
}

/// The days of a rule in a span of time.
fn days(rule: &Recurrence, from: &str, to: &str) -> Vec<String> {
    let (from, to) = (day(from), day(to));
    let all = from.iter_days().take_while(|day| *day <= to);
    all.filter(|day| rule.falls_on(*day)).map(|day| day.to_string()).collect()
}

/// A rule, its first day, a span of time, and the days of the rule in it.
type Case =
    (&'static str, Option<&'static str>, &'static str, &'static str, &'static [&'static str]);

const CASES: &[Case] = &[
    // The second Tuesday.
    ("FREQ=MONTHLY;BYDAY=2TU", None, "2026-11-01", "2026-12-31", &["2026-11-10", "2026-12-08"]),
    // The last Friday.
    ("FREQ=MONTHLY;BYDAY=-1FR", None, "2026-11-01", "2026-12-31", &["2026-11-27", "2026-12-25"]),
    // The last day.
    ("FREQ=MONTHLY;BYMONTHDAY=-1", None, "2028-01-31", "2028-03-01", &["2028-01-31", "2028-02-29"]),
    // The last working day.
    (
        "RRULE:FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1",
        None,
        "2026-10-01",
        "2026-11-30",
        &["2026-10-30", "2026-11-30"],
    ),
    // Every other Wednesday.
    (
        "FREQ=WEEKLY;INTERVAL=2;BYDAY=WE",
        Some("2026-11-04"),
        "2026-10-01",
        "2026-12-05",
        &["2026-11-04", "2026-11-18", "2026-12-02"],
    ),
    // Four times, and never again.
    (
        "FREQ=DAILY;INTERVAL=10;COUNT=4",
        Some("2026-11-01"),
        "2026-10-01",
        "2027-03-01",
        &["2026-11-01", "2026-11-11", "2026-11-21", "2026-12-01"],
    ),
    // Until a day, which belongs to it.
    (
        "FREQ=WEEKLY;BYDAY=MO;UNTIL=20261116T235959Z",
        None,
        "2026-11-01",
        "2026-12-31",
        &["2026-11-02", "2026-11-09", "2026-11-16"],
    ),
    // A leap day comes when there is one.
    (
        "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29",
        None,
        "2026-01-01",
        "2033-01-01",
        &["2028-02-29", "2032-02-29"],
    ),
    // Thanksgiving.
    (
        "FREQ=YEARLY;BYMONTH=11;BYDAY=4TH",
        None,
        "2026-01-01",
        "2027-12-31",
        &["2026-11-26", "2027-11-25"],
    ),
    // As the start has it.
    ("FREQ=YEARLY", Some("2024-12-24"), "2026-01-01", "2027-12-31", &["2026-12-24", "2027-12-24"]),
    (
        "FREQ=YEARLY;BYMONTH=3,9",
        Some("2026-03-17"),
        "2026-01-01",
        "2027-04-30",
        &["2026-03-17", "2026-09-17", "2027-03-17"],
    ),
    ("FREQ=MONTHLY", Some("2026-01-31"), "2026-02-01", "2026-05-31", &["2026-03-31", "2026-05-31"]),
];

#[test]
fn rules_fall_on_the_days_the_standard_gives_them() {
    for (text, start, from, to, expected) in CASES {
        assert_eq!(days(&rule(text, *start), from, to), *expected, "{text}");
    }
}

#[test]
fn what_cannot_be_kept_is_refused() {
    for (text, what) in [
        ("FREQ=HOURLY", "finer than a day"),
        ("FREQ=WEEKLY;INTERVAL=2;BYDAY=MO", "give the schedule a `start`"),
        ("FREQ=WEEKLY", "give the schedule a `start`"),
        ("FREQ=YEARLY;BYMONTH=3", "give the schedule a `start`"),
        ("FREQ=MONTHLY;BYMONTH=3", "give the schedule a `start`"),
        ("BYDAY=MO", "begins with `FREQ=`"),
        ("FREQ=DAILY;BYHOUR=9", "`allowed_hours` does that"),
        ("FREQ=WEEKLY;BYDAY=2MO", "needs `FREQ=MONTHLY`"),
        ("FREQ=WEEKLY;BYDAY=MOX", "is no"),
        ("FREQ=DAILY;INTERVAL=0", "counts from 1"),
        ("FREQ=DAILY;UNTIL=tomorrow", "is not a date"),
        ("FREQ=DAILY;BYEASTER=1", "not known"),
        ("FREQ", "has no `=`"),
    ] {
        let error = Recurrence::parse(text, None).unwrap_err();
        assert!(error.contains(what), "{text}: {error}");
    }
}

proptest! {
    /// Told another way: step from the start, week by week.
    #[test]
    fn every_nth_week_is_counted_from_the_week_of_the_start(
        offset in 0u64..3_000,
        interval in 1i64..9,
        ahead in 0u64..3_000,
    ) {
        let start = day("2020-01-01") + Days::new(offset);
        let rule = Recurrence::parse(&format!("FREQ=WEEKLY;INTERVAL={interval}"), Some(start)).unwrap();
        let asked = start + Days::new(ahead);
        let expected = ahead % 7 == 0 && (ahead / 7) % interval.unsigned_abs() == 0;
        prop_assert_eq!(rule.falls_on(asked), expected);
    }

    #[test]
    fn after_its_end_a_rule_never_falls_on_a_day(count in 1usize..20, ahead in 1u64..2_000) {
        let start = day("2026-01-01");
        let rule = Recurrence::parse(&format!("FREQ=DAILY;INTERVAL=3;COUNT={count}"), Some(start)).unwrap();
        let last = start + Days::new(3 * (count as u64 - 1));
        prop_assert!(rule.falls_on(last));
        prop_assert!(!rule.falls_on(last + Days::new(ahead)));
        prop_assert!(rule.is_over(last + Days::new(ahead)));
    }
}
