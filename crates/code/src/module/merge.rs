//! Puts the files of a folder together, as Terraform does.

use crate::{
    edge::Spot,
    module::{Backend, Call, Module, Output, Requirement, Resource, Variable},
    path,
    syntax::{Attribute, Block, Body, Expr, Step},
};

/// A file of a module, read.
#[derive(Debug)]
pub(crate) struct Part<'a> {
    /// The path it is seen by.
    pub(crate) file: &'a str,
    pub(crate) body: &'a Body,
}

/// The order in which the files of a folder count; an `a.tf` beside an `a.tofu` does not.
pub(crate) fn precedence<'a>(names: &[&'a str]) -> Vec<&'a str> {
    let beside = |name: &str| {
        let other = name.strip_suffix(".tf").map(|stem| format!("{stem}.tofu"));
        other.or_else(|| name.strip_suffix(".tf.json").map(|stem| format!("{stem}.tofu.json")))
    };
    let mut order: Vec<&str> = names
        .iter()
        .copied()
        .filter(|name| beside(name).is_none_or(|other| !names.contains(&other.as_str())))
        .collect();
    order.sort_by_key(|name| (is_override(name), *name));
    order
}

fn is_override(path: &str) -> bool {
    let name = path::name(path);
    let stem = name.strip_suffix(".json").unwrap_or(name);
    let stem = stem.strip_suffix(".tf").or_else(|| stem.strip_suffix(".tofu")).unwrap_or(stem);
    stem == "override" || stem.ends_with("_override")
}

