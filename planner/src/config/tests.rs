use std::collections::BTreeMap;

use service::config::Layers;

use super::Config;
use crate::DEFAULTS;

fn load(environment: &[(&str, &str)]) -> Result<Config, String> {
    let environment: BTreeMap<String, String> =
        environment.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect();
    let layers = Layers::merge("planner", DEFAULTS, None, &environment);
    layers.and_then(Layers::read).map_err(|error| error.to_string())
}

#[test]
fn the_defaults_are_a_whole_configuration() {
    let config = load(&[]).unwrap();
    assert!(!config.previews.from_forks);
    assert!(config.catalogue.pause < config.catalogue.refresh);
}

#[test]
fn the_account_is_given_by_the_environment() {
    let config = load(&[
        ("PLANNER__SPACELIFT__ENDPOINT", "https://acme.app.spacelift.io"),
        ("PLANNER__SPACELIFT__API_KEY_SECRET", "123"),
        ("PLANNER__CATALOGUE__REFRESH", "5m"),
    ])
    .unwrap();
    assert_eq!(config.spacelift.endpoint, "https://acme.app.spacelift.io");
    assert_eq!(config.catalogue.refresh.as_secs(), 300);
    assert!(!format!("{config:?}").contains("123"), "a secret was printed");
}

#[test]
fn a_key_that_does_not_exist_is_a_fault() {
    let fault = load(&[("PLANNER__CATALOGUE__REFRESHH", "5m")]).unwrap_err();
    assert!(fault.contains("refreshh"), "{fault}");
}

#[test]
fn every_key_of_the_defaults_has_a_sentence_above_it() {
    let mut above = "";
    for line in DEFAULTS.lines() {
        if line.contains(" = ") && !line.starts_with('#') {
            assert!(above.starts_with('#'), "no sentence above `{line}`");
        }
        above = line;
    }
}
