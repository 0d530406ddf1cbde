//! The documents are there, and what they name exists.

use std::collections::BTreeSet;

use super::{assert_none, sources};

#[test]
fn the_readme_names_both_commands_and_where_to_read_on() {
    let readme = sources::read("README.md");
    for needed in [
        "cargo dev",
        "cargo test --workspace",
        "docs/ARCHITECTURE.md",
        "docs/EVENTS.md",
        "docs/adr",
        "docs/runbook",
    ] {
        assert!(readme.contains(needed), "README.md does not name {needed}");
    }
}

#[test]
fn ci_calls_the_developers_own_command() {
    assert!(sources::read(".ci/run").contains("cargo test --workspace"));
    assert!(sources::read(".cargo/config.toml").contains("dev = "));
}

/// The keys of each block stand in the code as what `only` lets pass.
#[test]
fn every_key_of_a_policy_is_documented() {
    let document = sources::read("docs/POLICIES.md");
    let is_word = |c: char| c.is_ascii_lowercase() || c == '_';
    let words: BTreeSet<&str> = document.split(|c| !is_word(c)).collect();
    let mut faults = Vec::new();
    for source in sources::rust() {
        if !source.is_in("policy/src/document") || source.is_test() {
            continue;
        }
        for call in source.text.split(".only(").skip(1) {
            let keys = call.split(");").next().unwrap_or_default();
            let undocumented =
                keys.split('"').skip(1).step_by(2).filter(|key| !words.contains(key));
            faults.extend(undocumented.map(|key| format!("{}: {key}", source.path)));
        }
    }
    assert_none("keys that docs/POLICIES.md does not name", &faults);
}

#[test]
fn files_that_documents_name_are_there() {
    let root = sources::root();
    let mut faults = Vec::new();
    let is_page = |path: &str| path.ends_with(".md") && !path.ends_with(".template.md");
    for document in sources::all().into_iter().filter(|source| is_page(&source.path)) {
        let folder = document.path.rsplit_once('/').map_or("", |(folder, _)| folder);
        for (target, heading) in links(&document.text) {
            let path = match target {
                "" => root.join(&document.path),
                _ => root.join(folder).join(target),
            };
            let is_there = match heading {
                None => path.exists(),
                Some(heading) => std::fs::read_to_string(&path)
                    .is_ok_and(|text| anchors(&text).contains(heading)),
            };
            if !is_there {
                let heading = heading.map_or(String::new(), |it| format!("#{it}"));
                faults.push(format!("{} links to {target}{heading}", document.path));
            }
        }
        for path in named(&document.text) {
            if !root.join(path).exists() {
                faults.push(format!("{} names {path}", document.path));
            }
        }
    }
    assert_none("what is not there", &faults);
}

/// Relative links, and the heading that each points at.
fn links(text: &str) -> impl Iterator<Item = (&str, Option<&str>)> {
    text.split("](").skip(1).filter_map(|rest| {
        let target = rest.split(')').next()?;
        let (path, heading) = match target.split_once('#') {
            Some((path, heading)) => (path, Some(heading)),
            None => (target, None),
        };
        (!target.is_empty() && !target.contains("://")).then_some((path, heading))
    })
}

/// What links to the headings of a document are called: lower case, without punctuation.
fn anchors(text: &str) -> BTreeSet<String> {
    let is_kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    let headings = text.lines().filter(|line| line.starts_with('#'));
    let titles = headings.map(|line| line.trim_start_matches('#').trim().to_lowercase());
    titles
        .map(|title| title.chars().filter(is_kept).collect::<String>().replace(' ', "-"))
        .collect()
}

/// Sources named as code, from the root of the workspace.
fn named(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2).filter(|code| {
        let from_root = ["crates/", "docs/", "deploy/", "tests/", "ingest/", "planner/", "policy/"]
            .iter()
            .chain(&["executor/", "notifier/"])
            .any(|folder| code.starts_with(folder));
        from_root && code.ends_with(".rs") && !code.contains(['*', '<', '{', ' '])
    })
}

#[test]
fn migrations_are_named_by_their_time_and_say_what_they_are_for() {
    let mut faults = Vec::new();
    let migrations: Vec<_> =
        sources::all().into_iter().filter(|source| source.path.contains("/migrations/")).collect();
    assert!(migrations.len() >= 6, "every service has one, and so has the frame");
    for migration in migrations {
        let name = migration.path.rsplit('/').next().unwrap_or_default();
        let sound = name.strip_suffix(".sql").and_then(|stem| stem.split_once('_')).is_some_and(
            |(time, what)| {
                let word = |b: u8| b.is_ascii_lowercase() || b == b'_';
                let digits = time.len() == 14 && time.bytes().all(|b| b.is_ascii_digit());
                digits && !what.is_empty() && what.bytes().all(word)
            },
        );
        if !sound {
            faults.push(format!("{} is not YYYYMMDDHHMMSS_<what>.sql", migration.path));
        }
        if !migration.text.starts_with("-- ") {
            faults.push(format!("{} does not begin with a sentence", migration.path));
        }
        let statements = migration.text.lines().filter(|line| !line.starts_with("--"));
        if statements
            .flat_map(|line| line.split_whitespace())
            .any(|word| ["CREATE", "ALTER", "SELECT", "TABLE", "DROP"].contains(&word))
        {
            faults.push(format!("{} shouts; SQL is lower case", migration.path));
        }
    }
    assert_none("migrations", &faults);
}

#[test]
fn decisions_are_numbered_without_a_gap() {
    let mut numbers: Vec<usize> = sources::all()
        .iter()
        .filter_map(|source| source.path.strip_prefix("docs/adr/")?.get(..4)?.parse().ok())
        .collect();
    numbers.sort_unstable();
    assert!(!numbers.is_empty(), "there are no ADRs");
    assert_eq!(numbers, (1..=numbers.len()).collect::<Vec<_>>());
}
