//! A branch of a repository whose files are the policies, as its mirror has it. Blocks.
//!
//! Only the head of the branch counts: what a pull request or another branch proposes is mirrored,
//! perhaps, and never read.

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, anyhow, bail, ensure};
use contracts::{CommitSha, change::ChangePushed, policies::PolicySource};
use git::{Access, FileKind, Mirror, Origin, Snapshot};
use located::Fault;
use uuid::Uuid;

use crate::{config, document::File, fault::Faults, folder};

mod heard;

pub(crate) use heard::Heard;

/// In place of a folder: whatever folder there is for such things.
const AUTO: &str = "auto";
/// How long a fetch may take before what is here must do.
const PATIENCE: Duration = Duration::from_secs(30);
/// The most that is read of one file.
const BYTES_MAX: u64 = 1024 * 1024;
const PATH_ADVICE: &str =
    "bring the folder back (a file in it is enough), or set policies.git.path to another";
const FILE_ADVICE: &str = "make it a plain file of readable UTF-8, or take it out of the folder";

/// The tracked branch of a repository.
#[derive(Debug)]
pub struct Branch {
    mirror: Mirror,
    /// One at a time.
    fetching: Mutex<()>,
    interrupt: AtomicBool,
    /// What was heard of it.
    pub heard: Heard,
    /// How often it is fetched without that.
    pub refresh: Duration,
    /// Where it is fetched from, without secrets.
    url: String,
    repository: String,
    branch: String,
    path: String,
}

/// Why a commit gives no policies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unread {
    /// What is wrong.
    pub faults: Faults,
    /// Whether the same commit may give them another time: the mirror could not be read.
    pub is_passing: bool,
}

impl Branch {
    /// The branch as configured; none if the policies are in a folder.
    pub fn open(options: &config::Git) -> anyhow::Result<Option<Self>> {
        Self::open_in(options, "policies.git", "")
    }

    /// The branch of policies on trial, which has a mirror of its own: it may be another branch of
    /// the same repository.
    pub fn open_shadow(options: &config::Git) -> anyhow::Result<Option<Self>> {
        Self::open_in(options, "policies.shadow_git", "shadow-")
    }

    fn open_in(options: &config::Git, table: &str, mark: &str) -> anyhow::Result<Option<Self>> {
        let config::Git { url, branch, username, token, ssh_command, .. } = options;
        if url.is_empty() {
            return Ok(None);
        }
        ensure!(!branch.is_empty(), "`{table}.branch` must say whose head counts");
        let root = match options.folder.as_str() {
            AUTO => service::state::folder("policy-mirrors"),
            "" => None,
            folder => Some(PathBuf::from(folder)),
        };
        let root =
            root.with_context(|| format!("`{table}.folder` must be a folder that can be written"))?;
        let repository = match options.repository.trim_matches('/') {
            "" => called(url),
            given => given.to_owned(),
        };
        let app = options.app.app().with_context(|| format!("`{table}.app.key`"))?;
        let app = app.map(Into::into);
        let access = Access::given(app.as_ref(), (username, token), &repository);
        let origin = Origin { url: url.clone(), access, ssh_command: ssh_command.clone() };
        let digest = Uuid::new_v5(&contracts::id::NAMESPACE, url.as_bytes()).simple().to_string();
        let mirror = Mirror::new(root.join(format!("{mark}{}.git", &digest[..16])), origin);
        let (url, branch) = (git::without_secrets(url), branch.clone());
        let path = options.path.trim_matches('/').to_owned();
        let (fetching, interrupt) = (Mutex::default(), AtomicBool::default());
        let (heard, refresh) = (Heard::default(), options.refresh);
        Ok(Some(Self {
            mirror,
            fetching,
            interrupt,
            heard,
            refresh,
            url,
            repository,
            branch,
            path,
        }))
    }

    /// What people call it: `acme/policies main policies`.
    pub fn title(&self) -> String {
        let Self { repository, branch, path, .. } = self;
        format!("{repository} {branch} {path}").trim_end().to_owned()
    }

    /// What it is known by, whatever it is called.
    pub fn key(&self) -> String {
        format!("{} {} {}", self.url, self.branch, self.path)
    }

    /// Where policies of this commit are read.
    pub fn source(&self, commit: Option<&CommitSha>) -> PolicySource {
        PolicySource {
            repository: Some(self.repository.clone()),
            branch: Some(self.branch.clone()),
            path: self.path.clone(),
            commit: commit.cloned(),
        }
    }

    /// Whether a push gave it another head.
    pub fn is_moved_by(&self, pushed: &ChangePushed) -> bool {
        let change = &pushed.change;
        !pushed.deleted
            && !pushed.tag
            && change.branch == self.branch
            && change.repository.eq_ignore_ascii_case(&self.repository)
    }

