//! Layers, types and faults.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::Layers;

const DEFAULTS: &str = "[own]\ntoken = \"\"\nsize = 1\n[health]\nlisten = \"127.0.0.1:1\"";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    bus: bus::Options,
    #[expect(dead_code, reason = "it must be readable; its content is not the point here")]
    store: store::Options,
    health: crate::health::Options,
    own: Own,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Own {
    token: String,
    size: u32,
}

fn load(environment: &[(&str, &str)]) -> Result<Config, super::ConfigError> {
    let environment: BTreeMap<_, _> =
        environment.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    Layers::merge("demo", DEFAULTS, None, &environment)?.read()
}

#[test]
fn the_defaults_alone_are_a_configuration() {
    let config = load(&[]).unwrap();
    assert_eq!(config.bus.batch_max, 256);
    assert_eq!(config.health.listen, "127.0.0.1:1");
}

#[test]
fn the_environment_of_one_service_wins_over_that_of_all() {
    let config = load(&[("DEMO__BUS__PREFIX", "mine"), ("STACKLY__BUS__PREFIX", "all")]).unwrap();
    assert_eq!(config.bus.prefix, "mine");
    assert_eq!(load(&[("STACKLY__BUS__PREFIX", "all")]).unwrap().bus.prefix, "all");
}

#[test]
fn a_token_of_digits_stays_a_string() {
    let config = load(&[("DEMO__OWN__TOKEN", "12345"), ("DEMO__OWN__SIZE", "7")]).unwrap();
    assert_eq!((config.own.token.as_str(), config.own.size), ("12345", 7));
}

#[test]
fn all_faults_are_told_at_once_and_none_of_the_values() {
    let secret = "hunter2";
    let faults = load(&[
        ("DEMO__OWN__SIZE", secret),
        ("DEMO__OWN__SIZE__X", secret),
        ("DEMO__OWN__COLOUR", secret),
        ("DEMO__BUS__ACK_WAIT", secret),
        ("DEMO__STORE__LEASE", secret),
        ("DEMO__STORE__URLL", secret),
    ]);
    let text = faults.unwrap_err().to_string();
    assert!(!text.contains(secret), "{text}");
    let lines: Vec<_> = text.lines().map(str::trim).collect();
    let expected = [
        "DEMO__OWN__SIZE: must be a TOML integer",
        "DEMO__OWN__SIZE__X: `size` is a value, not a table",
        "bus.ack_wait: expected a duration",
        "own: unknown field `colour`, expected `token` or `size`",
        "store.lease: expected a duration",
    ];
    for line in expected {
        assert!(lines.contains(&line), "{line} is not in\n{text}");
    }
    assert!(text.contains("store: unknown field `urll`"), "{text}");
    assert_eq!(lines.len(), 7, "{text}");
}

#[test]
fn a_file_with_a_fault_is_not_quoted() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("demo.toml");
    let read = |text: &str| {
        std::fs::write(&file, text).unwrap();
        let layers = Layers::merge("demo", DEFAULTS, Some(&file), &BTreeMap::new());
        layers.and_then(Layers::read::<Config>)
    };
    assert_eq!(read("[own]\ntoken = \"x\"\nsize = 9").unwrap().own.size, 9);
    let text = read("[own]\ntoken = \"hunter2").unwrap_err().to_string();
    assert!(text.contains("demo.toml is not TOML at line 2"), "{text}");
    let wrong = "[own]\ntoken = [\"hunter2\"]\nsize = \"hunter2\"";
    let more = read(wrong).unwrap_err().to_string();
    assert!(more.contains("own.token: expected a string"), "{more}");
    assert!(more.contains("own.size: expected u32"), "{more}");
    assert!(!text.contains("hunter2") && !more.contains("hunter2"), "{text}{more}");
    let missing = folder.path().join("none.toml");
    let layers = Layers::merge("demo", DEFAULTS, Some(&missing), &BTreeMap::new());
    let text = layers.and_then(Layers::read::<Config>).unwrap_err().to_string();
    assert!(text.contains("cannot read") && text.contains("none.toml"), "{text}");
}

#[test]
fn a_file_wins_over_the_defaults_and_the_environment_over_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("demo.toml");
    std::fs::write(&file, "[own]\nsize = 9\ntoken = \"file\"").unwrap();
    let environment = BTreeMap::from([("DEMO__OWN__SIZE".to_owned(), "10".to_owned())]);
    let layers = Layers::merge("demo", DEFAULTS, Some(&file), &environment);
    let config: Config = layers.and_then(Layers::read).unwrap();
    assert_eq!((config.own.size, config.own.token.as_str()), (10, "file"));
}

#[test]
fn the_processs_own_table_is_taken_out_and_its_faults_told_with_the_others() {
    let environment: BTreeMap<_, _> =
        [("DEMO__TELEMETRY__FORMAT", "hunter2"), ("DEMO__OWN__SIZE", "-1")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
    let mut layers = Layers::merge("demo", DEFAULTS, None, &environment).unwrap();
    let telemetry: crate::telemetry::Options = layers.take("telemetry").unwrap();
    assert_eq!(telemetry.format, crate::telemetry::Format::Json, "the default stands in");
    let text = layers.read::<Config>().unwrap_err().to_string();
    assert!(text.contains("telemetry.format: expected"), "{text}");
    assert!(text.contains("own.size: expected u32") && !text.contains("hunter2"), "{text}");
}

/// Every `*.default.toml` of the workspace.
fn defaults() -> Vec<std::path::PathBuf> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let folders = ["", "crates"].map(|folder| root.join(folder));
    let entries = folders.iter().flat_map(|folder| std::fs::read_dir(folder).unwrap());
    let inside = entries.filter_map(|entry| std::fs::read_dir(entry.unwrap().path()).ok());
    let files = inside.flatten().map(|entry| entry.unwrap().path());
    files.filter(|file| file.to_string_lossy().ends_with(".default.toml")).collect()
}

#[test]
fn every_key_of_every_defaults_file_has_a_sentence_above_it() {
    let files = defaults();
    assert!(files.len() >= 6, "{files:?}");
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        text.parse::<toml::Table>().unwrap();
        let mut above = "";
        let mut depth = 0_i32;
        for line in text.lines() {
            let is_key = depth == 0 && !line.starts_with(['#', '[', ' ']) && line.contains('=');
            if is_key {
                let place = format!("{}: {line}", file.display());
                assert!(above.starts_with('#'), "{place} has no comment above it");
            }
            // A list over several lines holds no keys.
            if !line.starts_with('#') {
                depth += line.matches('[').count() as i32 - line.matches(']').count() as i32;
            }
            above = line;
        }
    }
}
