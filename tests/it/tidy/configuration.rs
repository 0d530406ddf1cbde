//! The defaults are the manual: every key has a sentence, and every field a key.

use std::collections::BTreeSet;

use super::{assert_none, sources};
use crate::contracts::CARDS;

/// Options that several services share, and the file of defaults that explains them.
const SHARED: [(&str, &str); 8] = [
    ("crates/bus/src/options.rs", FRAME),
    ("crates/store/src/options.rs", FRAME),
    ("crates/service/src/health.rs", FRAME),
    ("crates/service/src/telemetry.rs", FRAME),
    ("crates/spacelift/src/options.rs", "planner/config.default.toml"),
    ("crates/spacelift/src/options.rs", "executor/config.default.toml"),
    ("crates/github/src/app.rs", "planner/config.default.toml"),
    ("crates/github/src/app.rs", "policy/config.default.toml"),
];

const FRAME: &str = "crates/service/frame.default.toml";

fn files() -> Vec<String> {
    let own = CARDS.iter().map(|card| format!("{}/config.default.toml", card.service));
    own.chain([FRAME.to_owned()]).collect()
}

#[test]
fn every_key_has_a_sentence_above_it() {
    let mut faults = Vec::new();
    for path in files() {
        let text = sources::read(&path);
        text.parse::<toml::Table>().unwrap_or_else(|error| panic!("{path}: {error}"));
        let mut before = "";
        for (number, line) in text.lines().enumerate() {
            let is_key = line.starts_with(|first: char| first.is_ascii_lowercase());
            if is_key && !before.starts_with("# ") {
                faults.push(format!("{path}:{}: {line}", number + 1));
            }
            before = line;
        }
    }
    assert_none("keys without a sentence", &faults);
}

/// The public fields of the structs that are read from a configuration.
fn fields(source: &str) -> BTreeSet<String> {
    let mut fields = BTreeSet::new();
    for declaration in source.split("#[serde(deny_unknown_fields)]").skip(1) {
        let body = declaration.split("\n}").next().unwrap_or_default();
        fields.extend(body.lines().filter_map(|line| {
            let (name, _) = line.strip_prefix("    pub ")?.split_once(": ")?;
            Some(name.to_owned())
        }));
    }
    fields
}

/// Whether a file of defaults has this as a key, as a table, or explains it in a comment.
fn explains(text: &str, field: &str) -> bool {
    text.lines().any(|line| {
        let line = line.trim_start_matches(['#', ' ']);
        line == format!("[{field}]") || line.starts_with(&format!("{field} ="))
    }) || text.lines().filter(|line| line.starts_with('#')).any(|line| {
        line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').any(|word| word == field)
    })
}

#[test]
fn every_field_has_a_key() {
    let mut pairs: Vec<(String, String)> =
        SHARED.iter().map(|(source, text)| ((*source).to_owned(), (*text).to_owned())).collect();
    pairs.extend(CARDS.iter().map(|card| {
        let service = card.service;
        (format!("{service}/src/config.rs"), format!("{service}/config.default.toml"))
    }));
    let frame = sources::read(FRAME);
    let mut faults = Vec::new();
    for (source, defaults) in pairs {
        let fields = fields(&sources::read(&source));
        assert!(!fields.is_empty(), "{source} has no fields");
        let text = sources::read(&defaults);
        for field in fields {
            if !explains(&text, &field) && !explains(&frame, &field) {
                faults.push(format!("{field} of {source} is not in {defaults}"));
            }
        }
    }
    assert_none("fields without a key", &faults);
}

#[test]
fn every_service_starts_from_its_defaults() {
    fn read<C: serde::de::DeserializeOwned>(name: &str, defaults: &str) -> Result<(), String> {
        let layers = service::config::Layers::merge(name, defaults, None, &Default::default());
        layers.and_then(|layers| layers.read::<C>()).map(drop).map_err(|error| error.to_string())
    }
    assert_eq!(read::<ingest::Config>("ingest", ingest::DEFAULTS), Ok(()));
    assert_eq!(read::<planner::Config>("planner", planner::DEFAULTS), Ok(()));
    assert_eq!(read::<policy::Config>("policy", policy::DEFAULTS), Ok(()));
    assert_eq!(read::<executor::Config>("executor", executor::DEFAULTS), Ok(()));
    assert_eq!(read::<notifier::Config>("notifier", notifier::DEFAULTS), Ok(()));
}
