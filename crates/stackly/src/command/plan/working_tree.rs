//! What differs in a working tree from what was pushed, as far as Git and the files tell.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Stdio,
};

use tokio::process::Command;

use crate::failure::Failure;

/// How much text of files is sent along: the broker takes no more in one message.
const BYTES_MAX: usize = 512 * 1024;

/// What differs, and from what.
#[derive(Debug, Default)]
pub(super) struct WorkingTree {
    /// The commit it is compared with.
    pub(super) base: String,
    /// `owner/name`, where its remote says it.
    pub(super) repository: Option<String>,
    pub(super) paths: Vec<String>,
    /// Files of code with what is in them; nothing in those that were deleted.
    pub(super) files: BTreeMap<String, Option<String>>,
    pub(super) renamed: Vec<(String, String)>,
    /// Files of code whose content is not sent, and why.
    left_out: Vec<String>,
}

impl WorkingTree {
    /// Looks at the repository that a folder lies in.
    pub(super) async fn look(
        folder: &Path,
        (since, branch): (Option<&str>, Option<&str>),
    ) -> Result<Self, Failure> {
        let root = git(folder, &["rev-parse", "--show-toplevel"]).await?;
        let root = PathBuf::from(root.trim_end());
        let base = base(&root, since, branch).await?;
        let remote = git(&root, &["config", "--get", "remote.origin.url"]).await.ok();
        let repository = remote.as_deref().and_then(|url| repository(url.trim()));
        let mut found = Self { base, repository, ..Self::default() };
        let diff = ["diff", "--name-status", "--find-renames", "-z", &found.base];
        let changed = git(&root, &diff).await?;
        let mut words = changed.split('\0').filter(|word| !word.is_empty());
        while let (Some(what), Some(path)) = (words.next(), words.next()) {
            found.paths.push(path.to_owned());
            if what.starts_with('R')
                && let Some(to) = words.next()
            {
                found.renamed.push((path.to_owned(), to.to_owned()));
                found.paths.push(to.to_owned());
            }
        }
        let untracked = git(&root, &["ls-files", "--others", "--exclude-standard", "-z"]).await?;
        let untracked = untracked.split('\0').filter(|path| !path.is_empty());
        found.paths.extend(untracked.map(str::to_owned));
        found.paths.sort();
        found.paths.dedup();
        found.read(&root);
        Ok(found)
    }

    /// Reads the files of code that differ.
    fn read(&mut self, root: &Path) {
        let mut left = BYTES_MAX;
        for path in self.paths.iter().filter(|path| code::may_be_code(path)) {
            let file = root.join(path);
            let text = match fs::symlink_metadata(&file) {
                Err(_) => Ok(None),
                Ok(found) if !found.is_file() => Err("it is not a plain file"),
                Ok(found) if found.len() > left as u64 => Err("there is too much to send"),
                Ok(_) => fs::read_to_string(&file).map(Some).map_err(|_| "it is not text"),
            };
            match text {
                Ok(text) => {
                    left = left.saturating_sub(text.as_ref().map_or(0, String::len));
                    self.files.insert(path.clone(), text);
                }
                Err(why) => self.left_out.push(format!("what is in {path} ({why})")),
            }
        }
    }

    /// What the answer cannot know of; whoever asked may have named the repository.
    pub(super) fn unseen(self, is_named: bool) -> Vec<String> {
        let mut unseen = Vec::new();
        if !is_named && self.repository.is_none() {
            let text = "which repository this is: its remote does not name it, so it was taken for \
                        the one that stacks are made from (--repository NAME says it)";
            unseen.push(text.to_owned());
        }
        unseen.extend(self.left_out);
        unseen.push(format!("what was pushed after {}", self.base));
        unseen.push("files that Git ignores, and what is in submodules".to_owned());
        unseen.push("renames of files that Git does not know yet".to_owned());
        unseen
    }
}

