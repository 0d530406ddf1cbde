//! How large things may be.

use super::{
    assert_none,
    sources::{self, Source},
};

/// The most lines of a file without its tests.
const FILE_LINES_MAX: usize = 400;
/// The most lines of a `main.rs`.
const MAIN_LINES_MAX: usize = 20;
/// The most words of `docs/ARCHITECTURE.md`.
const ARCHITECTURE_WORDS_MAX: usize = 2_000;

/// Files that are still too long: path and the lines they may have until they are split.
const STILL_TOO_LONG: &[(&str, usize)] = &[];

/// The lines before an inline test module.
fn lines_without_tests(source: &Source) -> usize {
    let lines: Vec<_> = source.text.lines().collect();
    let tests = lines.windows(2).position(|pair| {
        pair[0].trim() == "#[cfg(test)]" && pair[1].starts_with("mod ") && pair[1].ends_with('{')
    });
    tests.unwrap_or(lines.len())
}

#[test]
fn files_are_short() {
    let mut faults = Vec::new();
    for source in sources::rust().iter().filter(|source| !source.is_test()) {
        let lines = lines_without_tests(source);
        let known = STILL_TOO_LONG.iter().find(|(path, _)| *path == source.path);
        match known {
            Some((path, _)) if lines <= FILE_LINES_MAX => {
                faults.push(format!("{path} is short now: take it off the list"));
            }
            Some((path, most)) if lines > *most => {
                faults.push(format!("{path} grew to {lines} lines; split it"));
            }
            None if lines > FILE_LINES_MAX => {
                faults.push(format!("{} has {lines} lines; split it", source.path));
            }
            _ => {}
        }
    }
    assert_none(&format!("a file has at most {FILE_LINES_MAX} lines"), &faults);
}

#[test]
fn every_main_of_a_service_is_thin() {
    for card in crate::contracts::CARDS {
        let path = format!("{}/src/main.rs", card.service);
        let lines = sources::read(&path).lines().count();
        assert!(lines <= MAIN_LINES_MAX, "{path} has {lines} lines");
    }
}

#[test]
fn the_architecture_can_be_read_in_ten_minutes() {
    let words = sources::read("docs/ARCHITECTURE.md").split_whitespace().count();
    assert!(words <= ARCHITECTURE_WORDS_MAX, "docs/ARCHITECTURE.md has {words} words");
}
