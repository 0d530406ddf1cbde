//! One stack of the account, in the one spelling in which stacks are compared, digested and kept.

use std::collections::{BTreeMap, BTreeSet};

use contracts::{List, SpaceId, StackId, Text, chain::WorkerPool};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A stack that another one waits for, as Spacelift knows it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Dependency {
    /// The parent.
    pub on: StackId,
    /// Outputs it hands over, `OUTPUT -> INPUT`.
    pub references: List<Text>,
}

/// The host of a repository, as far as it matters to us.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Provider {
    /// github.com.
    Github,
    /// bitbucket.org.
    Bitbucket,
    /// Any other. A GitLab may be anybody's own: Spacelift does not tell them apart.
    #[default]
    Other,
}

impl Provider {
    /// The host that Spacelift spells like this.
    pub fn of(text: &str) -> Self {
        match text {
            "GITHUB" => Self::Github,
            "BITBUCKET_CLOUD" => Self::Bitbucket,
            _ => Self::Other,
        }
    }

    /// As it is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Github => "github",
            Self::Bitbucket => "bitbucket",
            Self::Other => "other",
        }
    }

    /// In words.
    pub(crate) const fn phrase(self) -> &'static str {
        match self {
            Self::Github => "github.com",
            Self::Bitbucket => "bitbucket.org",
            Self::Other => "another host",
        }
    }

    /// What was stored like this.
    pub fn stored(text: &str) -> Self {
        let all = [Self::Github, Self::Bitbucket];
        all.into_iter().find(|one| one.as_str() == text).unwrap_or_default()
    }
}

/// One stack of the account, as far as planning needs it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stack {
    /// Its slug.
    pub id: StackId,
    /// Its name, for people.
    pub name: Text,
    /// Its space.
    pub space: SpaceId,
    /// Its labels.
    pub labels: List<Text>,
    /// The host of its repository.
    #[serde(default)]
    pub provider: Provider,
    /// `namespace/repository`, as Spacelift writes it.
    pub repository: Text,
    /// The branch it tracks.
    pub branch: Text,
    /// The folder whose changes touch it; empty for the whole repository.
    pub project_root: Text,
    /// Further paths whose changes touch it.
    pub globs: List<Text>,
    /// It applies without asking.
    pub autodeploy: bool,
    /// It cannot run.
    pub disabled: bool,
    /// What Spacelift itself lets it wait for, each parent once.
    pub depends_on: Vec<Dependency>,
    /// The worker pool it runs in; none before the account was read by a build that asks.
    #[serde(default)]
    pub worker_pool: Option<WorkerPool>,
    /// What gives its runs their rights at clouds, by name.
    #[serde(default)]
    pub cloud_accounts: List<Text>,
    /// What else was chosen for it; none if Spacelift does not show it, or did not yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<Box<Settings>>,
}

/// What else is chosen for a stack: in the account, or as its code wants it. Nothing of it matters
/// to plans; it is compared.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// What people read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// What runs it: `terraform`, `opentofu` or `terragrunt`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
    /// The version of that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_version: Option<String>,
    /// The worker pool it runs in; of the account's, see the stack.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker_pool: Option<String>,
    /// The image its runs use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runner_image: Option<String>,
    /// Whether it may manage Spacelift itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub administrative: Option<bool>,
    /// Whether it is protected from being deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protect_from_deletion: Option<bool>,
}

impl Stack {
    /// The same stack in the one spelling that is compared, digested and stored, so that neither
    /// the order of an answer nor a stray slash makes a new version.
    #[must_use]
    fn normalised(mut self) -> Self {
        sort(&mut self.labels);
        sort(&mut self.globs);
        sort(&mut self.cloud_accounts);
        if let Some(root) = respelled(&self.project_root) {
            self.project_root = root.into();
        }
        let is_sorted = self.depends_on.is_sorted_by(|a, b| a.on < b.on);
        if !is_sorted || !self.depends_on.iter().all(|it| is_set(&it.references)) {
            let mut parents: BTreeMap<StackId, BTreeSet<Text>> = BTreeMap::new();
            for Dependency { on, references } in self.depends_on {
                parents.entry(on).or_default().extend(references.iter().cloned());
            }
            let merged = parents.into_iter().map(|(on, references)| Dependency {
                on,
                references: references.into_iter().collect(),
            });
            self.depends_on = merged.collect();
        }
        self.depends_on.shrink_to_fit();
        self
    }

    /// Whether a new head of this branch of this repository is what the stack runs on.
    pub fn tracks(&self, repository: &str, branch: &str) -> bool {
        self.branch == branch && is_same_repository(&self.repository, repository)
    }
}

/// What two spellings of one repository have in common: hosts ignore the case of its name.
pub fn repository_key(full_name: &str) -> String {
    full_name.trim_matches('/').to_lowercase()
}

/// Whether both name one repository.
pub(crate) fn is_same_repository(one: &str, other: &str) -> bool {
    one == other
        || one.trim_matches('/').eq_ignore_ascii_case(other.trim_matches('/'))
        // Only the whole of Unicode tells then.
        || !(one.is_ascii() && other.is_ascii()) && repository_key(one) == repository_key(other)
}

/// `./a//b/` and `/a/b` are the folder `a/b`; `.` and `/` are the whole repository, an empty text.
pub(crate) fn folder(path: &str) -> String {
    respelled(path).unwrap_or_else(|| path.to_owned())
}

/// The folder, if it is not spelled like that already.
fn respelled(path: &str) -> Option<String> {
    let is_kept = |segment: &str| !matches!(segment, "" | ".");
    if path.trim() == path && (path.is_empty() || path.split('/').all(is_kept)) {
        return None;
    }
    let segments: Vec<&str> = path.trim().split('/').filter(|segment| is_kept(segment)).collect();
    Some(segments.join("/"))
}

fn is_set(texts: &[Text]) -> bool {
    texts.is_sorted_by(|a, b| a < b)
}

/// Sorts texts, each once. A list that is in order stays the one that others have in common.
fn sort(texts: &mut List<Text>) {
    if !is_set(texts) {
        let all: BTreeSet<Text> = texts.iter().cloned().collect();
        *texts = all.into_iter().collect();
    }
}

/// Normalised, by id, each id once.
pub(crate) fn ordered(stacks: Vec<Stack>) -> Vec<Stack> {
    let mut stacks: Vec<Stack> = stacks.into_iter().map(Stack::normalised).collect();
    if !stacks.is_sorted_by(|a, b| a.id < b.id) {
        stacks.sort_by(|a, b| a.id.cmp(&b.id));
    }
    // A stack that moved while the account was read page by page may come twice.
    stacks.dedup_by(|a, b| a.id == b.id);
    stacks.shrink_to_fit();
    stacks
}

/// Equal for two readings of the account that say the same.
pub(crate) fn digest(stacks: &[Stack]) -> Uuid {
    let text = serde_json::to_vec(stacks).expect("stacks are plain data");
    Uuid::new_v5(&contracts::id::NAMESPACE, &text)
}