impl Module {
    /// The module of a folder, from its files in the order in which they count.
    pub(crate) fn new(folder: &str, parts: &[Part<'_>]) -> Self {
        let mut module = Self { folder: folder.to_owned(), ..Self::default() };
        for part in parts {
            module.files.push(part.file.to_owned());
            for block in &part.body.blocks {
                module.block(part.file, block);
            }
        }
        module.reads = module.reads(parts);
        module.implied_providers();
        module
    }

    fn block(&mut self, file: &str, block: &Block) {
        let spot = Spot { file: file.to_owned(), line: block.line };
        let name = block.label(0).to_owned();
        match block.kind.as_str() {
            "terraform" => self.settings(file, block),
            "locals" => {
                let locals = block.body.attributes.iter();
                self.locals.extend(locals.map(|one| (one.key.clone(), one.value.clone())));
            }
            "variable" => self.variable(name, spot, &block.body),
            "output" => {
                let before = self.outputs.remove(&name);
                let output = Output {
                    description: block.body.text("description"),
                    sensitive: block.body.flag("sensitive").unwrap_or(false),
                    value: block.body.value("value").cloned(),
                    spot,
                };
                self.outputs.insert(name, output.over(before));
            }
            "module" => self.call(name, spot, &block.body),
            "provider" => {
                let version = block.body.text("version");
                self.providers.entry(name).or_default().versions.extend(version);
            }
            "resource" => {
                let resource = resource(spot, block);
                let address = format!("{}.{}", resource.kind, resource.name);
                let before = self.managed.remove(&address);
                self.managed.insert(address, resource.over(before));
            }
            "data" => {
                let resource = resource(spot, block);
                let address = format!("data.{}.{}", resource.kind, resource.name);
                let before = self.data.remove(&address);
                self.data.insert(address, resource.over(before));
            }
            _ => {}
        }
    }

    fn settings(&mut self, file: &str, block: &Block) {
        self.required_version.extend(block.body.text("required_version"));
        for inner in &block.body.blocks {
            let spot = Spot { file: file.to_owned(), line: inner.line };
            let kind = match inner.kind.as_str() {
                "required_providers" => {
                    inner.body.attributes.iter().for_each(|one| self.requirement(file, one));
                    continue;
                }
                "backend" => inner.label(0).to_owned(),
                "cloud" => "cloud".to_owned(),
                _ => continue,
            };
            self.backend = Some(Backend { kind, spot, body: inner.body.clone() });
        }
    }

    /// What is asked of a provider; where two say where it comes from, the first of them counts,
    /// unless the other one is an override.
    fn requirement(&mut self, file: &str, attribute: &Attribute) {
        let (value, name) = (&attribute.value, attribute.key.clone());
        let Expr::Map(entries) = value else {
            if let Some(version) = value.as_text() {
                self.providers.entry(name).or_default().versions.push(version);
            }
            return;
        };
        let wanted = self.providers.entry(name).or_default();
        for (key, value) in entries {
            match (key.as_text().as_deref(), value) {
                (Some("source"), value) => {
                    let before = wanted.source.take();
                    let said = value.as_text();
                    wanted.source = match is_override(file) {
                        true => said.or(before),
                        false => before.or(said),
                    };
                }
                (Some("version"), value) => wanted.versions.extend(value.as_text()),
                (Some("configuration_aliases"), Expr::List(list)) => {
                    wanted.aliases.extend(list.iter().filter_map(provider_name));
                }
                _ => {}
            }
        }
    }

    fn variable(&mut self, name: String, spot: Spot, body: &Body) {
        let before = self.variables.remove(&name);
        let kind = body.attribute("type").map(|one| {
            // Terraform 0.11 wrote `type = "string"`.
            one.value.as_text().unwrap_or_else(|| one.written.clone())
        });
        let default = body.value("default");
        let old = before.as_ref();
        let variable = Variable {
            kind: kind.or_else(|| old.and_then(|old| old.kind.clone())),
            description: body
                .text("description")
                .or_else(|| old.and_then(|old| old.description.clone())),
            default: match default {
                Some(value) => value.as_value(),
                None => old.and_then(|old| old.default.clone()),
            },
            required: default.is_none() && old.is_none_or(|old| old.required),
            sensitive: body
                .flag("sensitive")
                .unwrap_or_else(|| old.is_some_and(|old| old.sensitive)),
            spot,
        };
        self.variables.insert(name, variable);
    }

    fn call(&mut self, name: String, spot: Spot, body: &Body) {
        let before = self.calls.remove(&name);
        let body = body.over(before.as_ref().map(|before| &before.body));
        let source = body.text("source");
        let local = source.as_deref().filter(|source| is_local(source));
        // What leads out of the repository is nothing that a change of it could touch.
        let folder = local.and_then(|source| path::join(&self.folder, source).ok());
        let call = Call { version: body.text("version"), source, folder, spot, body };
        self.calls.insert(name, call);
    }

    /// What a resource needs is required, whether somebody says so or not.
    fn implied_providers(&mut self) {
        for resource in self.managed.values().chain(self.data.values()) {
            let name = resource.provider.split('.').next().unwrap_or_default();
            if !self.providers.contains_key(name) {
                self.providers.insert(name.to_owned(), Requirement::default());
            }
        }
    }
}

fn is_local(source: &str) -> bool {
    source.starts_with("./") || source.starts_with("../") || source == "." || source == ".."
}

impl Output {
    fn over(self, before: Option<Self>) -> Self {
        let Some(before) = before else { return self };
        Self {
            description: self.description.or(before.description),
            sensitive: self.sensitive || before.sensitive,
            value: self.value.or(before.value),
            spot: self.spot,
        }
    }
}

impl Resource {
    fn over(self, before: Option<Self>) -> Self {
        let Some(before) = before else { return self };
        let body = self.body.over(Some(&before.body));
        let provider =
            if self.body.value("provider").is_some() { self.provider } else { before.provider };
        Self { body, provider, ..self }
    }
}

impl Body {
    /// This body with what only the one before has.
    fn over(&self, before: Option<&Self>) -> Self {
        let mut merged = self.clone();
        if let Some(before) = before {
            let missing = before.attributes.iter().filter(|one| self.attribute(&one.key).is_none());
            merged.attributes.extend(missing.cloned());
            let missing =
                before.blocks.iter().filter(|one| self.blocks(&one.kind).next().is_none());
            merged.blocks.extend(missing.cloned());
        }
        merged
    }
}

fn resource(spot: Spot, block: &Block) -> Resource {
    let (kind, name) = (block.label(0).to_owned(), block.label(1).to_owned());
    let provider = block.body.value("provider").and_then(provider_name);
    let implied = || kind.split('_').next().unwrap_or_default().to_owned();
    let provider = provider.unwrap_or_else(implied);
    Resource { kind, name, provider, spot, body: block.body.clone() }
}

/// `aws.west`, written as a path or, as it was once, as a text.
fn provider_name(value: &Expr) -> Option<String> {
    match value {
        Expr::Path(root, steps) => {
            let names = steps.iter().filter_map(|step| match step {
                Step::Name(name) => Some(name.as_str()),
                _ => None,
            });
            Some(std::iter::once(root.as_str()).chain(names).collect::<Vec<_>>().join("."))
        }
        value => value.as_text(),
    }
}
