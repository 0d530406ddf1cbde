//! Units of Terragrunt: which others they wait for, and which files they are made from.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::{
    edge::Spot,
    evaluate::{Scope, Spent, UNKNOWN},
    globs,
    listing::may_be_code,
    module::{Module, reads_files},
    path,
    syntax::{Body, Expr},
};

/// The name of a unit's file.
pub(crate) const FILE_NAME: &str = "terragrunt.hcl";

/// Stands for the root of the repository, which Terragrunt gives as an absolute path.
const ROOT: char = '\u{1}';
/// Stands for a folder above the unit, whichever of them has a file that is no code.
const ABOVE: char = '\u{2}';
/// What names files that give values to variables.
const VAR_FILES: [&str; 2] = ["required_var_files", "optional_var_files"];

/// Functions of its own that read the file which their first argument names.
const READERS: [&str; 3] = ["read_terragrunt_config", "read_tfvars_file", "sops_decrypt_file"];

/// How deep files may include and read each other.
const DEPTH_MAX: usize = 8;

/// A unit: a folder with a terragrunt.hcl.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Unit {
    /// The units it waits for: their folders, the lines that say so, and the names they go by.
    pub(crate) waits_for: Vec<(String, Spot, Option<String>)>,
    /// The folder of the module it runs, if it lies in the repository.
    pub(crate) module: Option<String>,
    /// The files it is made from, besides its own.
    pub(crate) files: BTreeSet<String>,
    /// The files that these read, and globs of them.
    pub(crate) reads: BTreeSet<String>,
    /// What it gives to the module's variables.
    pub(crate) inputs: BTreeMap<String, Value>,
    /// Outputs of others that it hands on: their name here, the output, the variable.
    pub(crate) handed: Vec<(String, String, String)>,
}

/// Gives the content of a file by its path.
pub(crate) type Files<'a> = dyn Fn(&str) -> Option<std::sync::Arc<Body>> + 'a;

/// Reads the unit of a folder.
pub(crate) fn unit(folder: &str, files: &Files<'_>) -> Unit {
    let mut unit = Unit::default();
    let own = path::within(folder, FILE_NAME);
    if let Some(body) = files(&own) {
        let reading = Reading { unit_folder: folder, files, spent: Spent::default() };
        let page = Page { path: &own, body: &body, depth: 0 };
        reading.file(&page, &mut unit);
        // What it includes counts, and what it says itself counts more.
        reading.inputs(&page, &mut unit);
    }
    unit.files.remove(&own);
    unit
}

struct Reading<'a> {
    unit_folder: &'a str,
    files: &'a Files<'a>,
    /// How much was worked out for the unit.
    spent: Spent,
}

/// One of the files that a unit is made from.
#[derive(Clone, Copy)]
struct Page<'a> {
    path: &'a str,
    body: &'a Body,
    /// How many files led to it.
    depth: usize,
}

