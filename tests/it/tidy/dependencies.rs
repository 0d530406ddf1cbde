//! Who may depend on whom, as Cargo sees it.

use std::collections::BTreeSet;

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};

use super::assert_none;
use crate::contracts::CARDS;

/// What `contracts` may be built from: values, and what describes them. No I/O.
const OF_CONTRACTS: [&str; 8] =
    ["arcstr", "chrono", "schemars", "serde", "serde_json", "thiserror", "ulid", "uuid"];

/// Crates that one package alone may use, because it is the one place that knows them.
const ONE_USER: [(&str, &str); 4] = [
    ("async-nats", "bus"),
    ("graphql_client", "spacelift"),
    ("async-graphql", "simulator"),
    ("gix", "git"),
];

fn metadata() -> Metadata {
    let manifest = super::sources::root().join("Cargo.toml");
    MetadataCommand::new().manifest_path(manifest).no_deps().exec().unwrap()
}

fn services() -> BTreeSet<&'static str> {
    CARDS.iter().map(|card| card.service).collect()
}

/// The packages it is built from; those of its tests are its own affair.
fn dependencies(package: &Package) -> impl Iterator<Item = &str> {
    let built = |kind| kind != DependencyKind::Development;
    package.dependencies.iter().filter(move |one| built(one.kind)).map(|one| one.name.as_str())
}

#[test]
fn no_service_depends_on_a_service() {
    let services = services();
    for package in &metadata().packages {
        if services.contains(package.name.as_str()) {
            let all = package.dependencies.iter().map(|dependency| dependency.name.as_str());
            let others: Vec<_> = all.filter(|name| services.contains(name)).collect();
            assert!(others.is_empty(), "{} depends on {others:?}", package.name);
        }
    }
}

#[test]
fn only_the_program_and_the_tests_hold_services_together() {
    let services = services();
    for package in &metadata().packages {
        let holds = dependencies(package).any(|name| services.contains(name));
        let may = matches!(package.name.as_str(), "stackly" | "tests");
        assert!(!holds || may, "{} depends on a service", package.name);
    }
}

#[test]
fn contracts_is_built_from_values_alone() {
    let metadata = metadata();
    let contracts = metadata.packages.iter().find(|package| package.name == "contracts").unwrap();
    let odd: Vec<_> = dependencies(contracts).filter(|name| !OF_CONTRACTS.contains(name)).collect();
    assert!(odd.is_empty(), "contracts depends on {odd:?}");
}

#[test]
fn what_one_crate_alone_knows_no_other_depends_on() {
    let mut faults = Vec::new();
    for package in &metadata().packages {
        for (dependency, user) in ONE_USER {
            if package.name != user && dependencies(package).any(|name| name == dependency) {
                faults.push(format!("{} depends on {dependency}; only {user} may", package.name));
            }
        }
    }
    assert_none("one place each", &faults);
}

#[test]
fn every_package_is_private_described_and_keeps_the_lints() {
    let mut faults = Vec::new();
    for package in &metadata().packages {
        let manifest = std::fs::read_to_string(&package.manifest_path).unwrap();
        let name = &package.name;
        if package.publish != Some(Vec::new()) {
            faults.push(format!("{name} could be published"));
        }
        if package.description.as_deref().unwrap_or_default().is_empty() {
            faults.push(format!("{name} has no description"));
        }
        if !manifest.contains("[lints]\nworkspace = true") {
            faults.push(format!("{name} does not keep the lints of the workspace"));
        }
        if manifest.contains("version = \"") {
            faults.push(format!("{name} states a version that belongs into the workspace's table"));
        }
    }
    assert_none("packages", &faults);
}
