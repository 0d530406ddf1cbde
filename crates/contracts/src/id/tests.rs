use proptest::prelude::*;

use super::*;

const LOWEST: &str = "chain_00000000000000000000000000";
const HIGHEST: &str = "chain_7zzzzzzzzzzzzzzzzzzzzzzzzz";

proptest! {
    #[test]
    fn an_id_is_read_back_from_what_it_is_shown_as(bits: u128) {
        let chain = ChainId(Uuid::from_u128(bits));
        prop_assert_eq!(chain.to_string().parse::<ChainId>().unwrap(), chain);
        let json = serde_json::to_value(chain).unwrap();
        prop_assert_eq!(serde_json::from_value::<ChainId>(json).unwrap(), chain);
    }

    #[test]
    fn ids_sort_as_their_texts_do(left: u128, right: u128) {
        let (left, right) = (GateId(Uuid::from_u128(left)), GateId(Uuid::from_u128(right)));
        prop_assert_eq!(left.cmp(&right), left.to_string().cmp(&right.to_string()));
    }

    #[test]
    fn what_begins_so_is_between_the_first_and_the_last(left: u128, right: u128, length in 0..=26_usize) {
        let [left, right] = [left, right].map(|bits| GateId(Uuid::from_u128(bits)));
        let start = &left.to_string()[..5 + length];
        let range = GateId::beginning(start).unwrap();
        prop_assert!(range.contains(&left));
        prop_assert_eq!(range.contains(&right), right.to_string().starts_with(start));
    }

    #[test]
    fn no_text_is_more_than_an_error(text: String) {
        let parsed = text.parse::<ChainId>();
        prop_assert!(parsed.is_err() || text.starts_with("chain_"));
    }

    #[test]
    fn a_text_that_is_read_is_the_only_one_of_its_id(text in "chain_[0-9a-z]{26}") {
        if let Ok(chain) = text.parse::<ChainId>() {
            prop_assert_eq!(chain.to_string(), text);
        }
    }

    #[test]
    fn foreign_ids_are_carried_as_they_came(text: String) {
        let stack = StackId::from(text.clone());
        prop_assert_eq!(stack.as_str(), text.as_str());
        let json = serde_json::to_value(&stack).unwrap();
        prop_assert_eq!(&json, &serde_json::Value::String(text));
        prop_assert_eq!(serde_json::from_value::<StackId>(json).unwrap(), stack);
    }
}

#[test]
fn no_id_begins_with_what_is_none() {
    for text in ["", "gate", "gate_8", "gate_01u", "chain_01", "gate_01j9zt3m6f0qv8x2c4r7n5k1dwx"] {
        assert_eq!(GateId::beginning(text), None, "{text}");
    }
}

#[test]
fn the_ends_of_the_range_can_be_written() {
    assert_eq!(ChainId(Uuid::nil()).to_string(), LOWEST);
    assert_eq!(ChainId(Uuid::max()).to_string(), HIGHEST);
}

#[test]
fn people_may_shout() {
    let chain: ChainId = HIGHEST.parse().unwrap();
    assert_eq!(HIGHEST.to_uppercase().replace("CHAIN", "chain").parse::<ChainId>().unwrap(), chain);
}

#[test]
fn what_is_no_id_is_refused_with_an_example() {
    let too_much = HIGHEST.replace("7z", "8z");
    let bad = [
        "",
        "chain_",
        "7zzzzzzzzzzzzzzzzzzzzzzzzz",
        "chain-7zzzzzzzzzzzzzzzzzzzzzzzzz",
        "chain_7zzzzzzzzzzzzzzzzzzzzzzzz",
        "chain_7zzzzzzzzzzzzzzzzzzzzzzzzzz",
        "chain_uuuuuuuuuuuuuuuuuuuuuuuuuu",
        "chain_7zzzzzzzzzzzzzzzzzzzzzzzzä",
        "gate_7zzzzzzzzzzzzzzzzzzzzzzzzz",
        " chain_7zzzzzzzzzzzzzzzzzzzzzzzzz",
        too_much.as_str(),
    ];
    for given in bad {
        let error = given.parse::<ChainId>().unwrap_err().to_string();
        let (said, example) = error.split_once("; it should look like ").unwrap();
        assert_eq!(said, format!("`{given}` is not a chain id"));
        assert!(example.parse::<ChainId>().is_ok(), "{example} is no good example");
        assert!(serde_json::from_value::<ChainId>(given.into()).is_err());
    }
    assert!(serde_json::from_value::<ChainId>(7.into()).is_err());
}

#[test]
fn an_id_that_is_derived_is_the_same_each_time_and_another_for_another_name() {
    let cause = Uuid::from_u128(7);
    assert_eq!(ChainId::derived(&cause, "a"), ChainId::derived(&cause, "a"));
    assert_ne!(ChainId::derived(&cause, "a"), ChainId::derived(&cause, "b"));
    assert_ne!(ChainId::derived(&cause, "a"), ChainId::derived(&NAMESPACE, "a"));
}

#[test]
fn derived_ids_never_change_between_builds() {
    let chain = ChainId::derived(&NAMESPACE, "acme/infrastructure@9f2c1a7");
    assert_eq!(chain.to_string(), "chain_3wy7gzrcpeaazszdjywx7pbd18");
}

#[test]
fn a_commit_is_whole_with_all_its_digits_and_short_with_eight() {
    let whole = |digits: usize| CommitSha("0123456789abcdef".repeat(4)[..digits].into()).is_whole();
    assert_eq!([40, 64].map(whole), [true; 2]);
    assert_eq!([0, 8, 39, 41, 63].map(whole), [false; 5]);
    assert!(!CommitSha("x".repeat(40)).is_whole());
    assert_eq!(CommitSha("0123456789".into()).short(), "01234567");
    assert_eq!(CommitSha("é".into()).short(), "é");
}
