use std::sync::Arc;

use chrono::DateTime;
use serde_json::{Value, json};

use super::{Standings, graph, stacks_among};
use crate::{
    catalogue::tests::stack,
    known::{Known, Shelf, Snapshot},
};

fn shelf() -> Shelf {
    let stacks = vec![
        stack("a"),
        stack("b").after("a", &["O -> I"]),
        stack("c").label("depends-on:a,b"),
        stack("d"),
    ];
    let shelf = Shelf::default();
    let known = Arc::new(Known::new(4, stacks));
    shelf.put(Snapshot { known, as_of: DateTime::UNIX_EPOCH });
    shelf
}

fn stacks(shelf: &Shelf, body: Value) -> Result<Value, bus::Problem> {
    stacks_among(&Standings::new(), shelf, body)
}

fn ids(answer: &Value) -> Vec<&str> {
    let stacks = answer["stacks"].as_array().unwrap();
    stacks.iter().map(|stack| stack["id"].as_str().unwrap()).collect()
}

fn pairs(answer: &Value) -> Vec<String> {
    let edges = answer["edges"].as_array().unwrap();
    let name = |edge: &Value, end: &str| edge[end].as_str().unwrap().to_owned();
    edges.iter().map(|edge| format!("{} > {}", name(edge, "parent"), name(edge, "child"))).collect()
}

#[test]
fn stacks_come_page_by_page() {
    let shelf = shelf();
    let first = stacks(&shelf, json!({ "limit": 3 })).unwrap();
    assert_eq!((ids(&first), &first["next"]), (vec!["a", "b", "c"], &json!("c")));
    let second = stacks(&shelf, json!({ "limit": 3, "after": "c" })).unwrap();
    assert_eq!((ids(&second), &second["next"]), (vec!["d"], &Value::Null));
    assert_eq!(ids(&stacks(&shelf, Value::Null).unwrap()).len(), 4);
    assert!(ids(&stacks(&shelf, json!({ "after": "z" })).unwrap()).is_empty());
}

#[test]
fn a_query_goes_through_all_pages() {
    let shelf = shelf();
    let first = stacks(&shelf, json!({ "limit": 1, "query": "-a -b" })).unwrap();
    assert_eq!((ids(&first), &first["next"]), (vec!["c"], &json!("c")));
    let second = stacks(&shelf, json!({ "limit": 1, "query": "-a -b", "after": "c" })).unwrap();
    assert_eq!((ids(&second), &second["next"]), (vec!["d"], &Value::Null));
    let problem = stacks(&shelf, json!({ "query": "colour:red" })).unwrap_err();
    assert!(problem.message.contains("no field `colour`"), "{problem}");
}

#[test]
fn the_graph_comes_page_by_page_without_tearing_a_stack_apart() {
    let shelf = shelf();
    let first = graph(&shelf, json!({ "limit": 1 })).unwrap();
    assert_eq!(
        (pairs(&first), &first["next"]),
        (vec!["a > b".into(), "a > c".into()], &json!("a"))
    );
    assert_eq!(
        first["edges"][0]["origins"],
        json!([{ "from": "native", "references": ["O -> I"] }])
    );
    let second = graph(&shelf, json!({ "limit": 1, "after": "a" })).unwrap();
    assert_eq!((pairs(&second), &second["next"]), (vec!["b > c".into()], &json!("b")));
    let third = graph(&shelf, json!({ "limit": 1, "after": "b" })).unwrap();
    assert_eq!((pairs(&third), &third["next"]), (vec![], &Value::Null));
    assert_eq!((&third["alone"], &first["alone"]), (&json!(["d"]), &json!([])));
}

#[test]
fn what_cannot_be_answered_is_said_in_a_sentence() {
    let problem = stacks(&shelf(), json!({ "offset": 3 })).unwrap_err();
    assert_eq!(problem.code, "malformed");
    assert!(problem.message.contains("offset"), "{problem}");
    assert_eq!(graph(&Shelf::default(), Value::Null).unwrap_err().code, "not_known_yet");
}
