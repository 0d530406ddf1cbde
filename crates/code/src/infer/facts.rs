//! What the code of one stack reads, and what it keeps that others may read.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Subject, lookup, state};
use crate::{
    edge::{Reference, Spot},
    evaluate::{Scope, UNKNOWN},
    module::{Module, Resource},
    path,
    syntax::Step,
};

/// How deep calls of local modules are followed.
const DEPTH_MAX: usize = 16;
/// How many instances of modules one stack may have before the rest is not looked at.
const INSTANCES_MAX: usize = 2_000;

/// Something by which one stack finds another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) struct Key {
    /// What kind of thing it is; only equal ones can meet.
    pub(super) kind: String,
    /// What names it; texts may have gaps.
    pub(super) parts: Vec<String>,
}

/// Something that is read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Read {
    pub(super) key: Key,
    pub(super) spot: Spot,
    /// How it stands in the code: `data.terraform_remote_state.network`.
    pub(super) address: String,
    pub(super) references: Vec<Reference>,
}

/// An edge between two stacks that a third one manages in Spacelift.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Managed {
    pub(super) stack: String,
    pub(super) on: String,
    pub(super) spot: Spot,
    pub(super) address: String,
    pub(super) references: Vec<Reference>,
}

/// What the code of one stack reads of others, and what it keeps that others may read. It can be
/// kept and read again, so that edges over repositories need no more than one repository at a time.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Facts {
    /// Where its state lies.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub(super) states: BTreeSet<Key>,
    /// Values it keeps where others can look them up.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub(super) keeps: BTreeSet<Key>,
    /// States it reads.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub(super) reads: BTreeSet<Read>,
    /// Values it looks up.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub(super) looks_up: BTreeSet<Read>,
    /// Edges of other stacks that it manages.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub(super) managed: BTreeSet<Managed>,
    /// Units of Terragrunt it waits for: folder, line, outputs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) units: Vec<(String, Spot, Vec<Reference>)>,
    /// There is more to it than is looked at.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    is_cut: bool,
}

impl Facts {
    /// Whether the code says nothing of other stacks, and keeps nothing for them.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether there is more to the code than is looked at, so that it may read more.
    pub fn is_cut(&self) -> bool {
        self.is_cut
    }
}

/// Everything that the code of a stack says of others, and for others.
pub fn of(subject: &Subject<'_>) -> Facts {
    let code = &subject.repository.code;
    let mut facts = Facts::default();
    let mut given = code.values(subject.root);
    let mut root = subject.root.to_owned();
    if let Some(unit) = code.unit(subject.root) {
        for (folder, spot, name) in &unit.waits_for {
            let handed = unit.handed.iter().filter(|(on, _, _)| Some(on) == name.as_ref());
            let reference = |(_, output, input): &(String, String, String)| Reference {
                output: output.clone(),
                input: Some(input.clone()),
            };
            let references = handed.map(reference).collect();
            facts.units.push((folder.clone(), spot.clone(), references));
        }
        given.extend(unit.inputs.clone());
        root = unit.module.clone().unwrap_or(root);
    }
    given.extend(subject.variables.clone());
    let Some(module) = code.module(&root) else { return facts };
    let scope = Scope::new(module, given);
    facts.states.extend(state::of_module(&scope, &root, code.backends(&root)));
    let mut walk = Walk { subject, root: &root, facts, instances: 0 };
    walk.module(&scope, 0);
    walk.facts.is_cut |= scope.is_cut();
    walk.facts
}

struct Walk<'a> {
    subject: &'a Subject<'a>,
    root: &'a str,
    facts: Facts,
    instances: usize,
}

impl Walk<'_> {
    fn module(&mut self, scope: &Scope<'_>, depth: usize) {
        self.instances += 1;
        if depth > DEPTH_MAX || self.instances > INSTANCES_MAX || scope.is_spent() {
            self.facts.is_cut = true;
            return;
        }
        for resource in scope.module.data.values() {
            self.data(scope, resource);
        }
        for resource in scope.module.managed.values() {
            for instance in scope.instances(&resource.body) {
                self.facts.keeps.extend(lookup::kept(&instance, resource));
                self.managed(&instance, resource);
            }
        }
        for call in scope.module.calls.values() {
            let folder = call.folder.as_deref();
            let code = &self.subject.repository.code;
            let Some(inner) = folder.and_then(|folder| code.module(folder)) else { continue };
            for instance in scope.instances(&call.body) {
                let place = path::relative(self.root, &inner.folder);
                self.module(&instance.of_call(inner, &call.body, place), depth + 1);
            }
        }
    }

    fn data(&mut self, scope: &Scope<'_>, resource: &Resource) {
        let address = format!("data.{}.{}", resource.kind, resource.name);
        for instance in scope.instances(&resource.body) {
            let read = |key| Read {
                key,
                spot: resource.spot.clone(),
                address: address.clone(),
                references: outputs(scope.module, resource),
            };
            if let Some(key) = state::read(&instance, resource, self.root) {
                self.facts.reads.insert(read(key));
            }
            if let Some(key) = lookup::looked_up(&instance, resource) {
                self.facts.looks_up.insert(Read { references: Vec::new(), ..read(key) });
            }
        }
    }

    /// `spacelift_stack_dependency` and the outputs it hands over.
    fn managed(&mut self, scope: &Scope<'_>, resource: &Resource) {
        if resource.kind != "spacelift_stack_dependency" {
            return;
        }
        let end = |key| {
            let expression = resource.body.value(key)?;
            let id = spacelift_id(scope, expression)?;
            (!id.contains(UNKNOWN)).then_some(id)
        };
        let (Some(stack), Some(on)) = (end("stack_id"), end("depends_on_stack_id")) else { return };
        let address = format!("{}.{}", resource.kind, resource.name);
        let references = scope
            .module
            .managed
            .values()
            .filter(|other| other.kind == "spacelift_stack_dependency_reference")
            .filter(|other| names(other, "stack_dependency_id", &resource.kind, &resource.name))
            .filter_map(|other| {
                let output = scope.text(other.body.value("output_name")?);
                let input = other.body.value("input_name").map(|input| scope.text(input));
                let input = input.map(|input| input.trim_start_matches("TF_VAR_").to_owned());
                Some(Reference { output, input })
            })
            .collect();
        let spot = resource.spot.clone();
        self.facts.managed.insert(Managed { stack, on, spot, address, references });
    }
}

