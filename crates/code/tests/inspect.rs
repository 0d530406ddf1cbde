//! A module is read as terraform-config-inspect reads it, as far as both describe it.
//!
//! Each file of `inspect/` is a module, written out for this purpose, with what
//! terraform-config-inspect (commit 813a975) says of it with `--json`; its `filename`s are cut to
//! the name of the file.

use std::{fs, path::Path};

use code::{MemoryTree, Module, Reader, Spot, module::Resource};
use serde_json::{Map, Value, json};

/// A module and what is said of it.
fn case(text: &str) -> (Module, Value) {
    let (files, said) = text.split_once("== terraform-config-inspect\n").expect("what is said");
    let file = |text: &str| {
        let (path, body) = text.split_once(" --").expect("`-- path --`");
        (format!("m/{path}"), format!("{}\n", body.trim_start_matches('\n')))
    };
    let files = files.strip_prefix("-- ").expect("a file");
    let tree = MemoryTree::new(files.split("\n-- ").map(file));
    let repository = Reader::default().read(&tree, Some(&["m"]));
    let module = repository.module("m").cloned().unwrap_or_default();
    (module, serde_json::from_str(said).expect("it is JSON"))
}

fn place(spot: &Spot) -> String {
    format!("{}:{}", spot.file.trim_start_matches("m/"), spot.line)
}

fn all<T>(things: impl IntoIterator<Item = (String, T)>, show: impl Fn(T) -> Value) -> Value {
    things.into_iter().map(|(name, thing)| (name, show(thing))).collect::<Map<_, _>>().into()
}

/// What we read, in the terms of both.
fn ours(module: &Module) -> Value {
    let resource = |it: &Resource| json!({ "provider": it.provider, "at": place(&it.spot) });
    json!({
        "required_core": module.required_version,
        "variables": all(module.variables.clone(), |it| json!({
            "type": it.kind, "description": it.description, "default": it.default,
            "required": it.required, "sensitive": it.sensitive, "at": place(&it.spot),
        })),
        "outputs": all(module.outputs.clone(), |it| json!({
            "description": it.description, "sensitive": it.sensitive, "at": place(&it.spot),
        })),
        "required_providers": all(module.providers.clone(), |it| json!({
            "source": it.source, "versions": it.versions, "aliases": it.aliases,
        })),
        "managed_resources": all(module.managed.clone(), |it| resource(&it)),
        "data_resources": all(module.data.clone(), |it| resource(&it)),
        "module_calls": all(module.calls.clone(), |it| json!({
            "source": it.source, "version": it.version, "at": place(&it.spot),
        })),
    })
}

/// What is said, in the terms of both.
fn theirs(said: &Value) -> Value {
    let named = |field: &str| {
        let things = said[field].as_object().cloned().unwrap_or_default();
        things.into_iter().collect::<Vec<(String, Value)>>()
    };
    let at = |it: &Value| {
        let line = &it["pos"]["line"];
        format!("{}:{line}", it["pos"]["filename"].as_str().unwrap_or_default())
    };
    let list = |it: &Value| it.as_array().cloned().unwrap_or_default();
    let flag = |it: &Value| it.as_bool().unwrap_or(false);
    let provider = |it: &Value| {
        let name = it["name"].as_str().unwrap_or_default();
        let alias = it["alias"].as_str().map(|alias| format!(".{alias}"));
        format!("{name}{}", alias.unwrap_or_default())
    };
    let resource = |it: Value| json!({ "provider": provider(&it["provider"]), "at": at(&it) });
    json!({
        "required_core": list(&said["required_core"]),
        "variables": all(named("variables"), |it| json!({
            "type": it["type"], "description": it["description"], "default": it["default"],
            "required": it["required"], "sensitive": flag(&it["sensitive"]), "at": at(&it),
        })),
        "outputs": all(named("outputs"), |it| json!({
            "description": it["description"], "sensitive": flag(&it["sensitive"]), "at": at(&it),
        })),
        "required_providers": all(named("required_providers"), |it| json!({
            "source": it["source"], "versions": list(&it["version_constraints"]),
            "aliases": list(&it["aliases"]).iter().map(provider).collect::<Vec<_>>(),
        })),
        "managed_resources": all(named("managed_resources"), resource),
        "data_resources": all(named("data_resources"), resource),
        "module_calls": all(named("module_calls"), |it| json!({
            "source": it["source"], "version": it["version"], "at": at(&it),
        })),
    })
}

/// Where two values differ.
fn differences(path: &str, ours: &Value, theirs: &Value, found: &mut Vec<String>) {
    match (ours, theirs) {
        (Value::Object(one), Value::Object(other)) => {
            let names = one.keys().chain(other.keys().filter(|name| !one.contains_key(*name)));
            for name in names {
                let (one, other) = (&ours[name], &theirs[name]);
                differences(&format!("{path}/{name}"), one, other, found);
            }
        }
        // Whole numbers are written with and without a point.
        (Value::Number(one), Value::Number(other)) if one.as_f64() == other.as_f64() => {}
        _ if ours == theirs => {}
        _ => found.push(format!("{path}: {ours} and not {theirs}")),
    }
}

#[test]
fn a_module_is_read_as_terraform_config_inspect_reads_it() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/inspect");
    let (mut cases, mut found) = (0, Vec::new());
    for file in fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let (module, said) = case(&fs::read_to_string(&path).unwrap());
        let name = path.file_stem().unwrap().to_string_lossy();
        differences(&name, &ours(&module), &theirs(&said), &mut found);
        cases += 1;
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
    assert_eq!(cases, 10);
}