impl Reading<'_> {
    /// Takes what one file says, after what it includes.
    fn file(&self, page: &Page<'_>, unit: &mut Unit) {
        let Page { path, body, depth } = *page;
        unit.files.insert(path.to_owned());
        if depth > DEPTH_MAX {
            return;
        }
        for block in body.blocks("include") {
            let Some(target) = self.path(page, block.body.value("path"), unit) else {
                continue;
            };
            if let Some(inner) = (self.files)(&target).filter(|_| !unit.files.contains(&target)) {
                let inner = Page { path: &target, body: &inner, depth: depth + 1 };
                self.file(&inner, unit);
                self.inputs(&inner, unit);
            }
        }
        for block in body.blocks("dependency") {
            let spot = Spot { file: path.to_owned(), line: block.line };
            let target = self.path(page, block.body.value("config_path"), unit);
            if let Some(target) = target {
                let target = target.strip_suffix("/terragrunt.hcl").unwrap_or(&target).to_owned();
                unit.waits_for.push((target, spot, Some(block.label(0).to_owned())));
            }
        }
        for block in body.blocks("dependencies") {
            let Some(attribute) = block.body.attribute("paths") else { continue };
            let spot = Spot { file: path.to_owned(), line: attribute.line };
            if let Expr::List(items) = &attribute.value {
                for item in items {
                    let target = self.path(page, Some(item), unit);
                    unit.waits_for.extend(target.map(|target| (target, spot.clone(), None)));
                }
            }
        }
        for block in body.blocks("terraform") {
            if let Some(target) = self.path(page, block.body.value("source"), unit) {
                unit.module = Some(target);
            }
        }
        self.reads(page, unit);
    }

    /// The files that a file reads by functions, and those that give values to variables.
    fn reads(&self, page: &Page<'_>, unit: &mut Unit) {
        let mut named: Vec<(&Expr, bool)> = Vec::new();
        page.body.calls(&mut |name, arguments| {
            if reads_files(name) || READERS.contains(&name) {
                named.extend(arguments.first().map(|path| (path, name == "fileset")));
            }
        });
        let extra = page.body.blocks("terraform").flat_map(|it| it.body.blocks("extra_arguments"));
        let values = extra.flat_map(|it| VAR_FILES.iter().filter_map(|key| it.body.value(key)));
        named.extend(values.map(|value| (value, false)));
        if named.is_empty() {
            return;
        }
        self.with_scope(page, unit, |scope, unit| {
            for (expression, is_folder) in named {
                let paths = match scope.value(expression) {
                    Value::Array(paths) => paths,
                    path => vec![path],
                };
                let paths = paths.iter().filter_map(Value::as_str);
                for place in paths.flat_map(|path| self.places(path)) {
                    unit.reads.insert(if is_folder { format!("{place}/**") } else { place });
                }
            }
        });
    }

    /// The files that a text may mean, from the root of the repository, as globs where it has gaps.
    fn places(&self, text: &str) -> Vec<String> {
        let Some(text) = globs::with_gaps(text) else { return Vec::new() };
        match text.rsplit_once(ABOVE) {
            Some((_, rest)) => path::ancestors(path::parent(self.unit_folder))
                .filter_map(|folder| path::join(folder, rest.trim_start_matches('/')).ok())
                .collect(),
            None => self.resolve(&text).into_iter().collect(),
        }
    }

    /// What a file gives to variables.
    fn inputs(&self, page: &Page<'_>, unit: &mut Unit) {
        let Some(Expr::Map(entries)) = page.body.value("inputs") else { return };
        self.with_scope(page, unit, |scope, unit| {
            for (key, value) in entries {
                let Some(name) = key.as_text() else { continue };
                value.paths(&mut |root, steps| {
                    if let (
                        "dependency",
                        [
                            crate::syntax::Step::Name(on),
                            crate::syntax::Step::Name(word),
                            crate::syntax::Step::Name(output),
                            ..,
                        ],
                    ) = (root, steps)
                        && word == "outputs"
                    {
                        unit.handed.push((on.clone(), output.clone(), name.clone()));
                    }
                });
                unit.inputs.insert(name, scope.value(value));
            }
        });
    }

    /// A path that is named in a file, from the root of the repository.
    fn path(&self, page: &Page<'_>, expression: Option<&Expr>, unit: &mut Unit) -> Option<String> {
        let expression = expression?;
        let text = self.with_scope(page, unit, |scope, _| scope.text(expression));
        self.resolve(&text)
    }

    fn resolve(&self, text: &str) -> Option<String> {
        if text.contains(UNKNOWN) || text.contains("://") || text.contains("::") {
            return None;
        }
        // `modules//net`: what is before `//` is copied as a whole; the module is what it names.
        let text = text.replace("//", "/");
        match text.rsplit_once(ROOT) {
            Some((_, rest)) => path::join("", rest.trim_start_matches('/')).ok(),
            None if is_path(&text) => path::join(self.unit_folder, &text).ok(),
            None => None,
        }
    }

    /// Does something with what names stand for in a file.
    fn with_scope<T>(
        &self,
        page: &Page<'_>,
        unit: &mut Unit,
        then: impl FnOnce(&Scope<'_>, &mut Unit) -> T,
    ) -> T {
        let mut read = BTreeSet::new();
        let module = self.locals(page, &mut read);
        unit.files.append(&mut read);
        let added = |name: &str, arguments: &[Value]| self.added(page, name, arguments);
        let (all_spent, none) = (self.spent.clone(), BTreeMap::new());
        let scope = Scope { added: Some(&added), all_spent, ..Scope::new(&module, none) };
        then(&scope, unit)
    }

    /// The locals of a file, those included that are read from other files.
    fn locals(&self, page: &Page<'_>, read: &mut BTreeSet<String>) -> Module {
        let mut module = Module::default();
        let attributes = page.body.blocks("locals").flat_map(|block| &block.body.attributes);
        for attribute in attributes {
            let value = match &attribute.value {
                Expr::Call(name, arguments)
                    if name == "read_terragrunt_config" && page.depth < DEPTH_MAX =>
                {
                    self.read_config(page, &module, arguments, read)
                        .map_or_else(|| attribute.value.clone(), Expr::Literal)
                }
                value => value.clone(),
            };
            module.locals.insert(attribute.key.clone(), value);
        }
        module
    }

    fn read_config(
        &self,
        page: &Page<'_>,
        so_far: &Module,
        arguments: &[Expr],
        read: &mut BTreeSet<String>,
    ) -> Option<Value> {
        let added = |name: &str, arguments: &[Value]| self.added(page, name, arguments);
        let scope = |module| {
            let all_spent = self.spent.clone();
            Scope { added: Some(&added), all_spent, ..Scope::new(module, BTreeMap::new()) }
        };
        let target = self.resolve(&scope(so_far).text(arguments.first()?))?;
        if target == page.path {
            return None;
        }
        let body = (self.files)(&target)?;
        read.insert(target.clone());
        let inner = Page { path: &target, body: &body, depth: page.depth + 1 };
        let module = self.locals(&inner, read);
        let inner = scope(&module);
        let locals: Map<String, Value> = module
            .locals
            .iter()
            .map(|(name, expression)| (name.clone(), inner.value(expression)))
            .collect();
        let inputs = body.value("inputs").map(|inputs| inner.value(inputs));
        let mut config = Map::from_iter([("locals".to_owned(), Value::Object(locals))]);
        config.extend(inputs.map(|inputs| ("inputs".to_owned(), inputs)));
        Some(Value::Object(config))
    }

    /// What Terragrunt's own functions give.
    fn added(&self, page: &Page<'_>, name: &str, arguments: &[Value]) -> Option<Value> {
        let rooted = |path: &str| Some(Value::String(format!("{ROOT}/{path}")));
        let parent = path::parent(page.path);
        match name {
            "get_terragrunt_dir" | "get_original_terragrunt_dir" => rooted(self.unit_folder),
            "get_repo_root" => rooted(""),
            "get_parent_terragrunt_dir" => rooted(parent),
            "get_path_from_repo_root" => Some(Value::String(self.unit_folder.to_owned())),
            "get_path_to_repo_root" => Some(Value::String(path::relative(self.unit_folder, ""))),
            "path_relative_to_include" => {
                Some(Value::String(path::relative(parent, self.unit_folder)))
            }
            "path_relative_from_include" => {
                Some(Value::String(path::relative(self.unit_folder, parent)))
            }
            "find_in_parent_folders" => {
                let name = arguments.first().and_then(Value::as_str).unwrap_or(FILE_NAME);
                if !may_be_code(name) {
                    let is_known = !name.contains(UNKNOWN);
                    return is_known.then(|| Value::String(format!("{ABOVE}/{name}")));
                }
                let found = path::ancestors(path::parent(self.unit_folder))
                    .rev()
                    .map(|folder| path::within(folder, name))
                    .find(|file| (self.files)(file).is_some());
                found.and_then(|file| rooted(&file)).or_else(|| arguments.get(1).cloned())
            }
            _ => None,
        }
    }
}

/// Whether it is a path rather than an address of the registry or of a host.
fn is_path(text: &str) -> bool {
    text.starts_with("./")
        || text.starts_with("../")
        || matches!(text, "." | "..")
        || !text.contains([':', '?'])
}

#[cfg(test)]
mod tests;
