//! What the code of stacks configures, in full: every resource with its values, as far as they can
//! be worked out before anything runs. Read for a few stacks at a time, to be judged by rules.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet, HashSet},
};

use located::Fault;
use serde_json::{Map, Value, json};

use crate::{
    evaluate::{Scope, UNKNOWN},
    folder::{Bodies, Pages},
    listing::Listing,
    module::{Call, Resource},
    path,
    reader::Code,
    syntax::Body,
    tree::Tree,
};

/// How deep calls of local modules are followed.
const DEPTH_MAX: usize = 16;
/// The most resources of one stack.
const RESOURCES_MAX: usize = 5_000;
/// How deep values and blocks may lie in each other.
const VALUES_DEPTH_MAX: usize = 24;
/// Attributes that say how often a block is made, which its instances show.
const COUNTING: [&str; 2] = ["for_each", "count"];

/// The code of some folders, with all that it says.
#[derive(Debug, Default)]
pub struct Configuration {
    code: Code,
}

impl Configuration {
    /// Reads what these folders lead to.
    pub fn read(tree: &dyn Tree, roots: &BTreeSet<String>) -> Self {
        let listing = Listing::new(tree.entries());
        let (kept, read) = (&Bodies::default(), RefCell::default());
        let pages = Pages { tree, listing: &listing, kept, in_full: true, read };
        let starts: Vec<&str> = roots.iter().map(String::as_str).collect();
        let (code, _) = Code::read(&pages, &starts, &Code::default(), &HashSet::new());
        Self { code }
    }

    /// Files that cannot be read as what they are.
    pub fn unread(&self) -> &[Fault] {
        &self.code.unread
    }

    /// Everything that the stack with this root configures, as one document; `given` are values
    /// for its variables. `docs/VALIDATION.md` says what is in it.
    pub fn document(&self, root: &str, given: &BTreeMap<String, Value>) -> Value {
        let mut values = self.code.values(root);
        let mut folder = root.to_owned();
        if let Some(unit) = self.code.unit(root) {
            values.extend(unit.inputs.clone());
            folder = unit.module.clone().unwrap_or(folder);
        }
        values.extend(given.clone());
        let Some(module) = self.code.module(&folder) else { return json!({ "root": root }) };
        let mut walk = Walk {
            code: &self.code,
            root: &folder,
            resources: vec![],
            modules: vec![],
            cut: false,
        };
        walk.module(&Scope::new(module, values), "", 0);
        let backend = module.backend.as_ref();
        json!({
            "root": root,
            "resources": walk.resources,
            "modules": walk.modules,
            "variables": module.variables,
            "outputs": module.outputs,
            "providers": module.providers,
            "required_version": module.required_version,
            "backend": backend.map(|backend| json!({
                "type": backend.kind,
                "file": backend.spot.file,
                "line": backend.spot.line,
                "values": values_of(&Scope::new(module, BTreeMap::new()), &backend.body).values,
            })),
            "cut": walk.cut,
        })
    }
}

/// A walk through a module and those it calls.
struct Walk<'a> {
    code: &'a Code,
    root: &'a str,
    resources: Vec<Value>,
    modules: Vec<Value>,
    cut: bool,
}

