//! The stacks whose code is judged, and the files that belong to them.

use std::collections::{BTreeMap, BTreeSet};

use code::{Index, Repository, Spot, StackCode, Watched, path};
use contracts::change::Paths;
use serde_json::{Value, json};

/// A stack whose code is judged.
#[derive(Debug, Clone, PartialEq)]
pub struct Subject {
    /// What the code calls it.
    pub name: String,
    /// Its id (slug) in Spacelift.
    pub id: String,
    /// The folder its code runs in.
    pub root: String,
    /// Where it is defined, or where its code begins.
    pub spot: Spot,
    /// Values for its variables.
    pub variables: BTreeMap<String, Value>,
    /// The policies it names, and where.
    pub policies: Vec<(String, Spot)>,
    /// What rules are told of it beside its configuration.
    pub told: Value,
    /// The files it inherits settings from.
    inherits: Vec<String>,
}

impl Subject {
    /// A stack with a block in a `stackly.hcl`.
    fn said(stack: &StackCode) -> Self {
        let settings = &stack.settings;
        let named = |name: &String| (name.clone(), stack.spot_of_policy(name));
        Self {
            name: stack.name.clone(),
            id: stack.spacelift_id().to_owned(),
            root: stack.root().to_owned(),
            spot: stack.spot.clone(),
            variables: settings.variables.clone(),
            policies: settings.policies.iter().map(named).collect(),
            told: json!({
                "name": stack.name,
                "labels": settings.labels,
                "owners": settings.owners,
                "policies": settings.policies,
                "space": settings.spacelift.space,
                "autodeploy": settings.spacelift.autodeploy.unwrap_or(false),
            }),
            inherits: stack.inherits.iter().chain([&stack.spot.file]).cloned().collect(),
        }
    }

    /// A stack of the account of which no block of a `stackly.hcl` speaks.
    fn plain(id: &str, root: &str, repository: &Repository) -> Self {
        let first = repository.module(root).and_then(|module| module.files.first().cloned());
        let told = json!({
            "name": id, "labels": [], "owners": [], "policies": [], "space": null,
            "autodeploy": false,
        });
        Self {
            name: id.to_owned(),
            id: id.to_owned(),
            root: root.to_owned(),
            spot: Spot { file: first.unwrap_or_else(|| root.to_owned()), line: 1 },
            variables: BTreeMap::new(),
            policies: Vec::new(),
            told,
            inherits: Vec::new(),
        }
    }
}

/// The stacks that changed files touch, by name; `plain` are stacks the account has of which no block
/// speaks: their ids, and the folders they run in. Where nobody knows what changed, all.
pub fn subjects(
    repository: &Repository,
    plain: &[(String, String)],
    changed: &Paths,
) -> Vec<Subject> {
    let plain = plain.iter().filter(|(_, root)| repository.module(root).is_some());
    let plain = plain.map(|(id, root)| Subject::plain(id, root, repository));
    let mut all: Vec<Subject> =
        repository.stacks().iter().map(|stack| Subject::said(stack)).chain(plain).collect();
    let Paths::All(paths) = changed else { return all };
    let watched = |subject: &Subject| {
        let globs = repository.stack(&subject.name).map(|stack| stack.settings.watch.clone());
        Watched {
            root: subject.root.clone(),
            globs: globs.unwrap_or_default(),
            inherits: subject.inherits.clone(),
        }
    };
    let watched: Vec<Watched> = all.iter().map(watched).collect();
    let touches = Index::new(&watched, repository).touched(paths.iter().map(String::as_str));
    let touched: BTreeSet<usize> = touches.into_iter().map(|touch| touch.stack).collect();
    let mut position = 0..;
    all.retain(|_| position.next().is_some_and(|at| touched.contains(&at)));
    all
}

/// The files that are judged: those of the stacks, and those that changed.
#[derive(Debug, Default)]
pub struct Scope {
    folders: BTreeSet<String>,
    all: bool,
}

impl Scope {
    /// What belongs to these stacks, and what changed.
    pub fn new(repository: &Repository, subjects: &[Subject], changed: &Paths) -> Self {
        let mut folders = BTreeSet::new();
        for subject in subjects {
            folders.extend(repository.made_from(&subject.root));
            folders.extend(subject.inherits.iter().cloned());
            folders.insert(subject.root.clone());
        }
        let all = match changed {
            Paths::All(paths) => {
                folders.extend(paths.iter().cloned());
                false
            }
            Paths::Unknown => true,
        };
        Self { folders, all }
    }

    /// Every file there is.
    pub fn everything() -> Self {
        Self { folders: BTreeSet::new(), all: true }
    }

    /// Whether a file is among them.
    pub fn has(&self, file: &str) -> bool {
        let within = |folder: &str| self.folders.contains(folder);
        let above = std::iter::successors(Some(path::parent(file)), |folder| {
            (!folder.is_empty()).then(|| path::parent(folder))
        });
        self.all || within(file) || above.into_iter().any(within)
    }
}

#[cfg(test)]
mod tests {
    use code::MemoryTree;

    use super::*;

    fn names(changed: &[&str]) -> Vec<String> {
        let tree = MemoryTree::new([
            ("net/stackly.hcl", "stack \"net\" {}\n"),
            ("net/main.tf", "module \"m\" {\n  source = \"../modules/m\"\n}\n"),
            ("modules/m/main.tf", "locals {}\n"),
            ("app/stackly.hcl", "stack \"app\" {}\n"),
            ("plain/main.tf", "locals {}\n"),
        ]);
        let repository = code::Reader::default().read(&tree, Some(&["plain"]));
        let plain = [("plain-prod".to_owned(), "plain".to_owned())];
        let changed = Paths::All(changed.iter().map(|path| (*path).to_owned()).collect());
        subjects(&repository, &plain, &changed).into_iter().map(|one| one.name).collect()
    }

    #[test]
    fn only_what_is_touched_is_judged_also_through_modules() {
        assert_eq!(names(&["modules/m/main.tf"]), ["net"]);
        assert_eq!(names(&["plain/main.tf", "app/x.tf"]), ["app", "plain-prod"]);
        assert_eq!(names(&["README.md"]), [""; 0]);
    }
}
