//! JSON Schemas as tables that people read.

use std::fmt::Write;

use serde_json::{Map, Value};

/// The definitions all types of a document share.
pub type Definitions = Map<String, Value>;

/// Where the definitions of a schema are.
const DEFINITIONS: &str = "#/$defs/";

/// The name a reference points to.
pub fn target(schema: &Value) -> Option<&str> {
    schema["$ref"].as_str()?.strip_prefix(DEFINITIONS)
}

/// What one type looks like: a table of fields, a list of values, or a sentence.
pub fn describe(schema: &Value) -> String {
    let mut text = String::new();
    if schema["properties"].is_object() {
        text.push_str(&table(schema));
    }
    let Some(variants) = schema["oneOf"].as_array() else {
        if text.is_empty() {
            writeln!(text, "{}{}.", sentence(&kind(schema)), examples(schema)).unwrap();
        }
        return text;
    };
    let lead = if text.is_empty() { "One of:" } else { "\nAnd one of:" };
    writeln!(text, "{lead}\n").unwrap();
    for variant in variants {
        let shape = match variant["properties"].is_object() {
            true => object(variant),
            false => constant(variant),
        };
        writeln!(text, "- {shape}: {}", cell(&variant["description"])).unwrap();
    }
    text
}

/// Required fields first, in the order of the type, then the optional ones by name: an order that
/// does not depend on how maps are kept.
fn table(schema: &Value) -> String {
    let properties = schema["properties"].as_object().unwrap();
    let required = required(schema);
    let mut optional: Vec<_> =
        properties.keys().map(String::as_str).filter(|name| !required.contains(name)).collect();
    optional.sort_unstable();
    let mut text = String::from("| Field | Type | Always | Meaning |\n|---|---|---|---|\n");
    for name in required.iter().chain(&optional) {
        let always = if required.contains(name) { "yes" } else { "no" };
        let field = &properties[*name];
        let meaning = cell(&field["description"]);
        writeln!(text, "| `{name}` | {} | {always} | {meaning} |", kind(field)).unwrap();
    }
    text
}

fn required(schema: &Value) -> Vec<&str> {
    schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

fn examples(schema: &Value) -> String {
    let Some(examples) = schema["examples"].as_array() else { return String::new() };
    let quoted: Vec<_> = examples.iter().map(|example| format!("`{example}`")).collect();
    format!(", such as {}", quoted.join(", "))
}

/// One variant of a tagged enum in one line.
fn object(variant: &Value) -> String {
    let properties = variant["properties"].as_object().unwrap();
    let mut names: Vec<_> = properties.keys().collect();
    // The tag, which has one value, comes first.
    names.sort_by_key(|name| (properties[*name]["const"].is_null(), name.as_str()));
    let fields: Vec<_> =
        names.into_iter().map(|name| format!("`{name}` {}", kind(&properties[name]))).collect();
    fields.join(", ")
}

fn constant(variant: &Value) -> String {
    match variant["enum"].as_array() {
        Some(values) => values.iter().map(|v| format!("`{v}`")).collect::<Vec<_>>().join(", "),
        None => format!("`{}`", variant["const"]),
    }
}

/// A type in a few words.
fn kind(schema: &Value) -> String {
    if let Some(name) = target(schema) {
        return match name {
            "Code" => "[reason code](runbook/REASONS.md)".to_owned(),
            name => format!("[{name}](#{})", name.to_lowercase()),
        };
    }
    for combination in ["anyOf", "allOf"] {
        if let Some(parts) = schema[combination].as_array() {
            let real = parts.iter().find(|part| part["type"] != "null").expect("no type is null");
            return kind(real);
        }
    }
    if !schema["const"].is_null() {
        return format!("`{}`", schema["const"]);
    }
    let name = match &schema["type"] {
        Value::Array(types) => types.iter().filter_map(Value::as_str).find(|name| *name != "null"),
        single => single.as_str(),
    };
    match (name, schema["format"].as_str()) {
        (Some("array"), _) => format!("list of {}", kind(&schema["items"])),
        (Some("string"), Some(format)) => format!("string ({format})"),
        (Some("string"), None) => match schema["pattern"].as_str() {
            Some(pattern) => format!("string, `{pattern}`"),
            None => "string".to_owned(),
        },
        (Some(name), _) => name.to_owned(),
        (None, _) if is_free(schema) => "any JSON".to_owned(),
        (None, _) => panic!("a schema nobody taught this document to show: {schema}"),
    }
}

/// Whether a schema only says what it is about.
fn is_free(schema: &Value) -> bool {
    schema.as_object().is_some_and(|schema| schema.keys().all(|key| key == "description"))
}

fn sentence(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().into_iter().flat_map(char::to_uppercase);
    first.chain(characters).collect()
}

/// Text that fits into a cell of a table.
pub fn cell(description: &Value) -> String {
    let text = description.as_str().unwrap_or_default();
    text.replace('\n', " ").replace('|', "\\|")
}
