//! Judges answers as spacectl's decoder does, and a little harder: exactly the selected keys.

use std::collections::BTreeSet;

use async_graphql::parser::{
    parse_query,
    types::{DocumentOperations, Selection, SelectionSet},
};
use serde_json::{Value, json};

use crate::client::Client;

impl Client {
    /// Posts a document verbatim and checks that the answer has exactly the selected keys.
    pub(crate) async fn strictly(&self, document: &str, variables: Value) -> Value {
        let data = self.data(document, variables).await;
        let parsed = parse_query(document).unwrap();
        let DocumentOperations::Single(operation) = &parsed.operations else {
            panic!("one operation per document: {document}");
        };
        check(&operation.node.selection_set.node, &data, document);
        data
    }
}

/// The keys of the plain fields, and those of each inline fragment.
fn keys_of(selection: &SelectionSet) -> (BTreeSet<&str>, Vec<BTreeSet<&str>>) {
    let (mut plain, mut fragments) = (BTreeSet::new(), Vec::new());
    for item in &selection.items {
        match &item.node {
            Selection::Field(field) => {
                plain.insert(field.node.response_key().node.as_str());
            }
            Selection::InlineFragment(fragment) => {
                fragments.push(keys_of(&fragment.node.selection_set.node).0);
            }
            Selection::FragmentSpread(_) => panic!("spacectl spreads no named fragments"),
        }
    }
    (plain, fragments)
}

fn check(selection: &SelectionSet, value: &Value, place: &str) {
    match value {
        Value::Null => {}
        Value::Array(items) => items.iter().for_each(|item| check(selection, item, place)),
        Value::Object(fields) => {
            let (plain, fragments) = keys_of(selection);
            let found: BTreeSet<&str> = fields.keys().map(String::as_str).collect();
            let rest: BTreeSet<&str> = found.difference(&plain).copied().collect();
            assert!(plain.is_subset(&found), "{place}: selected {plain:?}, got {found:?}");
            let fits = if fragments.is_empty() {
                rest.is_empty()
            } else {
                fragments
                    .iter()
                    .any(|fragment| rest == fragment.difference(&plain).copied().collect())
            };
            assert!(fits, "{place}: nobody selected {rest:?}");
            for item in &selection.items {
                descend(&item.node, value);
            }
        }
        other => assert!(selection.items.is_empty(), "{place}: {other} is not an object"),
    }
}

fn descend(selection: &Selection, value: &Value) {
    match selection {
        Selection::Field(field) => {
            let key = field.node.response_key().node.as_str();
            let inner = &field.node.selection_set.node;
            if !inner.items.is_empty() {
                check(inner, &value[key], key);
            }
        }
        Selection::InlineFragment(fragment) => {
            for item in &fragment.node.selection_set.node.items {
                if let Selection::Field(field) = &item.node
                    && value.get(field.node.response_key().node.as_str()).is_some()
                {
                    descend(&item.node, value);
                }
            }
        }
        Selection::FragmentSpread(_) => {}
    }
}

#[test]
#[should_panic(expected = "nobody selected")]
fn a_key_nobody_selected_is_found() {
    let parsed = parse_query("{stack{id}}").unwrap();
    let DocumentOperations::Single(operation) = &parsed.operations else { panic!() };
    check(&operation.node.selection_set.node, &json!({"stack": {"id": "a", "name": "b"}}), "test");
}

#[test]
#[should_panic(expected = "selected")]
fn a_selected_key_that_is_missing_is_found() {
    let parsed = parse_query("{stack{id,name}}").unwrap();
    let DocumentOperations::Single(operation) = &parsed.operations else { panic!() };
    check(&operation.node.selection_set.node, &json!({"stack": {"id": "a"}}), "test");
}