    /// Brings the mirror up to date. Blocks.
    pub fn fetch(&self) -> anyhow::Result<()> {
        let Ok(_turn) = self.fetching.try_lock() else {
            bail!("{} has not answered the fetch before this one yet", self.url);
        };
        self.interrupt.store(false, Ordering::Relaxed);
        self.mirror.fetch(&[], &self.interrupt).map_err(told)
    }

    /// The same on a thread of its own. An origin that does not answer is away.
    pub async fn fetch_in_time(self: &Arc<Self>) -> anyhow::Result<()> {
        let branch = self.clone();
        let fetching = tokio::task::spawn_blocking(move || branch.fetch());
        match tokio::time::timeout(PATIENCE, fetching).await {
            Ok(done) => done?,
            Err(_) => {
                self.interrupt.store(true, Ordering::Relaxed);
                bail!("{} gave no answer in {} seconds", self.url, PATIENCE.as_secs())
            }
        }
    }

    /// The head, as of the last fetch.
    pub fn head(&self) -> anyhow::Result<Option<CommitSha>> {
        Ok(self.mirror.head(&self.branch).map_err(told)?.map(CommitSha::from))
    }

    /// Whether the mirror has this commit.
    pub fn has(&self, commit: &CommitSha) -> bool {
        self.mirror.has(commit.as_str()).unwrap_or(false)
    }

    /// The files of policies, and the programs, of one commit.
    pub fn files(&self, commit: &CommitSha) -> Result<Vec<File>, Unread> {
        let snapshot = self.mirror.snapshot(commit.as_str()).map_err(|error| {
            let what = format!("commit {commit} cannot be read: {:#}", told(error));
            let fault =
                Fault::of_file(self.title(), what, "nothing to do, it is read again by itself");
            Unread { faults: Faults(vec![fault]), is_passing: true }
        })?;
        let root = if self.path.is_empty() { String::new() } else { format!("{}/", self.path) };
        let mut below =
            snapshot.files().iter().filter(|file| file.path.starts_with(&root)).peekable();
        if below.peek().is_none() {
            let what = format!("commit {commit} has no folder `{}`", self.path);
            let faults = Faults(vec![Fault::of_file(self.title(), what, PATH_ADVICE)]);
            return Err(Unread { faults, is_passing: false });
        }
        let (mut files, mut faults, mut is_passing) = (Vec::new(), Vec::new(), false);
        for file in below.filter(|file| is_meant(&file.path[root.len()..])) {
            match text(&snapshot, file) {
                Ok(text) => files.push(File { name: file.path.clone(), text }),
                Err((why, passes)) => {
                    is_passing |= passes;
                    let what = format!("this file cannot be read: {why}");
                    faults.push(Fault::of_file(file.path.clone(), what, FILE_ADVICE));
                }
            }
        }
        match faults.is_empty() {
            true => Ok(files),
            false => Err(Unread { faults: Faults(faults), is_passing }),
        }
    }
}

/// Whether it is one of policies, seen from their folder: right in it, or a program also below it.
fn is_meant(name: &str) -> bool {
    let depth = name.matches('/').count();
    let is_hidden = name.split('/').any(|part| part.starts_with('.'));
    let is_near = depth == 0 || (depth <= folder::DEPTH_MAX && name.ends_with(folder::PROGRAM));
    is_near && !is_hidden && folder::is_policy(name)
}

/// The text of a file, or why there is none and whether that may pass.
fn text(snapshot: &Snapshot, file: &git::File) -> Result<String, (String, bool)> {
    // What a link leads to may lie outside of what was reviewed.
    if file.kind != FileKind::File {
        return Err(("it is a link".to_owned(), false));
    }
    let bytes = snapshot.read(file, BYTES_MAX).map_err(|error| {
        let is_passing = !matches!(error, git::Error::TooLarge { .. });
        (error.to_string(), is_passing)
    })?;
    String::from_utf8(bytes).map_err(|error| (error.to_string(), false))
}

/// `acme/policies` of `https://github.com/acme/policies.git` and of `git@github.com:acme/policies`.
fn called(url: &str) -> String {
    let url = url.trim_end_matches('/');
    let url = url.strip_suffix(".git").unwrap_or(url);
    let mut parts = url.rsplit(['/', ':']).filter(|part| !part.is_empty());
    let (name, owner) = (parts.next().unwrap_or_default(), parts.next());
    owner.map_or_else(|| name.to_owned(), |owner| format!("{owner}/{name}"))
}

/// An error with all that is known of it, as one that can be kept.
fn told(error: git::Error) -> anyhow::Error {
    let error = anyhow::Error::from(error);
    anyhow!("{error:#}")
}

#[cfg(test)]
mod tests;