/// Whether an attribute of a resource is the id of another one.
fn names(resource: &Resource, key: &str, kind: &str, name: &str) -> bool {
    let mut found = false;
    if let Some(expression) = resource.body.value(key) {
        expression.paths(&mut |root, steps| {
            found |= root == kind && matches!(steps.first(), Some(Step::Name(it)) if it == name);
        });
    }
    found
}

/// The id of a stack in Spacelift: written down, or of a `spacelift_stack` of the same module.
fn spacelift_id(scope: &Scope<'_>, expression: &crate::syntax::Expr) -> Option<String> {
    let mut named = None;
    expression.paths(&mut |root, steps| {
        if let (true, Some(Step::Name(name))) = (root == "spacelift_stack", steps.first()) {
            named = Some((name.clone(), steps.get(1).cloned()));
        }
    });
    let Some((name, step)) = named else { return Some(scope.text(expression)) };
    let stack = scope.module.managed.get(&format!("spacelift_stack.{name}"))?;
    let inner = match step {
        Some(Step::Index(index)) => {
            let key = scope.value(&index);
            let of_key = |one: &Scope<'_>| one.each.as_ref().is_some_and(|(each, _)| *each == key);
            scope.instances(&stack.body).into_iter().find(of_key)?
        }
        _ => scope.clone(),
    };
    let slug = stack.body.value("slug").map(|slug| inner.text(slug));
    slug.or_else(|| stack.body.value("name").map(|name| slug_of(&inner.text(name))))
}

/// What Spacelift makes of a name.
fn slug_of(name: &str) -> String {
    let mut slug = String::new();
    for c in name.chars() {
        match c {
            c if c.is_alphanumeric() || c == '_' || c == UNKNOWN => slug.extend(c.to_lowercase()),
            _ if !slug.ends_with('-') && !slug.is_empty() => slug.push('-'),
            _ => {}
        }
    }
    slug.trim_end_matches('-').to_owned()
}

/// The outputs that the rest of a module takes from a state it reads.
fn outputs(module: &Module, resource: &Resource) -> Vec<Reference> {
    let word = if resource.kind == "tfe_outputs" { "values" } else { "outputs" };
    let mut found: BTreeMap<String, Option<String>> = BTreeMap::new();
    let mut see = |variable: Option<&str>, expression: &crate::syntax::Expr| {
        expression.paths(&mut |root, steps| {
            let [Step::Name(kind), Step::Name(name), rest @ ..] = steps else { return };
            if root != "data" || *kind != resource.kind || *name != resource.name {
                return;
            }
            let rest = if let [Step::Index(_), rest @ ..] = rest { rest } else { rest };
            let [Step::Name(outputs), output, ..] = rest else { return };
            let output = match output {
                Step::Name(name) => name.clone(),
                Step::Index(crate::syntax::Expr::Literal(Value::String(name))) => name.clone(),
                _ => return,
            };
            if outputs == word || outputs == "nonsensitive_values" {
                let input = found.entry(output).or_default();
                *input = input.take().or_else(|| variable.map(str::to_owned));
            }
        });
    };
    for call in module.calls.values() {
        call.body.attributes.iter().for_each(|one| see(Some(&one.key), &one.value));
    }
    module.locals.values().for_each(|local| see(None, local));
    module.outputs.values().for_each(|output| output.value.iter().for_each(|one| see(None, one)));
    for other in module.managed.values().chain(module.data.values()) {
        all(&other.body, &mut |expression| see(None, expression));
    }
    found.into_iter().map(|(output, input)| Reference { output, input }).collect()
}

fn all<'a>(body: &'a crate::syntax::Body, see: &mut dyn FnMut(&'a crate::syntax::Expr)) {
    body.attributes.iter().for_each(|one| see(&one.value));
    body.blocks.iter().for_each(|block| all(&block.body, see));
}
