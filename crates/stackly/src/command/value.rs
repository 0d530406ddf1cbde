//! Values as people type them: times, numbers, commits, deliveries.

use std::path::{Component, Path};

use chrono::{DateTime, TimeDelta, Utc};
use contracts::CommitSha;
use uuid::Uuid;

use crate::{failure::Failure, print::moment};

/// A span of time.
pub(super) fn span(text: &str) -> Result<TimeDelta, String> {
    read(text)
        .filter(|span| *span > TimeDelta::zero())
        .ok_or_else(|| format!("`{text}` is not a span of time; write 90m, 24h or 30d"))
}

/// A time, or how long ago.
pub(super) fn when(text: &str) -> Result<DateTime<Utc>, String> {
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Ok(at.to_utc());
    }
    read(text)
        .filter(|ago| *ago >= TimeDelta::zero())
        .and_then(|ago| Utc::now().checked_sub_signed(ago))
        .ok_or_else(|| {
            format!("`{text}` is neither a time (2026-11-20T10:00:00Z) nor a while (15m)")
        })
}

/// Refuses a time that ends before it begins: nothing was ever in it.
pub(super) fn in_order(
    since: Option<DateTime<Utc>>,
    until: Option<DateTime<Utc>>,
) -> Result<(), Failure> {
    match (since, until) {
        (Some(since), Some(until)) if until < since => Err(Failure::Usage(format!(
            "--until ({}) is before --since ({})",
            moment(until),
            moment(since)
        ))),
        _ => Ok(()),
    }
}

/// `90s`, `15m`, `2h` or `3d`.
fn read(text: &str) -> Option<TimeDelta> {
    let text = text.trim();
    let (end, unit) = text.char_indices().last()?;
    let number = text[..end].parse().ok()?;
    match unit {
        's' => TimeDelta::try_seconds(number),
        'm' => TimeDelta::try_minutes(number),
        'h' => TimeDelta::try_hours(number),
        'd' => TimeDelta::try_days(number),
        _ => None,
    }
}

/// A number from one to the most there may be.
pub(super) fn limit<const MOST: u64>(text: &str) -> Result<u64, String> {
    let number = text.parse().ok().filter(|number| (1..=MOST).contains(number));
    number.ok_or_else(|| format!("it should be a number from 1 to {MOST}"))
}

/// A commit in full.
pub(super) fn commit(text: &str) -> Result<String, String> {
    let commit = CommitSha(text.to_ascii_lowercase());
    commit.is_whole().then_some(commit.0).ok_or_else(|| {
        format!("`{text}` is not a commit in full; `git rev-parse {text}` prints all its digits")
    })
}

/// An amount of money: policies compare it, which they cannot with what is no number.
pub(super) fn amount(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number: &f64| number.is_finite());
    number.ok_or_else(|| format!("`{text}` is not an amount, such as 12.50 or -3"))
}

/// The number of a dead letter.
pub(super) fn letter(text: &str) -> Result<u64, String> {
    let no_number =
        |_| format!("`{text}` is not the number of a dead letter; `stackly dead list` shows them");
    text.parse().map_err(no_number)
}

/// A file's path from the root of its repository.
pub(super) fn path(text: &str) -> Result<String, String> {
    let mut names = Vec::new();
    for component in Path::new(text.trim()).components() {
        match component {
            Component::Normal(name) => names.extend(name.to_str()),
            Component::CurDir => {}
            Component::ParentDir if names.pop().is_some() => {}
            _ => return Err(no_path(text)),
        }
    }
    match names.is_empty() {
        true => Err(no_path(text)),
        false => Ok(names.join("/")),
    }
}

fn no_path(text: &str) -> String {
    format!("`{text}` is not a path from the root of the repository, such as stacks/dns/main.tf")
}

/// The id of a delivery.
pub(super) fn delivery(text: &str) -> Result<Uuid, String> {
    let no_id = |_| format!("`{text}` is not a delivery id; `stackly deliveries` lists them");
    Uuid::parse_str(text).map_err(no_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commits_are_taken_in_full_also_those_of_sha256() {
        for digits in [40, 64] {
            let (typed, read) = ("Ab".repeat(digits / 2), "ab".repeat(digits / 2));
            assert_eq!(commit(&typed), Ok(read));
        }
        for text in ["", "main", "0123abc", &"g".repeat(40)] {
            assert!(commit(text).is_err(), "{text}");
        }
    }

    #[test]
    fn paths_are_taken_from_the_root_of_the_repository() {
        for (typed, read) in
            [("a/main.tf", "a/main.tf"), ("./a//b/", "a/b"), ("a/../b/main.tf", "b/main.tf")]
        {
            assert_eq!(path(typed), Ok(read.to_owned()));
        }
        for text in ["", " ", ".", "/srv/infra/a/main.tf", "../main.tf", "a/../../main.tf"] {
            assert!(path(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_amount_is_a_number() {
        assert_eq!((amount("12.50"), amount("-3")), (Ok(12.5), Ok(-3.0)));
        for text in ["", "nan", "inf", "-infinity", "1e999", "12,50"] {
            assert!(amount(text).is_err(), "{text}");
        }
    }

    #[test]
    fn spans_and_times_are_read_as_people_write_them() {
        assert_eq!(span("90m"), Ok(TimeDelta::minutes(90)));
        assert_eq!(span("30d"), Ok(TimeDelta::days(30)));
        for text in ["", "m", "0h", "-1d", "1", "1y", "é", "99999999999999999999d"] {
            assert!(span(text).is_err(), "{text}");
        }
        assert!((Utc::now() - when("2h").unwrap() - TimeDelta::hours(2)).num_seconds() < 5);
        assert_eq!(when("2026-11-20T10:00:00Z").unwrap().timestamp(), 1_795_168_800);
        for text in ["", "yesterday", "-1h", "2026-11-20"] {
            assert!(when(text).is_err(), "{text}");
        }
    }
}
