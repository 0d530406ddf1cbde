use std::{collections::BTreeMap, time::Duration};

use service::config::{ConfigError, Layers};
use tokio_util::sync::CancellationToken;

use super::{Config, Retries};
use crate::DEFAULTS;

fn config() -> Config {
    let nothing = BTreeMap::new();
    Layers::merge("executor", DEFAULTS, None, &nothing).and_then(Layers::read).unwrap()
}

#[test]
fn every_key_has_a_sentence_and_the_times_of_the_defaults_go_together() {
    let mut commented = false;
    for line in DEFAULTS.lines().map(str::trim).filter(|line| !line.is_empty()) {
        match line.chars().next() {
            Some('#') => commented = true,
            Some('[') => commented = false,
            _ => assert!(std::mem::take(&mut commented), "no sentence above {line}"),
        }
    }
    assert_eq!(config().faults(), Vec::<String>::new());
}

#[test]
fn times_that_do_not_go_together_are_told_all_at_once() {
    let mut config = config();
    config.store.lease = Duration::from_secs(4);
    config.spacelift.timeout = Duration::from_secs(3);
    config.runs.settle = Duration::from_secs(2);
    config.runs.calls_at_once = 0;
    config.runs.poll_every = Duration::ZERO;
    assert_eq!(
        config.faults(),
        [
            "spacelift.timeout is 3s and must be at most half of store.lease, 2s",
            "runs.settle is 2s and must be at most a quarter of store.lease, 1s",
            "runs.calls_at_once must be more than zero",
            "runs.poll_every must be more than zero",
        ]
    );
}

#[tokio::test]
async fn times_that_do_not_go_together_are_a_configuration_that_cannot_be_used() {
    let mut config = config();
    config.runs.calls_at_once = 0;
    let error = crate::run(config, CancellationToken::new()).await.unwrap_err();
    assert!(error.is::<ConfigError>(), "the exit status would say that it may work later");
}

#[test]
fn the_defaults_of_retries_are_those_of_the_code_and_logs_are_read() {
    assert_eq!(config().retries, Retries { read_logs: true, ..Retries::default() });
}
