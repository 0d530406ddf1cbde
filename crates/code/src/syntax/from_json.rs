//! `.tf.json`: which objects are blocks follows from where they stand.

use located::{Fault, Source};
use serde_json::Value;

use super::{Attribute, Block, Body, Expr};
use crate::json::{self, Json, Part};

/// Kinds of blocks, and how many labels each has.
const KINDS: &[(&str, usize)] = &[
    ("terraform", 0),
    ("locals", 0),
    ("provider", 1),
    ("variable", 1),
    ("output", 1),
    ("module", 1),
    ("resource", 2),
    ("data", 2),
];
/// Blocks within blocks of a kind.
const INNER: &[(&str, &str, usize)] = &[
    ("terraform", "required_providers", 0),
    ("terraform", "backend", 1),
    ("terraform", "cloud", 0),
    ("cloud", "workspaces", 0),
];

pub(super) fn parse(source: Source<'_>) -> Result<Body, Fault> {
    let json = json::parse(source.text).map_err(|error| {
        let what = format!("this is not JSON: {}", error.what);
        source.fault(error.at..error.at + 1, what, "close every string, list and object")
    })?;
    let mut body = Body::default();
    for (key, _, value) in entries(&json) {
        if let Some((kind, labels)) = KINDS.iter().find(|(kind, _)| kind == key) {
            blocks(kind, *labels, Vec::new(), value, &mut body.blocks);
        }
    }
    Ok(body)
}

/// The entries of an object, or of all objects of a list.
fn entries(json: &Json) -> Box<dyn Iterator<Item = &(String, usize, Json)> + '_> {
    match &json.value {
        Part::Map(map) => Box::new(map.iter()),
        Part::List(list) => Box::new(list.iter().flat_map(entries)),
        _ => Box::new(std::iter::empty()),
    }
}

fn blocks(kind: &str, labels: usize, named: Vec<String>, json: &Json, found: &mut Vec<Block>) {
    if labels > named.len() {
        for (label, _, value) in entries(json) {
            let named = named.iter().chain([label]).cloned().collect();
            blocks(kind, labels, named, value, found);
        }
        return;
    }
    let bodies = match &json.value {
        Part::List(list) => list.iter().collect(),
        _ => vec![json],
    };
    for one in bodies {
        let (labels, line) = (named.clone(), one.line);
        found.push(Block { kind: kind.to_owned(), labels, line, body: body(kind, one) });
    }
}

fn body(kind: &str, json: &Json) -> Body {
    let mut read = Body::default();
    for (key, line, value) in entries(json) {
        let inner = INNER.iter().find(|(outer, inner, _)| *outer == kind && inner == key);
        if let Some((_, inner, labels)) = inner {
            blocks(inner, *labels, Vec::new(), value, &mut read.blocks);
        } else if key != "//" {
            let value = expression(value);
            let written = value.as_text().unwrap_or_default();
            read.attributes.push(Attribute { key: key.clone(), line: *line, value, written });
        }
    }
    read
}

fn expression(json: &Json) -> Expr {
    match &json.value {
        Part::Null => Expr::Literal(Value::Null),
        Part::Bool(flag) => Expr::Literal(Value::Bool(*flag)),
        Part::Number(number) => Expr::Literal(Value::Number(number.clone())),
        Part::Text(text) => Expr::of_text(text.clone()),
        Part::List(list) => Expr::List(list.iter().map(expression).collect()),
        Part::Map(map) => Expr::Map(
            map.iter()
                .map(|(key, _, value)| (Expr::of_text(key.clone()), expression(value)))
                .collect(),
        ),
    }
}
