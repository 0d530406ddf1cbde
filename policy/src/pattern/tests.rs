use proptest::prelude::*;

use super::*;

#[test]
fn stars_and_question_marks_stand_for_what_they_should() {
    for (pattern, text, fits) in [
        ("env:prod", "env:prod", true),
        ("env:prod", "env:production", false),
        ("env:prod*", "env:production", true),
        ("*", "", true),
        ("", "", true),
        ("", "a", false),
        ("?", "", false),
        ("net-??", "net-eu", true),
        ("net-??", "net-e", false),
        ("*-prod", "a-prod-prod", true),
        ("a*b*c", "a-b-b-c", true),
        ("a*b*c", "a-c-b", false),
        ("release/*", "release/2026/11", true),
        ("Acme/*", "acme/Infra", true),
        ("gr?n", "grün", true),
    ] {
        assert_eq!(Pattern::new(pattern).matches(text), fits, "{pattern} on {text}");
    }
}

/// The textbook definition, exponential and obviously right.
fn plain(pattern: &[char], text: &[char]) -> bool {
    match (pattern.split_first(), text.split_first()) {
        (None, None) => true,
        (Some(('*', rest)), _) => {
            plain(rest, text) || (!text.is_empty() && plain(pattern, &text[1..]))
        }
        (Some((wanted, rest)), Some((found, left))) => {
            (*wanted == '?' || wanted == found) && plain(rest, left)
        }
        _ => false,
    }
}

proptest! {
    #[test]
    fn agrees_with_the_textbook(pattern in "[ab*?]{0,8}", text in "[ab]{0,10}") {
        let expected = plain(
            &pattern.chars().collect::<Vec<_>>(),
            &text.chars().collect::<Vec<_>>(),
        );
        prop_assert_eq!(Pattern::new(pattern).matches(&text), expected);
    }
}