impl Walk<'_> {
    fn module(&mut self, scope: &Scope<'_>, within: &str, depth: usize) {
        for resource in scope.module.managed.values() {
            self.resource(scope, resource, within, "managed");
        }
        for resource in scope.module.data.values() {
            self.resource(scope, resource, within, "data");
        }
        for (name, call) in &scope.module.calls {
            self.call(scope, (name, call), within, depth);
        }
    }

    fn resource(&mut self, scope: &Scope<'_>, resource: &Resource, within: &str, mode: &str) {
        let data = if mode == "data" { "data." } else { "" };
        for instance in scope.instances(&resource.body) {
            if self.resources.len() >= RESOURCES_MAX || instance.is_spent() {
                self.cut = true;
                return;
            }
            let found = values_of(&instance, &resource.body);
            let key = key_of(&instance);
            self.resources.push(json!({
                "address": format!("{within}{data}{}.{}{key}", resource.kind, resource.name),
                "mode": mode,
                "type": resource.kind,
                "name": resource.name,
                "provider": resource.provider,
                "module": scope.module.folder,
                "file": resource.spot.file,
                "line": resource.spot.line,
                "values": found.values,
                "lines": found.lines,
                "unknown": found.unknown,
            }));
        }
    }

    fn call(&mut self, scope: &Scope<'_>, (name, call): (&str, &Call), within: &str, depth: usize) {
        let inner = call.folder.as_deref().and_then(|folder| self.code.module(folder));
        for instance in scope.instances(&call.body) {
            let found = values_of(&instance, &call.body);
            let address = format!("{within}module.{name}{}", key_of(&instance));
            self.modules.push(json!({
                "address": address,
                "source": call.source,
                "version": call.version,
                "folder": call.folder,
                "file": call.spot.file,
                "line": call.spot.line,
                "values": found.values,
                "lines": found.lines,
                "unknown": found.unknown,
            }));
            let Some(inner) = inner else { continue };
            let is_full = self.modules.len() >= RESOURCES_MAX || instance.is_spent();
            if depth >= DEPTH_MAX || is_full {
                self.cut = true;
                return;
            }
            let place = path::relative(self.root, &inner.folder);
            let inner = instance.of_call(inner, &call.body, place);
            self.module(&inner, &format!("{address}."), depth + 1);
        }
    }
}

/// `["eu"]` for an instance of that key, if the key is known.
fn key_of(scope: &Scope<'_>) -> String {
    match &scope.each {
        Some((Value::String(key), _)) if !key.contains(UNKNOWN) => format!("[{key:?}]"),
        _ => String::new(),
    }
}

/// What a body says.
#[derive(Default)]
struct Found {
    values: Map<String, Value>,
    /// Where attributes and blocks stand.
    lines: Map<String, Value>,
    /// Attributes whose values nobody can know yet.
    unknown: Vec<String>,
}

fn values_of(scope: &Scope<'_>, body: &Body) -> Found {
    let mut found = Found::default();
    found.values = collect(scope, body, "", 0, &mut found);
    found
}

fn collect(
    scope: &Scope<'_>,
    body: &Body,
    within: &str,
    depth: usize,
    found: &mut Found,
) -> Map<String, Value> {
    let mut values = Map::new();
    for attribute in &body.attributes {
        if COUNTING.contains(&attribute.key.as_str()) {
            continue;
        }
        let name = format!("{within}{}", attribute.key);
        found.lines.entry(name.clone()).or_insert(json!(attribute.line));
        match known(scope.value(&attribute.value), 0) {
            Some(value) => drop(values.insert(attribute.key.clone(), value)),
            None => found.unknown.push(name),
        }
    }
    for block in &body.blocks {
        let dynamic = (block.kind == "dynamic").then(|| block.body.blocks("content").next());
        let (kind, inner) = match dynamic {
            Some(Some(content)) => (block.label(0), &content.body),
            Some(None) => continue,
            None => (block.kind.as_str(), &block.body),
        };
        let name = format!("{within}{kind}");
        found.lines.entry(name.clone()).or_insert(json!(block.line));
        if depth >= VALUES_DEPTH_MAX {
            continue;
        }
        let mut said = collect(scope, inner, &format!("{name}."), depth + 1, found);
        if dynamic.is_none() && !block.labels.is_empty() {
            said.insert("labels".to_owned(), json!(block.labels));
        }
        let all = values.entry(kind.to_owned()).or_insert_with(|| Value::Array(Vec::new()));
        // Otherwise an attribute of the same name came first.
        if let Value::Array(all) = all {
            all.push(Value::Object(said));
        }
    }
    values
}

/// A value, if it is known; what is not known within it is null.
fn known(value: Value, depth: usize) -> Option<Value> {
    if depth > VALUES_DEPTH_MAX {
        return None;
    }
    let inner = |value: Value| known(value, depth + 1).unwrap_or(Value::Null);
    match value {
        Value::String(text) if text.contains(UNKNOWN) => None,
        Value::Array(items) => Some(Value::Array(items.into_iter().map(inner).collect())),
        Value::Object(fields) => {
            let fields = fields.into_iter().filter(|(key, _)| !key.contains(UNKNOWN));
            Some(Value::Object(fields.map(|(key, value)| (key, inner(value))).collect()))
        }
        plain => Some(plain),
    }
}

#[cfg(test)]
mod tests;
