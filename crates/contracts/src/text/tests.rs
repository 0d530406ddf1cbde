use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

proptest! {
    #[test]
    fn in_json_they_are_texts_and_lists_like_any_other(texts: Vec<String>) {
        let list: List<Text> = texts.iter().map(|text| Text::from(text.as_str())).collect();
        let written = serde_json::to_string(&list).unwrap();
        prop_assert_eq!(&written, &serde_json::to_string(&texts).unwrap());
        prop_assert_eq!(&serde_json::from_str::<List<Text>>(&written).unwrap(), &list);
        prop_assert_eq!(serde_json::from_value::<List<Text>>(json!(texts)).unwrap(), list);
    }

    #[test]
    fn they_sort_as_what_they_are_made_of(left: Vec<String>, right: Vec<String>) {
        let list = |of: &[String]| of.iter().map(|it| Text::from(it.as_str())).collect::<List<_>>();
        prop_assert_eq!(list(&left).cmp(&list(&right)), left.cmp(&right));
    }
}

#[test]
fn a_list_that_grows_leaves_its_copies_as_they_were() {
    let mut list: List<Text> = vec!["a".into()].into();
    let copy = list.clone();
    list.push("b".into());
    assert_eq!((list.strings(), copy.strings()), (vec!["a".into(), "b".into()], vec!["a".into()]));
    assert_eq!(list, ["a", "b"]);
}

#[test]
fn an_empty_list_is_the_same_however_it_came_to_be() {
    assert_eq!(List::from(Vec::<Text>::new()), List::default());
    assert_eq!(serde_json::from_value::<List<Text>>(json!([])).unwrap(), List::default());
    assert_eq!(serde_json::to_value(List::<Text>::default()).unwrap(), Value::Array(Vec::new()));
}

#[test]
fn a_text_takes_its_place_among_others_in_a_table() {
    assert_eq!(format!("{:<4}|{:?}", Text::from("ab"), Text::from("ab")), "ab  |\"ab\"");
}
