pub(crate) mod corpus;

use chrono::DateTime;
use contracts::change::Paths;
use serde_json::{Value, json};

use super::WhatIf;
use crate::{
    catalogue::tests::stack,
    known::{Known, Snapshot},
};

fn place(question: Value) -> Result<String, String> {
    let stacks = vec![
        stack("a"),
        stack("b").made_from("acme/infra", "release"),
        stack("c").made_from("acme/apps", "main"),
    ];
    let known = std::sync::Arc::new(Known::new(1, stacks));
    let snapshot = Snapshot { known, as_of: DateTime::UNIX_EPOCH };
    let question: WhatIf = serde_json::from_value(question).unwrap();
    let place = question.place(&snapshot.known);
    place.map(|(name, branch)| format!("{name} {branch}")).map_err(|problem| problem.message)
}

#[test]
fn the_place_may_be_left_out_where_there_is_only_one() {
    assert_eq!(place(json!({ "repository": "Acme/Apps" })).unwrap(), "acme/apps main");
    assert_eq!(place(json!({ "branch": "release" })).unwrap(), "acme/infra release");
    let error = place(json!({ "branch": "main" })).unwrap_err();
    assert_eq!(error, "say which `repository` and `branch`: acme/apps main, acme/infra main");
    assert_eq!(place(json!({ "repository": "acme/infra", "tag": "v1" })).unwrap(), "acme/infra v1");
    let error = place(json!({ "tag": "v1" })).unwrap_err();
    assert_eq!(error, "say which `repository` and `branch`: acme/apps v1, acme/infra v1");
    let error = place(json!({ "repository": "acme/none" })).unwrap_err();
    assert!(error.starts_with("no stack tracks acme/none; `stackly stacks"), "{error}");
    let error = place(json!({ "repository": "acme/apps", "branch": "next" })).unwrap_err();
    assert!(error.starts_with("no stack tracks next of acme/apps;"), "{error}");
}

#[test]
fn changes_that_are_joined_touch_what_both_touch() {
    let all = |paths: &[&str]| Paths::All(paths.iter().map(|&path| path.to_owned()).collect());
    assert_eq!(all(&["b", "a"]).and(&all(&["a"])), all(&["a", "b"]));
    assert_eq!(all(&["a"]).and(&Paths::Unknown), Paths::Unknown);
}
