//! The repository as such tools know repositories: each stack is a package that depends on the
//! stack it reads the state of, and everything else is as it is for ours.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::{
    history::{History, git},
    monorepo::answer::Expected,
    touch::{self, Monorepo},
};

/// The file that tells ours of a stack; theirs has a manifest in its place.
const OURS: &str = "stackly.hcl";
const MANIFEST: &str = "package.json";

/// A work tree with a history of changes to come.
pub(crate) struct Workspace {
    pub(crate) tree: PathBuf,
    /// Where programs keep what they otherwise keep in the home folder.
    pub(crate) home: PathBuf,
    pub(crate) files: usize,
    stacks: usize,
    repository: Monorepo,
    commits: Vec<String>,
}

impl Workspace {
    /// Writes it, with so many changes.
    pub(crate) async fn write(
        work: &Path,
        (stacks, files): (usize, usize),
        changes: usize,
    ) -> anyhow::Result<Self> {
        let (tree, home) = (work.join("tree"), work.join("home"));
        std::fs::create_dir(&home)?;
        let own = settings();
        // They have as many files as ours, their settings among them.
        let repository = Monorepo::new(stacks, files.saturating_sub(own.len()));
        let mut contents = own;
        contents.extend(manifests(stacks));
        let theirs = contents.iter().map(|(path, text)| (path.as_str(), text.as_str()));
        let both = repository.contents().filter(|(path, _)| !path.ends_with(OURS)).chain(theirs);
        let both: Vec<_> = both.collect();
        let files = both.len();
        git(None, &["init", "--quiet", "--initial-branch", "main", &tree.display().to_string()])
            .await?;
        let changed = (0..changes).map(|number| repository.change(number));
        let commits = History::of(both.into_iter()).then(changed).import(&tree).await?;
        Ok(Self { tree, home, files, stacks, repository, commits })
    }

    pub(crate) fn changes(&self) -> usize {
        self.commits.len() - 1
    }

    pub(crate) fn edges(&self) -> usize {
        (0..self.stacks).filter_map(touch::above).count()
    }

    /// Before all changes.
    pub(crate) async fn go_back(&self) -> anyhow::Result<()> {
        self.check_out(&self.commits[0]).await
    }

    /// The main branch and the work tree with this change.
    pub(crate) async fn take(&self, number: usize) -> anyhow::Result<()> {
        self.check_out(&self.commits[number + 1]).await
    }

    async fn check_out(&self, commit: &str) -> anyhow::Result<()> {
        git(Some(&self.tree), &["reset", "--quiet", "--hard", commit]).await.map(drop)
    }

    /// What this change touches, and what of it comes before what.
    pub(crate) fn expected(&self, number: usize) -> Expected {
        let touched = self.repository.touched(number);
        let pairs = touched.iter().filter_map(|stack| Some((*stack, touch::above(*stack)?)));
        let pairs = pairs.filter(|(_, above)| touched.contains(above));
        Expected {
            pairs: pairs.map(|(stack, above)| (name(stack), name(above))).collect(),
            projects: touched.iter().map(|stack| name(*stack)).collect(),
        }
    }

    /// No word to their makers, nothing fetched while they work, nothing left behind.
    pub(crate) fn environment(&self) -> Vec<(&'static str, String)> {
        let home = self.home.display().to_string();
        vec![
            ("HOME", home.clone()),
            ("XDG_CONFIG_HOME", home),
            ("GIT_CONFIG_GLOBAL", "/dev/null".to_owned()),
            ("GIT_CONFIG_NOSYSTEM", "1".to_owned()),
            ("DO_NOT_TRACK", "1".to_owned()),
        ]
    }
}

fn name(stack: usize) -> String {
    format!("s{stack}")
}

/// A manifest for each stack, and the one above them.
fn manifests(stacks: usize) -> impl Iterator<Item = (String, String)> {
    let root = json!({
        "name": "infra",
        "private": true,
        "packageManager": "npm@11.0.0",
        "workspaces": ["team*/stacks/*"],
    });
    let stack = |at| {
        let mut manifest =
            json!({ "name": name(at), "version": "1.0.0", "scripts": { "plan": "true" } });
        if let Some(above) = touch::above(at) {
            manifest["dependencies"] = json!({ name(above): "*" });
        }
        (format!("{}/{MANIFEST}", touch::folder(at)), manifest.to_string())
    };
    std::iter::once((MANIFEST.to_owned(), root.to_string())).chain((0..stacks).map(stack))
}

/// What they are told of the order, and what they need not look at.
fn settings() -> Vec<(String, String)> {
    let plan = json!({ "dependsOn": ["^plan"], "cache": false });
    let nx = json!({
        "analytics": false,
        "neverConnectToCloud": true,
        // There is no source of JavaScript and no lock file here to look into.
        "pluginsConfig": { "@nx/js": { "analyzeSourceFiles": false, "analyzeLockfile": false } },
        "targetDefaults": { "plan": plan },
    });
    let file = |name: &str, text: Value| (name.to_owned(), text.to_string());
    vec![
        file("turbo.json", json!({ "tasks": { "plan": plan } })),
        file("nx.json", nx),
        (".gitignore".to_owned(), "node_modules\n.nx\n.turbo\n".to_owned()),
    ]
}
