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
fn all_faults_of_the_environment_are_told_at_once() {
    let error = load(&[("DEMO__OWN__SIZE", "large"), ("DEMO__OWN__SIZE__X", "1")]).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("DEMO__OWN__SIZE: `large` is no integer"), "{text}");
    assert!(text.contains("DEMO__OWN__SIZE__X: `size` is a value, not a table"), "{text}");
}

#[test]
fn an_unknown_key_is_named() {
    let text = load(&[("DEMO__OWN__COLOUR", "red")]).unwrap_err().to_string();
    assert!(text.contains("colour"), "{text}");
}
