//! Every service has the same files, and its first lines agree with its card.

use std::collections::BTreeSet;

use contracts::Card;

use super::{assert_none, sources};
use crate::contracts::CARDS;

const FILES: [&str; 7] = [
    "Cargo.toml",
    "README.md",
    "config.default.toml",
    "src/main.rs",
    "src/lib.rs",
    "src/config.rs",
    "src/store.rs",
];

/// Services whose first lines do not say everything yet: service and word.
const STILL_SILENT: &[(&str, &str)] = &[];

#[test]
fn every_service_has_the_same_files() {
    let root = sources::root();
    let mut missing = Vec::new();
    for card in CARDS {
        let folder = root.join(card.service);
        for file in FILES {
            if !folder.join(file).is_file() {
                missing.push(format!("{}/{file}", card.service));
            }
        }
        let migrations = std::fs::read_dir(folder.join("migrations"));
        if migrations.map_or(0, Iterator::count) == 0 {
            missing.push(format!("{}/migrations", card.service));
        }
    }
    assert_none("missing", &missing);
}

/// What stands behind each of these words, up to the next of these characters.
fn all_after(text: &str, word: &str, end: &[char]) -> BTreeSet<String> {
    let after = text.split(word).skip(1);
    after.map(|rest| rest.split(end).next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn the_readme_of_a_service_has_the_questions_it_answers() {
    for card in CARDS {
        let source = sources::read(&format!("{}/src/lib.rs", card.service));
        let answered = all_after(&source, "question(CARD.service, \"", &['"']);
        let readme = sources::read(&format!("{}/README.md", card.service));
        let shown = all_after(&readme, &format!("stackly.ask.{}.", card.service), &['`']);
        assert_eq!(shown, answered, "{}/README.md shows other questions", card.service);
    }
}

#[test]
fn the_services_are_the_folders_in_the_root() {
    let manifest: toml::Table = sources::read("Cargo.toml").parse().unwrap();
    let members = manifest["workspace"]["members"].as_array().unwrap();
    let root: Vec<_> = members
        .iter()
        .filter_map(toml::Value::as_str)
        .filter(|member| !member.contains('/') && *member != "tests")
        .collect();
    let cards: Vec<_> = CARDS.iter().map(|card| card.service).collect();
    assert_eq!(root, cards, "services stand in the root, in the order of the way");
}

/// The first lines of a service, as one text.
fn introduction(service: &str) -> String {
    let source = sources::read(&format!("{service}/src/lib.rs"));
    let lines = source.lines().map_while(|line| line.strip_prefix("//!"));
    lines.map(str::trim).collect::<Vec<_>>().join(" ")
}

/// The names of event types in the sentence that begins with this word.
fn named(introduction: &str, word: &str) -> Option<BTreeSet<String>> {
    let words = ["Takes", "Gives", "Answers", "Owns", "Fails"];
    let begin = introduction.find(word)? + word.len();
    let rest = &introduction[begin..];
    let end = words.iter().filter_map(|next| rest.find(next)).min().unwrap_or(rest.len());
    let quoted = rest[..end].split('`').skip(1).step_by(2);
    let kind = |text: &&str| {
        text.split_once('.').is_some_and(|(noun, verb)| {
            let lower = |part: &str| part.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
            lower(noun) && lower(verb)
        })
    };
    Some(quoted.filter(kind).map(str::to_owned).collect())
}

fn set(kinds: &[&str]) -> BTreeSet<String> {
    kinds.iter().map(|kind| (*kind).to_owned()).collect()
}

#[test]
fn the_first_lines_of_a_service_agree_with_its_card() {
    let mut faults = Vec::new();
    for Card { service, takes, gives, commands, fails_by, .. } in CARDS {
        let introduction = introduction(service);
        for (word, card) in [("Takes", takes), ("Gives", gives)] {
            let said = named(&introduction, word);
            if said.as_ref() != Some(&set(card)) {
                faults.push(format!("{service}: {word} {said:?}, but the card has {card:?}"));
            }
        }
        let answers = named(&introduction, "Answers").unwrap_or_default();
        if !set(commands).is_subset(&answers) {
            faults.push(format!("{service}: Answers {answers:?}, but the card has {commands:?}"));
        }
        let owns = format!("`{service}`");
        if !introduction.split("Owns schema").nth(1).is_some_and(|rest| rest.contains(&owns)) {
            faults.push(format!("{service}: does not say that it owns schema {owns}"));
        }
        let fails = introduction.split("Fails by").nth(1);
        let silent = STILL_SILENT.contains(&(service, "Fails"));
        let complete = fails
            .is_some_and(|rest| fails_by.iter().all(|code| rest.contains(&format!("`{code}`"))));
        match (complete, silent) {
            (false, false) => faults.push(format!("{service}: Fails does not name {fails_by:?}")),
            (true, true) => faults.push(format!("{service}: take it off the list of the silent")),
            _ => {}
        }
    }
    assert_none("cards", &faults);
}

#[test]
fn every_crate_introduces_itself() {
    let mut silent = Vec::new();
    for source in sources::rust() {
        let is_root = source.path.ends_with("/src/lib.rs") || source.path.ends_with("/main.rs");
        let is_root = is_root && !source.path.contains("/src/bin/");
        let begins = source.text.starts_with("//! ") || source.text.starts_with("#![doc = include");
        if is_root && !begins {
            silent.push(source.path);
        }
    }
    assert_none("a crate begins with what it is", &silent);
}

#[test]
fn every_module_says_what_it_is() {
    let silent: Vec<_> = sources::rust()
        .into_iter()
        .filter(|source| !source.is_test() && !source.text.starts_with("//!"))
        .filter(|source| !source.text.starts_with("#![doc = include"))
        .map(|source| source.path)
        .collect();
    assert_none("a module begins with what it is", &silent);
}