/// The commit to compare with: the one that was named, else where HEAD left the branch or its
/// upstream, else HEAD.
async fn base(root: &Path, since: Option<&str>, branch: Option<&str>) -> Result<String, Failure> {
    if let Some(since) = since {
        let commit = format!("{since}^{{commit}}");
        let found = git(root, &["rev-parse", "--verify", &commit]).await;
        let none = |_| Failure::Usage(format!("{since} is not a commit of {}", root.display()));
        return found.map(|sha| sha.trim().to_owned()).map_err(none);
    }
    let tracked = branch.map(|branch| format!("origin/{branch}"));
    for upstream in tracked.into_iter().chain(["@{upstream}".to_owned()]) {
        if let Ok(found) = git(root, &["merge-base", "HEAD", &upstream]).await {
            return Ok(found.trim().to_owned());
        }
    }
    Ok(git(root, &["rev-parse", "--verify", "HEAD"]).await?.trim().to_owned())
}

/// `owner/name` in the address of a remote; nothing in a path.
fn repository(url: &str) -> Option<String> {
    let place = match url.split_once("://") {
        Some(("file", _)) => return None,
        Some((_, rest)) => rest.split_once('/')?.1,
        None => url.split_once('@')?.1.split_once(':')?.1,
    };
    let place = place.trim_matches('/');
    Some(place.strip_suffix(".git").unwrap_or(place).to_owned())
}

/// What `git` says, run in a folder.
async fn git(folder: &Path, arguments: &[&str]) -> Result<String, Failure> {
    let mut command = Command::new("git");
    command.current_dir(folder).args(arguments).stdin(Stdio::null());
    command.env("GIT_TERMINAL_PROMPT", "0").kill_on_drop(true);
    let output = command.output().await.map_err(|error| {
        Failure::Failed(anyhow::anyhow!("git cannot be run in {}: {error}", folder.display()))
    })?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let text = format!("git {} in {}: {}", arguments[0], folder.display(), said.trim());
        return Err(Failure::Usage(text));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use receivers::Work;

    use super::*;

    #[tokio::test]
    async fn what_differs_is_told_with_its_text_committed_or_not() {
        let work = Work::new();
        let base = work.commit(&[("a/main.tf", "# a\n"), ("b/main.tf", "# b\n# more\n# of b\n")]);
        work.commit(&[("readme.md", "hello\n")]);
        work.git(&["mv", "b", "c"]);
        std::fs::remove_file(work.path().join("a/main.tf")).unwrap();
        std::fs::create_dir(work.path().join("d")).unwrap();
        std::fs::write(work.path().join("d/new.tf"), "# d\n").unwrap();

        let inner = work.path().join("d");
        let found = WorkingTree::look(&inner, (Some(base.as_str()), None)).await.unwrap();

        assert_eq!(found.base, base);
        let paths = ["a/main.tf", "b/main.tf", "c/main.tf", "d/new.tf", "readme.md"];
        assert_eq!(found.paths, paths);
        assert_eq!(found.renamed, [("b/main.tf".to_owned(), "c/main.tf".to_owned())]);
        let text = |path: &str| found.files.get(path).cloned();
        assert_eq!(text("a/main.tf"), Some(None));
        assert_eq!(text("d/new.tf"), Some(Some("# d\n".to_owned())));
        assert_eq!(text("readme.md"), None, "it is not code");
        let told = |is_named| {
            let unseen = WorkingTree::default().unseen(is_named);
            unseen.iter().any(|what| what.starts_with("which repository this is"))
        };
        assert!(told(false) && !told(true));
        let nothing = WorkingTree::look(work.path(), (Some("nowhere"), None)).await;
        assert!(nothing.unwrap_err().text().contains("nowhere is not a commit of"));
    }

    #[test]
    fn a_remote_says_which_repository_it_is() {
        let is = |url| repository(url).unwrap_or_default();
        assert_eq!(is("git@github.com:acme/infra.git"), "acme/infra");
        assert_eq!(is("https://x@github.com/acme/infra"), "acme/infra");
        assert_eq!(is("ssh://git@host:22/acme/infra.git/"), "acme/infra");
        assert_eq!(is("/srv/git/infra.git"), "");
    }
}
