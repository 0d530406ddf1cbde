use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::*;

/// Every code that was ever published, in this order. Programs match on them: a line may be added
/// at the end, none may be changed or taken away.
const PUBLISHED: &str = include_str!("../../snapshots/codes.txt");

#[test]
fn a_code_once_published_stays() {
    let now: BTreeSet<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
    let published: BTreeSet<_> = PUBLISHED.lines().collect();
    assert_eq!(now, published, "the codes and snapshots/codes.txt differ");
}

#[test]
fn codes_are_snake_case_and_named_once() {
    let mut seen = BTreeSet::new();
    for code in Code::ALL {
        let text = code.as_str();
        let word = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase());
        assert!(text.split('_').all(word), "{text}");
        assert!(seen.insert(text), "{text} is there twice");
    }
}

#[test]
fn a_code_is_read_as_it_is_written() {
    for code in Code::ALL {
        assert_eq!(serde_json::to_value(code).unwrap(), json!(code.as_str()));
        assert_eq!(serde_json::from_value::<Code>(json!(code.as_str())).unwrap(), *code);
        assert_eq!(code.to_string(), code.as_str());
    }
    assert!(serde_json::from_value::<Code>(json!("because")).is_err(), "ours are closed");
}

#[test]
fn the_meaning_of_a_code_is_a_sentence() {
    for code in Code::ALL {
        let meaning = code.meaning();
        let capital = meaning.starts_with(|first: char| first.is_ascii_uppercase());
        assert!(capital && meaning.ends_with('.'), "{code}: {meaning:?}");
    }
}

#[test]
fn a_reason_is_shown_with_its_code_first() {
    let reason = Reason::new(Code::StackBusy, "network-prod is taken by chain_1");
    assert_eq!(reason.to_string(), "stack_busy: network-prod is taken by chain_1");
    let json: Value = serde_json::to_value(&reason).unwrap();
    assert_eq!(json, json!({"code": "stack_busy", "text": "network-prod is taken by chain_1"}));
}
