//! Where a state lies, and how another one is read: both as the same key.

use std::sync::Arc;

use serde_json::Value;

use super::facts::Key;
use crate::{
    evaluate::{Scope, UNKNOWN, is_unknown},
    module::Resource,
    path,
    syntax::Body,
};

/// What tells one state from another, by the kind of its backend.
const IDENTITIES: &[(&str, &[&str])] = &[
    ("s3", &["bucket", "key"]),
    ("gcs", &["bucket", "prefix"]),
    ("azurerm", &["storage_account_name", "container_name", "key"]),
    ("oss", &["bucket", "prefix", "key"]),
    ("cos", &["bucket", "prefix", "key"]),
    ("consul", &["path"]),
    ("http", &["address"]),
    ("kubernetes", &["namespace", "secret_suffix"]),
    ("pg", &["conn_str", "schema_name"]),
];

/// What counts where nothing is said.
const DEFAULTS: &[(&str, &str, &str)] =
    &[("kubernetes", "namespace", "default"), ("pg", "schema_name", "terraform_remote_state")];

/// The state that Spacelift keeps for a stack.
pub(super) fn of_spacelift(id: &str) -> Key {
    Key { kind: "spacelift".to_owned(), parts: vec![id.to_owned()] }
}

/// Where the state of a root module lies, by its backend and the files that complete it.
pub(super) fn of_module(scope: &Scope<'_>, root: &str, files: &[Arc<Body>]) -> Vec<Key> {
    let Some(backend) = &scope.module.backend else {
        // Terraform's own default; a stack in Spacelift has its state there.
        return local(root, None).into_iter().collect();
    };
    let attribute = |body: &Body, key: &str| body.value(key).map(|value| scope.text(value));
    let get = |key: &str| attribute(&backend.body, key);
    match backend.kind.as_str() {
        "local" => local(root, get("path").as_deref()).into_iter().collect(),
        "remote" | "cloud" => {
            let workspaces = backend.body.blocks("workspaces").next();
            let workspace = workspaces.and_then(|block| {
                let name = attribute(&block.body, "name");
                name.or_else(|| Some(format!("{}{UNKNOWN}", attribute(&block.body, "prefix")?)))
            });
            remote(get("organization"), workspace).into_iter().collect()
        }
        kind => {
            let mut keys: Vec<Key> = files
                .iter()
                .filter_map(|file| identity(kind, |key| get(key).or_else(|| attribute(file, key))))
                .collect();
            if keys.is_empty() {
                keys.extend(identity(kind, get));
            }
            keys
        }
    }
}

/// The state that a data source reads.
pub(super) fn read(scope: &Scope<'_>, resource: &Resource, root: &str) -> Option<Key> {
    let text = |key: &str| resource.body.value(key).map(|value| scope.text(value));
    if resource.kind == "tfe_outputs" {
        return remote(text("organization"), text("workspace"));
    }
    if resource.kind != "terraform_remote_state" {
        return None;
    }
    let config = config(scope, resource);
    let get = |key: &str| config.get(key).filter(|value| !is_unknown(value)).and_then(spelt);
    match text("backend")?.as_str() {
        "local" => local(root, get("path").as_deref()),
        "remote" | "cloud" => {
            let workspace = config.get("workspaces").and_then(|workspaces| {
                // Terraform 0.11 wrote a list of one.
                let map = workspaces.as_array().map_or(Some(workspaces), |list| list.first())?;
                let prefix = map.get("prefix").and_then(spelt);
                let prefix = prefix.map(|prefix| match text("workspace") {
                    Some(workspace) => format!("{prefix}{workspace}"),
                    None => format!("{prefix}{UNKNOWN}"),
                });
                map.get("name").and_then(spelt).or(prefix)
            });
            let host = get("hostname").unwrap_or_default();
            if host.contains("spacelift") {
                return workspace.map(|name| of_spacelift(&name));
            }
            remote(get("organization"), workspace)
        }
        kind => identity(kind, get),
    }
}

/// The `config` of a remote state, an attribute now and a block once.
fn config(scope: &Scope<'_>, resource: &Resource) -> serde_json::Map<String, Value> {
    if let Some(Value::Object(map)) = resource.body.value("config").map(|value| scope.value(value))
    {
        return map;
    }
    let block = resource.body.blocks("config").next();
    let attributes = block.into_iter().flat_map(|block| &block.body.attributes);
    attributes.map(|one| (one.key.clone(), scope.value(&one.value))).collect()
}

fn spelt(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

fn remote(organization: Option<String>, workspace: Option<String>) -> Option<Key> {
    let organization = organization.unwrap_or_else(|| UNKNOWN.to_string());
    Some(Key { kind: "remote".to_owned(), parts: vec![organization, workspace?] })
}

/// A state on a disk: its path in the repository.
fn local(root: &str, path: Option<&str>) -> Option<Key> {
    let path = path.unwrap_or("terraform.tfstate");
    if path.contains(UNKNOWN) {
        return None;
    }
    let path = path::join(root, path).ok()?;
    Some(Key { kind: "local".to_owned(), parts: vec![path] })
}

fn identity(kind: &str, get: impl Fn(&str) -> Option<String>) -> Option<Key> {
    let (_, keys) = IDENTITIES.iter().find(|(known, _)| *known == kind)?;
    let usual = |key: &str| {
        let found = DEFAULTS.iter().find(|(of, name, _)| *of == kind && *name == key);
        found.map(|(_, _, value)| (*value).to_owned())
    };
    let parts: Vec<String> = keys
        .iter()
        .map(|key| get(key).or_else(|| usual(key)).unwrap_or_else(|| UNKNOWN.to_string()))
        .collect();
    // Something must be known of what tells it apart, or it would fit every other one.
    let known = parts.last().is_some_and(|part| part.chars().filter(|c| *c != UNKNOWN).count() > 2);
    known.then(|| Key { kind: kind.to_owned(), parts })
}
